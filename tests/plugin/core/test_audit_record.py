"""How a decision in XCom is compared with what the audit log has of it."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_hitl_review.core.audit_record import confirms, event_for, is_same, record_of
from airflow_hitl_review.core.schema import Decision, User
from airflow_hitl_review.core.states import Action

OUTPUT = "Draft 1"
ANN = User(id="ann", name="Ann")


def action(**changes: Any) -> Decision:
    return Decision(**{"action": Action.APPROVE, "feedback": "fine", "iteration": 2, "user": ANN, **changes})


def event(**changes: Any) -> dict[str, Any]:
    return {"decided": True, "recorded": record_of(action(**changes), OUTPUT)}


def test_what_was_recorded_is_confirmed() -> None:
    assert confirms(event(), action(), OUTPUT, ["bob", "ann"])
    assert confirms(event(), action(), OUTPUT, [])
    assert confirms(event(), action(channel="chat"), OUTPUT, ["ann"])  # where it was taken is of no account


@pytest.mark.parametrize(
    "changes",
    [
        {"action": Action.REJECT},
        {"feedback": "other"},
        {"iteration": 3},
        {"user": User(id="bob", name="Ann")},
        {"user": None},
    ],
)
def test_nothing_else_is(changes: dict[str, Any]) -> None:
    assert not confirms(event(), action(**changes), OUTPUT, ["ann", "bob"])
    assert not is_same(record_of(action(), OUTPUT), record_of(action(**changes), OUTPUT))


def test_another_output_than_the_reviewer_saw_is_not_confirmed() -> None:
    assert not confirms(event(), action(), "Draft 2", ["ann"])


def test_who_is_no_reviewer_confirms_nothing() -> None:
    assert not confirms(event(), action(), OUTPUT, ["bob"])
    assert not confirms(event(user=None), action(user=None), OUTPUT, ["bob"])


@pytest.mark.parametrize(
    "given", [None, {}, {"error_type": "timeout"}, {"decided": True, "recorded": "x"}, {"recorded": "x"}]
)
def test_an_event_without_a_record_confirms_nothing(given: Any) -> None:
    assert not confirms(given, action(), OUTPUT, [])


def test_where_the_ai_providers_api_decides_the_event_confirms_what_it_saw() -> None:
    """It writes no audit log, and knows no reviewers."""
    given = event_for(None, action(), OUTPUT)
    assert confirms(given, action(), OUTPUT, [])
    assert not confirms(given, action(), "Draft 2", [])
    assert not confirms(given, action(feedback="other"), OUTPUT, [])
    assert not confirms(given, action(), OUTPUT, ["ann"])
    assert not confirms(event_for(None, None, OUTPUT), action(), OUTPUT, [])
    version_0_1_0 = {"decided": True, "recorded": None}
    assert confirms(version_0_1_0, action(), OUTPUT, [])
    assert not confirms(version_0_1_0, action(), OUTPUT, ["ann"])


def test_no_text_is_recorded() -> None:
    kept = str(record_of(action(feedback="secret words"), "secret output"))
    assert "secret" not in kept
