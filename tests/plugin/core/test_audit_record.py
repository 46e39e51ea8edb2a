"""Compares a decision in XCom with its entry in the audit log."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_hitl_review.core.audit_record import confirms, event_for, is_same, record_of
from airflow_hitl_review.core.schema import Decision, User
from airflow_hitl_review.core.states import Action
from airflow_hitl_review.core.texts import sha256_of

OUTPUT = "Draft 1"
ANN = User(id="ann", name="Ann")
EDIT = "Draft 1, edited"


def action(**changes: Any) -> Decision:
    return Decision(**{"action": Action.APPROVE, "feedback": "fine", "iteration": 2, "user": ANN, **changes})


def event(**changes: Any) -> dict[str, Any]:
    return {"decided": True, "recorded": record_of(action(**changes), OUTPUT, EDIT)}


def test_recorded_decision_is_confirmed() -> None:
    assert confirms(event(), action(), OUTPUT, EDIT, ["bob", "ann"])
    assert confirms(event(), action(), OUTPUT, EDIT, [])
    assert confirms(event(), action(channel="chat"), OUTPUT, EDIT, ["ann"])  # the channel does not matter


@pytest.mark.parametrize(
    "changes",
    [
        {"action": Action.REJECT},
        {"feedback": "other"},
        {"iteration": 3},
        {"user": User(id="bob", name="Ann")},
        {"user": None},
        {"edited_output_sha256": sha256_of(EDIT)},
    ],
)
def test_changed_decision_is_not_confirmed(changes: dict[str, Any]) -> None:
    assert not confirms(event(), action(**changes), OUTPUT, EDIT, ["ann", "bob"])
    assert not is_same(record_of(action(), OUTPUT, EDIT), record_of(action(**changes), OUTPUT, EDIT))


def test_decision_about_another_output_is_not_confirmed() -> None:
    assert not confirms(event(), action(), "Draft 2", EDIT, ["ann"])


def test_decision_by_a_non_reviewer_is_not_confirmed() -> None:
    assert not confirms(event(), action(), OUTPUT, EDIT, ["bob"])
    assert not confirms(event(user=None), action(user=None), OUTPUT, EDIT, ["bob"])


@pytest.mark.parametrize(
    "given", [None, {}, {"error_type": "timeout"}, {"decided": True, "recorded": "x"}, {"recorded": "x"}]
)
def test_event_without_a_record_confirms_nothing(given: Any) -> None:
    assert not confirms(given, action(), OUTPUT, EDIT, [])


def test_event_confirms_a_decision_of_the_ai_providers_api() -> None:
    """That API writes no audit log and does not know reviewers."""
    given = event_for(None, action(), OUTPUT, EDIT)
    assert confirms(given, action(), OUTPUT, EDIT, [])
    assert not confirms(given, action(), "Draft 2", EDIT, [])
    assert not confirms(given, action(feedback="other"), OUTPUT, EDIT, [])
    assert not confirms(given, action(), OUTPUT, EDIT, ["ann"])
    assert not confirms(event_for(None, None, OUTPUT, EDIT), action(), OUTPUT, EDIT, [])
    version_0_1_0 = {"decided": True, "recorded": None}
    assert confirms(version_0_1_0, action(), OUTPUT, EDIT, [])
    assert not confirms(version_0_1_0, action(), OUTPUT, EDIT, ["ann"])


def test_feedback_and_output_are_not_recorded() -> None:
    kept = str(record_of(action(feedback="secret words"), "secret output", EDIT))
    assert "secret" not in kept


def test_edit_is_confirmed_by_its_text() -> None:
    edited = action(edited_output_sha256=sha256_of(EDIT))
    given = event_for(record_of(edited, OUTPUT, EDIT), edited, OUTPUT, EDIT)
    assert confirms(given, edited, OUTPUT, EDIT, ["ann"])
    for other in ("Draft 1, edited by somebody else", "", None):
        assert not confirms(given, edited, OUTPUT, other, ["ann"])
        forged = action(edited_output_sha256=sha256_of(other or ""))  # with the digest of the other text
        assert not confirms(given, forged, OUTPUT, other, ["ann"])
    assert not confirms(given, action(), OUTPUT, EDIT, ["ann"])  # without the edit


def test_version_without_edits_has_the_same_record() -> None:
    before = {name: value for name, value in record_of(action(), OUTPUT, None).items() if "edited" not in name}
    assert confirms({"decided": True, "recorded": before}, action(), OUTPUT, None, ["ann"])
