"""Answering over REST what an agent asks before it goes on."""

from __future__ import annotations

from typing import Any

import pytest

from hitl_notebook import Client, InvalidEditError
from tests.notebook.panel.test_tool_calls import add
from tests.notebook.server import ReviewServer
from tests.support.call_samples import question, refunds


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        (True, {"approved": True}),
        (False, {"approved": False}),
        ("Too much.", {"approved": False, "reason": "Too much."}),
        ({"args": {"amount": 3}}, {"args": {"amount": 3}}),
    ],
)
def test_calls_are_answered(server: ReviewServer, client: Client, said: Any, sent: Any) -> None:
    add(server, "calls", refunds())
    (row,) = client.sessions()
    review = client.find(row)
    assert (row.request_kind, review.request_kind) == ("tool_calls", "tool_calls")
    assert review.request is not None
    assert [call.tool_name for call in review.request.calls] == ["refund", "refund", "send_mail"]
    assert review.request.calls[2].metadata == {"list": "customers"}
    after = client.approve(row, calls={"call_1": said, "call_2": True, "call_3": False})
    (seen,) = server.asked("/hitl-review/sessions/approve")
    assert seen.body["calls"] == {"call_1": sent, "call_2": {"approved": True}, "call_3": {"approved": False}}
    assert after.status == "changes_requested"


def test_question_is_answered(server: ReviewServer, client: Client) -> None:
    add(server, "asks", question())
    client.approve(client.sessions()[0], calls={"ask_1": "Kyoto"})
    (seen,) = server.asked("/hitl-review/sessions/approve")
    assert seen.body["calls"] == {"ask_1": {"answer": "Kyoto"}}


def test_wrong_answers_are_not_sent(server: ReviewServer, client: Client) -> None:
    add(server, "calls", refunds())
    server.add("text")
    with pytest.raises(InvalidEditError, match="must be True, False"):
        client.approve(client.sessions(dag_id="calls")[0], calls={"call_1": 5})  # type: ignore[dict-item]
    with pytest.raises(InvalidEditError, match="asks for no calls"):
        client.approve(client.sessions(dag_id="text")[0], calls={"call_1": True})
    assert server.asked("/hitl-review/sessions/approve") == []
