"""Compares a decision in XCom with its entry in the audit log."""

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


def test_recorded_decision_is_confirmed() -> None:
    assert confirms(event(), action(), OUTPUT, ["bob", "ann"])
    assert confirms(event(), action(), OUTPUT, [])
    assert confirms(event(), action(channel="chat"), OUTPUT, ["ann"])  # the channel does not matter


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
def test_changed_decision_is_not_confirmed(changes: dict[str, Any]) -> None:
    assert not confirms(event(), action(**changes), OUTPUT, ["ann", "bob"])
    assert not is_same(record_of(action(), OUTPUT), record_of(action(**changes), OUTPUT))


def test_decision_about_another_output_is_not_confirmed() -> None:
    assert not confirms(event(), action(), "Draft 2", ["ann"])


def test_decision_by_a_non_reviewer_is_not_confirmed() -> None:
    assert not confirms(event(), action(), OUTPUT, ["bob"])
    assert not confirms(event(user=None), action(user=None), OUTPUT, ["bob"])


@pytest.mark.parametrize(
    "given", [None, {}, {"error_type": "timeout"}, {"decided": True, "recorded": "x"}, {"recorded": "x"}]
)
def test_event_without_a_record_confirms_nothing(given: Any) -> None:
    assert not confirms(given, action(), OUTPUT, [])


def test_event_confirms_a_decision_of_the_ai_providers_api() -> None:
    """That API writes no audit log and does not know reviewers."""
    given = event_for(None, action(), OUTPUT)
    assert confirms(given, action(), OUTPUT, [])
    assert not confirms(given, action(), "Draft 2", [])
    assert not confirms(given, action(feedback="other"), OUTPUT, [])
    assert not confirms(given, action(), OUTPUT, ["ann"])
    assert not confirms(event_for(None, None, OUTPUT), action(), OUTPUT, [])
    version_0_1_0 = {"decided": True, "recorded": None}
    assert confirms(version_0_1_0, action(), OUTPUT, [])
    assert not confirms(version_0_1_0, action(), OUTPUT, ["ann"])


def test_feedback_and_output_are_not_recorded() -> None:
    kept = str(record_of(action(feedback="secret words"), "secret output"))
    assert "secret" not in kept
