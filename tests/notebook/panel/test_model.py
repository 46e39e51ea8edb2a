from __future__ import annotations

from typing import Any

import pytest

from hitl_notebook import (
    AuthenticationError,
    ConflictError,
    ConnectionFailedError,
    HITLNotebookError,
    InvalidRequestError,
    PermissionDeniedError,
    Review,
    ReviewKey,
    ReviewNotFoundError,
    ServerError,
    User,
)
from hitl_notebook.panel.actions import Action
from hitl_notebook.panel.review.model import ReviewModel
from hitl_notebook.panel.review.review_html import head_html
from tests.notebook.server import page, review, turn
from tests.notebook.times import stamp

A, B = ReviewKey("a", "r", "t"), ReviewKey("b", "r", "t")
BOB = {"id": "2", "name": "Bob"}


def begin(model: ReviewModel, action: Action) -> Review | None:
    """What the reviewer's click sends, once it is no longer held back."""
    before = model.sending
    model.act(action)
    model.confirm()
    return model.sending.review if model.sending is not None and model.sending is not before else None


def opened(draft: str = "", **changes: Any) -> ReviewModel:
    model = ReviewModel()
    model.select(A)
    model.apply_review(review(A, **changes))
    model.draft = draft
    return model


def notice(model: ReviewModel) -> tuple[str, str]:
    assert model.notice is not None
    return model.notice.kind, model.notice.text


def test_drafts_are_kept_per_review() -> None:
    model = opened("about a")
    model.select(B)
    assert (model.draft, model.review, model.notice) == ("", None, None)
    model.draft = "about b"
    model.select(A)
    assert model.draft == "about a"
    model.select(A)
    assert model.draft == "about a"
    model.select(None)
    assert model.draft == ""
    model.select(B)
    assert model.draft == "about b"


def test_fetching_does_not_change_the_draft() -> None:
    model = opened("typing")
    model.apply_review(review(A, iteration=2, updated_at=stamp(1)))
    model.apply_review(review(A, iteration=2, updated_at=stamp(2), status="rejected", decided_by=BOB))
    version = model.draft_version
    model.fetch_failed(A, ConnectionFailedError("down"))
    begin(model, Action.REQUEST_CHANGES)
    model.decision_failed(ConnectionFailedError("down"))
    assert model.draft_version == version  # so the browser keeps its text
    assert (model.selected, model.draft) == (A, "typing")


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (ConnectionFailedError("No answer."), "error", "not known whether your decision arrived"),
        (AuthenticationError("Token refused."), "error", "was not taken. Token refused."),
        (PermissionDeniedError("Not yours."), "error", "was not taken. Not yours."),
        (InvalidRequestError("Too long."), "error", "was not taken. Too long."),
        (ReviewNotFoundError("Gone."), "error", "was not taken. Gone."),
        (ServerError("500."), "error", "500. It is not known whether your decision arrived"),
        (ServerError("418.", status_code=418), "error", "was not taken. 418."),
        (
            ConflictError("Already approved by Bob.", review=review(A), decided_by=User("2", "Bob")),
            "warning",
            "was not taken. Already approved by Bob.",
        ),
    ],
)
def test_failed_decision_keeps_the_draft(error: HITLNotebookError, kind: str, said: str) -> None:
    model = opened("shorter")
    assert begin(model, Action.REQUEST_CHANGES) is model.review
    assert model.sending is not None
    model.decision_failed(error)
    assert model.sending is None
    assert model.draft == "shorter"
    assert notice(model)[0] == kind
    assert said in notice(model)[1]
    model.select(B)
    model.select(A)
    assert model.draft == "shorter"


@pytest.mark.parametrize(
    "current",
    [
        review(A, iteration=2, current_output="second", updated_at=stamp(5)),
        review(A, status="approved", decided_by=BOB, updated_at=stamp(5)),
    ],
)
def test_conflict_shows_the_current_review(current: Review) -> None:
    model = opened("shorter")
    begin(model, Action.APPROVE)
    model.decision_failed(ConflictError("Look again.", review=current, decided_by=None))
    assert (model.review, model.draft) == (current, "shorter")
    assert model.may_decide is current.is_pending


def test_conflict_about_a_review_no_longer_open() -> None:
    model = opened("shorter")
    begin(model, Action.APPROVE)
    model.select(B)
    model.apply_review(review(B))
    model.decision_failed(ConflictError("Look again.", review=review(A, iteration=2), decided_by=None))
    assert model.review == review(B)
    model.select(A)
    assert model.draft == "shorter"


