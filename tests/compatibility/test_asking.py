"""On Airflow from 3.1.8 on: an agent that asks three times in one task before it goes on."""

from __future__ import annotations

from typing import Any

import pytest

from hitl_notebook import Review, User
from tests.compatibility.asking import TASKS
from tests.compatibility.conftest import need_python
from tests.compatibility.environments import VERSIONS, Version
from tests.compatibility.stories import Stories
from tests.compatibility.story import Story

pytestmark = [pytest.mark.live, pytest.mark.postgres, pytest.mark.timeout(3600)]

MADE = [
    ["look_up", 7],
    ["refund", 7, 20.5, "hunter2"],
    ["refund", 8, 1.0, ""],
    ["refund", 9, 9.5, ""],
]
SAID = ["order 7 was late", "paid 20.5 for 7", "paid 1 for 8", "paid 9.5 for 9", "Too dear.", "Kyoto"]


@pytest.fixture(params=[one for one in VERSIONS if one.provider], ids=lambda version: version.name)
def told(request: pytest.FixtureRequest, stories: Stories) -> Story:
    version: Version = request.param
    need_python(version)
    return stories.of(version)


def facts(told: Story) -> dict[str, Any]:
    found: dict[str, Any] = told.facts["asking"]
    return found


def test_the_reviewer_sees_the_calls_before_they_are_made(told: Story) -> None:
    first: Review = facts(told)["first"]
    assert (first.request_kind, first.is_pending) == ("tool_calls", True)
    assert first.request is not None
    assert [(call.tool_call_id, call.tool_name, call.description) for call in first.request.calls] == [
        ("a", "refund", "Pay money back."),
        ("b", "refund", "Pay money back."),
    ]
    assert first.output["a"]["args"] == {"order": 7, "amount": 20.5, "password": "***"}
    assert facts(told)["made before"] == dict.fromkeys(TASKS, MADE[:1])
    assert [step.name for step in first.conversation[0].trace.steps] == ["look_up"]  # type: ignore[union-attr]
    row = facts(told)["row"]
    assert row.output_excerpt.startswith('refund(order=7, amount=20.5, password="***"); refund(')


def test_exactly_the_approved_calls_are_made(told: Story) -> None:
    for task_id in TASKS:
        made = facts(told)["made"][task_id]
        assert made[0] == MADE[0]
        assert sorted(made[1:], key=str) == sorted(MADE[1:], key=str)  # two may be made at the same time


def test_wrong_arguments_are_refused_at_their_place(told: Story) -> None:
    code, answer = facts(told)["refused"]
    assert (code, [error["path"] for error in answer["errors"]]) == (422, [["c", "args", "order"]])
    code, answer = facts(told)["unanswered"]
    assert (code, answer["errors"]) == (422, [{"path": ["q", "answer"], "message": "must say something"}])


def test_no_slot_is_held_while_the_agent_waits(told: Story) -> None:
    assert facts(told)["waiting"] == {"awaiting_input" if told.version.has_awaiting_input else "deferred"}


def test_a_question_is_one(told: Story) -> None:
    question: Review = facts(told)["question"]
    assert question.request_kind == "question"
    assert question.output == {"q": {"tool_name": "ask", "answer": "", "args": {"question": "Which address?"}}}


def test_the_output_is_what_the_calls_returned(told: Story) -> None:
    assert facts(told)["results"] == {task_id: "\n".join(SAID) for task_id in TASKS}
    ended = facts(told)["ended"]
    reviewed, alone = ended["reviewed"], ended["alone"]
    made = [[step.name for step in turn.trace.steps] for turn in reviewed.conversation if turn.trace is not None]
    assert made == [["look_up"], ["refund", "refund"], ["refund"], ["ask"]]  # the fourth refund was denied
    assert (reviewed.status, reviewed.iteration, reviewed.decided_by) == ("approved", 4, User("admin", "admin"))
    assert (alone.status, alone.iteration, alone.channel) == ("approved", 4, "policy")
    kinds = [(turn.kind, turn.iteration, turn.is_request) for turn in reviewed.conversation]
    assert kinds == [
        ("output", 1, True),
        ("output", 2, True),
        ("edit", 2, True),
        ("output", 3, True),
        ("feedback", 3, True),
        ("output", 4, False),
    ]


def test_killed_tries_do_not_call_again_and_are_told_of(told: Story) -> None:
    """Whether a call was made is not known then: the next reviewer sees it, and decides."""
    if not told.version.kills:
        assert "again" not in facts(told)
        return
    again: dict[str, Review] = facts(told)["again"]
    begun = {name: review.request.earlier for name, review in again.items() if review.request is not None}
    assert {name: [list(one.calls) for one in earlier] for name, earlier in begun.items()} == {
        "resuming": [],
        "calling": [["refund_or_die(order=7)"]],
        "called": [["refund_or_die(order=7)"]],
        "saying": [["refund_or_die(order=7)"]],
    }
    assert facts(told)["made twice"] == {"resuming": 1, "calling": 1, "called": 2, "saying": 2}
    assert facts(told)["killed"] == dict.fromkeys(begun, "success")
