"""How a review ended, where the panel says so in one line: in the list, in notices, in saved notebooks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hitl_notebook.panel.actions import Action
from hitl_notebook.panel.inbox.rows import row_of
from hitl_notebook.panel.record import _line, _review_html
from hitl_notebook.panel.review.changes import notice_of
from hitl_notebook.panel.review.decision import Decision
from hitl_notebook.panel.review.form import session_form
from hitl_notebook.panel.review.model import ReviewModel
from hitl_notebook.records import Review, User
from tests.notebook.server import review, turn
from tests.notebook.times import stamp

ANN, BRIDGE = User("1", "Ann"), User("2", "slack-bridge")


def ended(status: str = "approved", **changes: Any) -> Review:
    shown = review(status=status, task_completed=True, decided_at=stamp(1))
    return replace(shown, **changes)


@pytest.mark.parametrize(
    ("shown", "words", "notice", "line"),
    [
        (
            ended(decided_by=ANN, edited=True),
            "Approved, edited",
            "Ann has decided: approved, edited.",
            "Approved, edited, output 1, by Ann, ",
        ),
        (
            ended("rejected", decided_by=BRIDGE, acting_for=ANN),
            "Rejected",
            "Ann, by slack-bridge, has decided: rejected.",
            "Rejected, output 1, for Ann, by slack-bridge, ",
        ),
        (
            ended(channel="timeout"),
            "Approved at the deadline",
            "Approved at the deadline: because nobody decided in time.",
            "Approved at the deadline, output 1, because nobody decided in time, ",
        ),
        (
            ended(channel="policy"),
            "Approved without a review",
            "Approved without a review: the DAG's rule says that nobody need look.",
            "Approved without a review, output 1, the DAG's rule says that nobody need look, ",
        ),
    ],
)
def test_one_line_says_how_it_ended(shown: Review, words: str, notice: str, line: str) -> None:
    assert row_of(shown)["words"] == words
    said = notice_of(shown, review(), dropped=False, user_id="3")
    assert said is not None
    assert (said.kind, said.text) == ("info", notice)
    dropped = notice_of(shown, review(), dropped=True, user_id="3")
    assert dropped is not None
    assert (dropped.kind, dropped.text) == ("warning", f"{notice} Nothing was sent.")
    assert f": {line}" in _line(shown)


def test_notice_says_why_an_edit_was_refused() -> None:
    refused = "The edit was refused: revenue is negative."
    conversation = [turn("output", "1", 1), turn("edit", "-1", 1), turn("error", refused, 1)]
    again = review(last_error="revenue is negative", conversation=conversation)
    said = notice_of(again, review(status="approved"), dropped=False, user_id="1")
    assert said is not None
    assert said.text == f"{refused} You can edit it again, approve the output as it is, or reject it."


def test_saved_notebook_keeps_the_approved_edit() -> None:
    conversation = [turn("output", "The quick fox.", 1), turn("edit", "The slow fox.", 1)]
    shown = review(current_output="The quick fox.", conversation=conversation)
    approved = _review_html(replace(shown, status="approved"))
    assert "<strong>Output 1, edited</strong>" in approved
    assert "The slow fox." in approved
    assert "The quick fox." in _review_html(shown)


def test_rejecting_says_what_it_does_to_the_task() -> None:
    model = ReviewModel()
    shown = replace(review(), on_reject="skip")
    model.select(shown.key)
    model.apply_review(shown)
    effect = "The task is skipped, and so are tasks that need it"
    assert session_form(model, "")["buttons"][2]["title"] == effect
    rejected = Decision(Action.REJECT, shown, "").done(is_open=True)
    assert rejected.text == f"Rejected output 1. {effect}."
    failed = Decision(Action.REJECT, review(), "").done(is_open=True)
    assert failed.text == "Rejected output 1. The task fails and is not retried."


def test_an_answered_request_is_listed_as_answered() -> None:
    answered = review(status="changes_requested", edited=True, request_kind="tool_calls", decided_at=stamp(1))
    assert row_of(answered)["words"] == "Answered"