@pytest.mark.parametrize(
    ("action", "status", "said"),
    [
        (Action.APPROVE, "approved", "Approved output 1"),
        (Action.REJECT, "rejected", "Rejected output 1"),
        (Action.REQUEST_CHANGES, "changes_requested", "Changes requested"),
    ],
)
@pytest.mark.parametrize("moved_on", [False, True])
def test_decision_clears_only_its_draft(action: Action, status: str, said: str, moved_on: bool) -> None:
    model = opened("about a")
    model.select(B)
    model.draft = "about b"
    model.select(A)
    model.apply_review(review(A))
    assert begin(model, action) == review(A)
    if moved_on:
        model.select(B)
    model.decided(review(A, status=status, updated_at=stamp(1)))
    assert notice(model)[0] == "success"
    assert said in notice(model)[1]
    assert model.sending is None
    assert model.draft == ("about b" if moved_on else "")
    model.select(A)
    assert model.draft == ""
    model.select(B)
    assert model.draft == "about b"


@pytest.mark.parametrize(
    "late",
    [
        review(A, iteration=1, updated_at=stamp(9)),
        review(A, iteration=2, updated_at=stamp(4)),
        review(B, iteration=3, updated_at=stamp(9)),
    ],
    ids=["earlier output", "earlier state", "other review"],
)
def test_outdated_responses_are_ignored(late: Review) -> None:
    model = opened(iteration=2, updated_at=stamp(5))
    before = model.review
    model.apply_review(late)
    assert model.review is before
    assert model.notice is None


@pytest.mark.parametrize("draft", ["", " \n\t"])
def test_empty_feedback_is_not_sent(draft: str) -> None:
    model = opened(draft)
    assert begin(model, Action.REQUEST_CHANGES) is None
    assert notice(model) == ("warning", "Write what should change, then request changes.")
    assert model.sending is None
    assert begin(model, Action.APPROVE) is not None


@pytest.mark.parametrize(
    ("action", "iteration", "draft", "said"),
    [
        (Action.APPROVE, 1, "", "Approving output 1"),
        (Action.APPROVE, 1, "fine", "Approving output 1 with your comment"),
        (Action.REJECT, 2, " ", "Rejecting output 2 without a reason"),
        (Action.REJECT, 2, "wrong", "Rejecting output 2 with your reason"),
        (Action.REQUEST_CHANGES, 2, "again", "Requesting changes to output 2"),
    ],
)
def test_decisions_are_held_back_and_can_be_undone(action: Action, iteration: int, draft: str, said: str) -> None:
    model = opened(draft, iteration=iteration)
    model.act(action)
    assert model.confirming is not None
    assert (model.confirming.text, model.confirming.seconds) == (said, 5.0)
    model.cancel()
    model.confirm()
    assert (model.sending, model.draft) == (None, draft)
    model.act(action)
    assert model.sending is None
    model.confirm()
    assert model.sending is not None
    assert (model.sending.action, model.sending.review, model.sending.text) == (action, model.review, draft)
    sent = model.sending
    model.confirm()
    assert model.sending is sent


def test_the_same_action_again_sends_at_once_and_another_does_nothing() -> None:
    model = opened("fine")
    model.act(Action.APPROVE)
    model.act(Action.REJECT)
    assert (model.sending, model.is_held) == (None, True)
    model.act(Action.APPROVE)
    assert model.sending is not None
    assert (model.sending.action, model.is_held) == (Action.APPROVE, False)


def test_text_of_a_held_decision_is_that_of_the_click() -> None:
    model = opened("as clicked")
    model.act(Action.REJECT)
    model.type(A, "typed in another tab meanwhile")
    model.confirm()
    assert model.sending is not None
    assert model.sending.text == "as clicked"
    model.decided(review(A, status="rejected", updated_at=stamp(1)))
    assert model.unsent == "typed in another tab meanwhile"


def test_request_for_changes_in_the_last_round_is_asked_about() -> None:
    model = opened("again", iteration=3)
    model.act(Action.REQUEST_CHANGES)
    assert model.confirming is not None
    assert "The review then ends without approval" in model.confirming.text
    assert "can't be undone" in model.confirming.text
    assert (model.confirming.seconds, model.is_held) == (0, False)
    model.act(Action.REQUEST_CHANGES)  # no answer to the question
    assert model.sending is None
    model.send_now()
    assert model.sending is None
    model.confirm()
    assert model.sending is not None


def test_feedback_deleted_before_confirmation_is_not_sent() -> None:
    model = opened("shorter", iteration=3)
    model.act(Action.REQUEST_CHANGES)
    model.type(A, " ")
    model.confirm()
    assert model.sending is None
    assert notice(model) == ("warning", "Write what should change, then request changes.")


