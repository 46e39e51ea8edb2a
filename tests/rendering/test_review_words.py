from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

import pytest

from hitl_rendering.deciders import decider_words, person_words, turn_words
from hitl_rendering.decision_words import ACTION_WORDS, action_words, form_words, impossible, is_last_round
from hitl_rendering.plain_text import isolated
from hitl_rendering.review_words import deadline_words, state_of


@dataclass(frozen=True)
class Somebody:
    name: str


@dataclass(frozen=True)
class Said:
    kind: str
    user: Somebody | None = Somebody("ann")
    acting_for: Somebody | None = None
    trace: None = None
    content: str = ""
    iteration: int = 2
    timestamp: datetime = datetime(2030, 1, 2, tzinfo=timezone.utc)
    is_request: bool = False


BRIDGE, ANN = Somebody("slack-bridge"), Somebody("Ann")


def test_actions_by_what_rejecting_does_and_whether_there_is_an_edit() -> None:
    assert action_words() == ACTION_WORDS
    skip = action_words("skip")
    assert skip["reject"].effect == "The task is skipped, and so are tasks that need it"
    assert {**skip, "reject": None} == {**ACTION_WORDS, "reject": None}
    edited = action_words("skip", edited=True)
    assert list(edited) == list(ACTION_WORDS)
    assert edited["approve"].label == "Approve the edit"
    assert edited["approve"].held.format(2) == "Approving output 2 as you edited it"
    assert edited["feedback"].effect == "The task goes on from your edit"
    assert edited["reject"].effect == f"{skip['reject'].effect}; your edit is dropped"


def test_requests_of_agents_have_actions_of_their_own() -> None:
    calls = action_words("skip", request_kind="tool_calls")
    assert [one.label for one in calls.values()] == ["Approve", "Deny", "Reject"]
    assert calls["reject"].effect == skip_effect()
    answered = action_words(request_kind="tool_calls", edited=True)
    assert [one.label for one in answered.values()] == ["Send the answers", "Deny", "Reject"]
    question = action_words(request_kind="question")
    assert question["feedback"].done.format(3) == "Answered request 3. The agent goes on."
    assert list(impossible("question", edited=False)) == ["approve"]
    assert list(impossible("tool_calls", edited=True)) == ["feedback"]
    assert impossible("tool_calls", edited=False) == impossible(None, edited=True) == {}
    assert form_words("of a later version") == form_words("tool_calls") != form_words()
    assert (is_last_round(5, 5, None), is_last_round(5, 5, "tool_calls")) == (True, False)
    assert state_of("changes_requested", task_completed=False, request_kind="question") == ("busy", "Answered")


def skip_effect() -> str:
    return action_words("skip")["reject"].effect


@pytest.mark.parametrize(
    ("on_hitl_timeout", "words"),
    [
        ("fail", "decide before 14:05"),
        ("approve", "approved at 14:05 if nobody decides"),
        ("reject", "rejected at 14:05 if nobody decides"),
        ("of a later version", "decide before 14:05"),
    ],
)
def test_deadline_says_what_happens_then(on_hitl_timeout: str, words: str) -> None:
    assert deadline_words(on_hitl_timeout).format("14:05") == words
    asked = "denied at 14:05 if nobody answers" if on_hitl_timeout == "reject" else "answer before 14:05"
    assert deadline_words(on_hitl_timeout, "tool_calls").format("14:05") == asked


@pytest.mark.parametrize(
    ("status", "channel", "edited", "state"),
    [
        ("approved", "chat", False, ("good", "Approved")),
        ("approved", None, True, ("good", "Approved, edited")),
        ("changes_requested", "rest", True, ("busy", "Changes requested, edited")),
        ("pending_review", None, True, ("wait", "Waiting")),
        ("approved", "timeout", False, ("good", "Approved at the deadline")),
        ("rejected", "timeout", False, ("bad", "Rejected at the deadline")),
        ("timeout_exceeded", "timeout", False, ("bad", "Timed out")),
        ("approved", "policy", False, ("good", "Approved without a review")),
        ("rejected", "of a later version", False, ("bad", "Rejected")),
    ],
)
def test_state_says_how_it_ended(status: str, channel: str | None, edited: bool, state: tuple[str, str]) -> None:
    assert state_of(status, task_completed=False, channel=channel, edited=edited) == state


def test_person_for_whom_a_service_acts_is_named_first() -> None:
    assert person_words("ann") == "ann"
    assert person_words("slack-bridge", "Ann") == "Ann, by slack-bridge"
    assert person_words("<b>", "<i>", isolated) == "<bdi>&lt;i&gt;</bdi>, by <bdi>&lt;b&gt;</bdi>"


def test_decider() -> None:
    assert decider_words(ANN) == "by Ann"
    assert decider_words(BRIDGE, ANN, "rest") == "for Ann, by slack-bridge"
    assert decider_words(None, channel="timeout") == "because nobody decided in time"
    assert decider_words(None, channel="policy") == "the DAG's rule says that nobody need look"
    assert decider_words(None, channel="airflow") == decider_words(None) == ""


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (Said("feedback"), "ann on output 2"),
        (Said("feedback", None), "Reviewer on output 2"),
        (Said("feedback", BRIDGE, ANN), "Ann, by slack-bridge, on output 2"),
        (Said("edit"), "ann edited output 2"),
        (Said("edit", BRIDGE, ANN), "Ann, by slack-bridge, edited output 2"),
        (Said("error", None), "Task"),
        (Said("edit", is_request=True), "ann answered request 2"),
        (Said("feedback", is_request=True), "ann on request 2"),
        (Said("of a later version"), "ann on output 2"),
    ],
)
def test_turn_says_who_and_about_what(turn: Said, words: str) -> None:
    assert turn_words(turn) == words
