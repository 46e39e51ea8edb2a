"""What a fetched review changes about the one that is shown, and what the panel says about it."""

from __future__ import annotations

from datetime import datetime

from hitl_notebook.panel.actions import Notice
from hitl_notebook.records import CHANGES_REQUESTED, PENDING, Review
from hitl_rendering.review_words import state_of

GONE = "This review is gone: its task was cleared, or its run deleted."
NOT_YET = "There is no output to review yet. It appears here when it is ready."
OUTDATED = "The review has changed in the meantime, so nothing was sent. Look at it again."


def is_older(review: Review, shown: Review) -> bool:
    """Whether the fetched state is older than the one shown: responses may arrive out of order."""
    return _age(review) < _age(shown)


def is_decidable_as(review: Review, shown: Review) -> bool:
    """Whether a decision about what is shown still holds for the fetched state."""
    same = (review.iteration, review.output_sha256) == (shown.iteration, shown.output_sha256)
    return review.is_pending and same


def notice_of(review: Review, shown: Review, *, dropped: bool, user_id: str | None) -> Notice | None:
    """Say what has changed; None if there is nothing to say.

    Args:
        review: the fetched state.
        shown: the state shown so far.
        dropped: whether a decision was asked about or held back, and is not sent because of this.
        user_id: id of the reviewer, if known.
    """
    if _is_anew(review, shown):
        text = f"The task was started again: this is its new output {review.iteration}."
        return Notice("warning", f"{text} Nothing was sent." if dropped else text)
    decided = shown.is_pending and review.status != PENDING and review.decided_by is not None
    if decided and review.decided_by is not None:
        _, words = state_of(review.status, task_completed=False)
        by_me = user_id is not None and review.decided_by.id == user_id
        who = "You have" if by_me else f"{review.decided_by.name} has"
        text = f"{who} decided: {words.lower()}."
        return Notice("warning", f"{text} Nothing was sent.") if dropped else Notice("info", text)
    if dropped:
        return Notice("warning", OUTDATED)
    if review.iteration > shown.iteration:
        return Notice("info", f"Output {review.iteration} is ready.")
    if shown.status == CHANGES_REQUESTED and review.status == PENDING and review.last_error:
        return Notice(
            "error",
            f"The next output could not be made: {review.last_error}. You can ask again, approve the current "
            "output, or reject it.",
        )
    if shown.is_pending and review.task_completed:
        return Notice("warning", "The task has ended without a decision: nothing can be decided any more.")
    return None


def _age(review: Review) -> tuple[datetime, int, datetime]:
    return review.created_at, review.iteration, review.updated_at


def _is_anew(review: Review, shown: Review) -> bool:
    """Whether the review is of a new try of the task, which counts outputs from 1 again."""
    another = review.output_sha256 != shown.output_sha256 or review.iteration < shown.iteration
    return another and review.created_at > shown.created_at and review.iteration <= shown.iteration