@pytest.mark.parametrize(
    "changes",
    [
        {"iteration": 2, "current_output": "second"},
        {"current_output": "other"},
        {"status": "approved", "decided_by": BOB},
        {"task_completed": True},
    ],
)
def test_nothing_is_sent_if_the_review_changed_while_a_decision_was_held(changes: dict[str, Any]) -> None:
    model = opened("x")
    model.act(Action.APPROVE)
    model.apply_review(review(A, updated_at=stamp(1), **changes))
    model.confirm()
    assert model.sending is None
    assert notice(model)[0] == "warning"
    assert "nothing was sent" in notice(model)[1].lower()
    assert model.draft == "x"


def test_held_decision_stays_valid_after_unrelated_changes() -> None:
    model = opened("x")
    model.act(Action.APPROVE)
    model.apply_review(review(A, updated_at=stamp(1), task_state="deferred"))
    model.confirm()
    assert model.sending is not None


def test_opening_another_review_sends_a_held_decision() -> None:
    model = opened("fine")
    model.act(Action.APPROVE)
    model.select(B)
    assert model.confirming is None
    assert model.sending is not None
    assert (model.sending.review.key, model.sending.text) == (A, "fine")
    model.apply_review(review(B))
    assert not model.may_decide  # one after the other
    model.decided(review(A, status="approved", updated_at=stamp(1)))
    assert notice(model) == ("success", "a › t: Approved output 1. The task goes on.")
    assert model.may_decide
    model.select(A)
    assert model.draft == ""


def test_opening_another_review_cancels_a_question() -> None:
    model = opened("again", iteration=3)
    model.act(Action.REQUEST_CHANGES)
    model.select(B)
    assert (model.confirming, model.sending) == (None, None)


def test_late_typing_is_kept_for_its_review() -> None:
    model = opened("about a")
    model.type(B, "about b")  # the message arrived after the switch
    assert model.draft == "about a"
    model.select(B)
    assert model.draft == "about b"


def test_typing_does_not_change_the_draft_version() -> None:
    model = opened()
    version = model.draft_version
    model.type(A, "typed")
    assert model.draft_version == version
    begin(model, Action.APPROVE)
    model.decided(review(A, status="approved"))
    assert (model.draft, model.draft_version) == ("", version + 1)


def test_stale_decision_notice() -> None:
    model = opened("x")
    begin(model, Action.APPROVE)
    now = review(A, iteration=2, current_output="second", updated_at=stamp(5))
    model.decision_failed(ConflictError("Output 2 is current.", review=now, decided_by=None))
    assert "changed since output 1" in notice(model)[1]
    assert model.may_decide


def test_outcome_names_a_review_no_longer_open() -> None:
    model = opened("x")
    begin(model, Action.APPROVE)
    model.select(B)
    model.decision_failed(PermissionDeniedError("Not yours."))
    assert notice(model) == ("error", "a › t: Your decision was not taken. Not yours.")


def test_ended_task_notice() -> None:
    model = opened()
    model.apply_review(review(A, updated_at=stamp(1), task_completed=True, task_state="failed"))
    assert notice(model)[0] == "warning"
    assert "ended without a decision" in notice(model)[1]


def test_one_decision_at_a_time() -> None:
    model = opened("x")
    assert begin(model, Action.APPROVE) is not None
    assert not model.may_decide
    assert begin(model, Action.REJECT) is None
    assert model.sending is not None
    assert model.sending.busy == "Approving…"


@pytest.mark.parametrize(
    "changes",
    [{"status": s} for s in ("changes_requested", "approved", "rejected", "timeout_exceeded", "new_status")]
    + [{"task_completed": True}],
)
def test_only_pending_reviews_can_be_decided(changes: dict[str, Any]) -> None:
    model = opened("x", **changes)
    assert model.review is not None
    assert not model.may_decide
    assert [begin(model, action) for action in Action] == [None, None, None]
    assert "Waiting for you" not in head_html(model.review)
    assert model.waits_for_output is (changes.get("status") == "changes_requested")


def test_problem_until_the_next_response() -> None:
    model = opened("typing")
    model.fetch_failed(A, ConnectionFailedError("No answer from there."))
    assert model.problem == "No answer from there."
    assert (model.review, model.draft) == (review(A), "typing")
    model.fetch_failed(B, ConnectionFailedError("Something else."))
    assert model.problem == "No answer from there."
    model.apply_review(review(A))
    assert model.problem == ""


