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
from hitl_notebook.model import Action, ReviewModel, words_for
from tests.notebook.server import page, review
from tests.notebook.times import stamp

A, B = ReviewKey("a", "r", "t"), ReviewKey("b", "r", "t")
BOB = {"id": "2", "name": "Bob"}


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


def test_nothing_that_is_fetched_changes_the_draft() -> None:
    model = opened("typing")
    model.apply_inbox(page(review(B), review(A, updated_at=stamp(1))))
    model.apply_review(review(A, iteration=2, updated_at=stamp(1)))
    model.apply_review(review(A, iteration=2, updated_at=stamp(2), status="rejected", decided_by=BOB))
    model.apply_inbox(page())
    model.refresh_failed(ConnectionFailedError("down"))
    assert (model.selected, model.draft) == (A, "typing")


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (ConnectionFailedError("No answer."), "error", "not known whether your decision arrived"),
        (AuthenticationError("Token refused."), "error", "was not taken. Token refused."),
        (PermissionDeniedError("Not yours."), "error", "was not taken. Not yours."),
        (InvalidRequestError("Too long."), "error", "was not taken. Too long."),
        (ReviewNotFoundError("Gone."), "error", "was not taken. Gone."),
        (ServerError("500."), "error", "was not taken. 500."),
        (
            ConflictError("Already approved by Bob.", review=review(A), decided_by=User("2", "Bob")),
            "warning",
            "was not taken. Already approved by Bob.",
        ),
    ],
)
def test_a_failed_decision_keeps_the_draft(error: HITLNotebookError, kind: str, said: str) -> None:
    model = opened("shorter")
    assert model.begin(Action.REQUEST_CHANGES) is model.review
    assert model.busy
    model.decision_failed(error)
    assert (model.busy, model.draft) == ("", "shorter")
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
def test_a_conflict_shows_what_there_is_now(current: Review) -> None:
    model = opened("shorter")
    model.begin(Action.APPROVE)
    model.decision_failed(ConflictError("Look again.", review=current, decided_by=None))
    assert (model.review, model.draft) == (current, "shorter")
    assert model.may_decide is current.is_pending


def test_a_conflict_about_a_review_that_is_no_longer_open() -> None:
    model = opened("shorter")
    model.begin(Action.APPROVE)
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
def test_a_decision_clears_its_own_draft(action: Action, status: str, said: str, moved_on: bool) -> None:
    model = opened("about a")
    model.select(B)
    model.draft = "about b"
    model.select(A)
    model.apply_review(review(A))
    assert model.begin(action) == review(A)
    if moved_on:
        model.select(B)
    model.decided(action, review(A, status=status, updated_at=stamp(1)))
    assert notice(model)[0] == "success"
    assert said in notice(model)[1]
    assert model.busy == ""
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
def test_late_replies_are_ignored(late: Review) -> None:
    model = opened(iteration=2, updated_at=stamp(5))
    before = model.review
    model.apply_review(late)
    assert model.review is before
    assert model.notice is None


@pytest.mark.parametrize("draft", ["", " \n\t"])
def test_empty_feedback_is_not_sent(draft: str) -> None:
    model = opened(draft)
    assert model.begin(Action.REQUEST_CHANGES) is None
    assert notice(model) == ("warning", "Write what should change, then request changes.")
    assert model.busy == ""
    assert model.begin(Action.APPROVE) is not None


def test_one_decision_at_a_time() -> None:
    model = opened("x")
    assert model.begin(Action.APPROVE) is not None
    assert not model.may_decide
    assert model.begin(Action.REJECT) is None
    assert model.busy == "Approving…"


@pytest.mark.parametrize(
    "changes",
    [{"status": s} for s in ("changes_requested", "approved", "rejected", "timeout_exceeded", "new_status")]
    + [{"task_completed": True}],
)
def test_only_what_waits_can_be_decided(changes: dict[str, Any]) -> None:
    model = opened("x", **changes)
    assert model.review is not None
    assert not model.may_decide
    assert [model.begin(action) for action in Action] == [None, None, None]
    assert words_for(model.review) != "waiting for you"
    assert model.waits_for_output is (changes.get("status") == "changes_requested")


def test_the_first_waiting_review_is_opened_only_if_none_is() -> None:
    model = ReviewModel()
    model.apply_inbox(page())
    assert (model.selected, model.inbox) == (None, page())
    working = review(ReviewKey("w", "r", "t"), status="changes_requested")
    model.apply_inbox(page(working))
    assert model.selected is None
    model.apply_inbox(page(working, review(B), review(A)))
    assert model.selected == B
    model.apply_inbox(page(review(A)))
    assert model.selected == B


def test_offline_until_an_answer_comes() -> None:
    model = opened("typing")
    model.apply_inbox(page(review(A)))
    model.refresh_failed(ConnectionFailedError("No answer from there."))
    assert model.offline == "No answer from there."
    assert (model.inbox, model.review, model.draft) == (page(review(A)), review(A), "typing")
    model.apply_inbox(page(review(A)))
    assert model.offline == ""


def test_a_review_that_is_gone_is_no_outage() -> None:
    model = opened("typing")
    model.refresh_failed(ReviewNotFoundError("x"))
    assert notice(model)[0] == "warning"
    assert "gone" in notice(model)[1]
    assert (model.offline, model.draft) == ("", "typing")


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
    model.apply_inbox(page(row))
    assert model.needs_fetch() is expected


def test_needs_fetch_without_a_review_shown() -> None:
    model = ReviewModel()
    assert not model.needs_fetch()
    model.select(A)
    assert model.needs_fetch()
    model.apply_review(review(A, task_completed=True))
    model.apply_inbox(page())
    assert not model.needs_fetch()


@pytest.mark.parametrize(
    ("before", "after", "kind", "said"),
    [
        ({"status": "changes_requested"}, {"iteration": 2}, "info", "Output 2 is ready"),
        ({"status": "changes_requested"}, {"last_error": "No quota"}, "error", "No quota"),
        ({}, {"status": "approved", "decided_by": BOB}, "info", "Bob has decided: approved"),
    ],
)
def test_what_happened_meanwhile_is_told(
    before: dict[str, Any], after: dict[str, Any], kind: str, said: str
) -> None:
    model = opened(**before)
    assert model.notice is None
    model.apply_review(review(A, updated_at=stamp(1), **after))
    assert notice(model)[0] == kind
    assert said in notice(model)[1]