def test_missing_review_is_not_an_outage() -> None:
    model = opened("typing")
    model.fetch_failed(B, ReviewNotFoundError("x"))
    assert model.notice is None
    model.fetch_failed(A, ReviewNotFoundError("x"))
    assert notice(model)[0] == "warning"
    assert "gone" in notice(model)[1]
    assert (model.problem, model.draft) == ("", "typing")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (review(A), False),
        (review(A, updated_at=stamp(1)), True),
        (review(A, task_state="failed"), True),
        (review(B), True),
    ],
    ids=["unchanged", "updated", "other task state", "left the list"],
)
def test_needs_fetch(row: Review, expected: bool) -> None:
    model = opened()
    assert model.needs_fetch(page(row)) is expected


def test_needs_fetch_without_a_review_shown() -> None:
    model = ReviewModel()
    assert not model.needs_fetch(None)
    model.select(A)
    assert model.needs_fetch(None)
    model.apply_review(review(A, task_completed=True))
    assert not model.needs_fetch(page())


@pytest.mark.parametrize(
    ("before", "after", "kind", "said"),
    [
        ({"status": "changes_requested"}, {"iteration": 2}, "info", "Output 2 is ready"),
        ({"status": "changes_requested"}, {"last_error": "No quota"}, "error", "No quota"),
        ({}, {"status": "approved", "decided_by": BOB}, "info", "Bob has decided: approved"),
    ],
)
def test_notice_of_changes_by_others(before: dict[str, Any], after: dict[str, Any], kind: str, said: str) -> None:
    model = opened(**before)
    assert model.notice is None
    model.apply_review(review(A, updated_at=stamp(1), **after))
    assert notice(model)[0] == kind
    assert said in notice(model)[1]


def test_form_stays_while_another_review_loads() -> None:
    model = ReviewModel()
    model.select(A)
    assert not model.wants_form
    model.apply_review(review(A))
    model.select(B)
    assert model.wants_form
    assert not model.may_decide
    model.fetch_failed(B, ServerError("503."))
    assert not model.wants_form
    model.apply_review(review(B, status="approved"))
    model.select(A)
    assert not model.wants_form


def test_new_try_with_lower_iteration_is_shown() -> None:
    model = opened(iteration=3, updated_at=stamp(9), created_at=stamp(1))
    model.act(Action.APPROVE)
    model.apply_review(review(A, iteration=1, updated_at=stamp(12), created_at=stamp(12), current_output="anew"))
    assert model.review is not None
    assert model.review.current_output == "anew"
    model.confirm()
    assert model.sending is None
    assert notice(model) == ("warning", "The task was started again: this is its new output 1. Nothing was sent.")


def test_decision_with_lost_response_is_found_in_conversation() -> None:
    model = opened("Shorter, please")
    begin(model, Action.REQUEST_CHANGES)
    model.decision_failed(ConnectionFailedError("No answer."))
    said = turn("feedback", "Shorter, please", 1)
    after = review(A, status="changes_requested", updated_at=stamp(2), conversation=[turn("output", "x", 1), said])
    model.apply_review(after)
    assert (model.draft, model.unsent) == ("", "")
    assert notice(model) == ("success", "Your feedback on output 1 had arrived.")


def test_decision_that_did_not_arrive_can_be_resent() -> None:
    model = opened("Shorter, please")
    begin(model, Action.REQUEST_CHANGES)
    model.decision_failed(ServerError("504.", status_code=504))
    model.apply_review(review(A, updated_at=stamp(2), task_state="running"))
    assert model.draft == "Shorter, please"
    assert begin(model, Action.REQUEST_CHANGES) is model.review


def test_typing_during_a_decision_is_kept() -> None:
    model = opened("first")
    begin(model, Action.REQUEST_CHANGES)
    model.type(A, "first, and more in another tab")
    model.decided(review(A, status="changes_requested", updated_at=stamp(1)))
    assert model.draft == model.unsent == "first, and more in another tab"


def test_own_decision_is_not_told_as_somebody_elses() -> None:
    model = opened()
    model.user_id = "2"
    model.apply_review(review(A, status="rejected", decided_by=BOB, updated_at=stamp(1)))
    assert notice(model) == ("info", "You have decided: rejected.")


def test_review_that_may_still_come() -> None:
    model = ReviewModel()
    model.select(A)
    model.fetch_failed(A, ReviewNotFoundError("x", task_active=True))
    assert (model.not_yet, model.waits_for_output, model.notice, model.problem) == (True, True, None, "")
    model.apply_review(review(A))
    assert (model.not_yet, model.waits_for_output, model.problem) == (False, False, "")
    model.fetch_failed(A, ReviewNotFoundError("x", task_active=True))
    assert (model.not_yet, notice(model)[0]) == (False, "warning"), "it was there"
