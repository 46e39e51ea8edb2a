"""What a fetched review changes about the one that is shown, and what the panel says about it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hitl_notebook.client.review_page import ReviewPage
from hitl_notebook.panel.actions import Notice
from hitl_notebook.records import CHANGES_REQUESTED, PENDING, Review
from hitl_rendering.conversation import refusal_of
from hitl_rendering.deciders import decider_words, person_words
from hitl_rendering.review_words import state_of

GONE = "This review is gone: its task was cleared, or its run deleted."
NOT_YET = "There is no output to review yet. It appears here when it is ready."
OUTDATED = "The review has changed in the meantime, so nothing was sent. Look at it again."


def reserved_words(review: Review, user_id: str | None) -> str:
    """Return why this reviewer may not decide; empty if they may, or if it is not known."""
    return f"Only {', '.join(review.reviewers)} may decide this review." if review.leaves_out(user_id) else ""


def is_older(review: Review, shown: Review) -> bool:
    """Whether the fetched state is older than the one shown: responses may arrive out of order."""
    return _age(review) < _age(shown)


def is_decidable_as(review: Review, shown: Review) -> bool:
    """Whether a decision about what is shown still holds for the fetched state."""
    same = (review.iteration, review.output_sha256) == (shown.iteration, shown.output_sha256)
    return review.is_pending and same


def is_unseen(shown: Review, page: ReviewPage | None) -> bool:
    """Whether the list has a change in the open review that is not shown yet."""
    row = next((row for row in page or () if row.key == shown.key), None)
    if row is None:
        return not shown.task_completed  # it is not listed: it may have ended
    return row.updated_at != shown.updated_at or row.task_state != shown.task_state


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
    if shown.is_pending and review.status != PENDING and (decided := _decision(review, user_id)):
        return Notice("warning", f"{decided} Nothing was sent.") if dropped else Notice("info", decided)
    if dropped:
        return Notice("warning", OUTDATED)
    if review.iteration > shown.iteration:
        return Notice("info", f"Output {review.iteration} is ready.")
    if shown.status != PENDING and review.status == PENDING and (refusal := refusal_of(review.conversation)):
        text = f"{_sentence(refusal)} You can edit it again, approve the output as it is, or reject it."
        return Notice("error", text)
    if shown.status == CHANGES_REQUESTED and review.status == PENDING and review.last_error:
        return Notice(
            "error",
            f"The next output could not be made: {_sentence(review.last_error)} You can ask again, approve the "
            "current output, or reject it.",
        )
    if shown.is_pending and review.task_completed:
        return Notice("warning", "The task has ended without a decision: nothing can be decided any more.")
    return None


def _decision(review: Review, user_id: str | None) -> str:
    """Say who decided and how; empty if nobody did, and the review did not end by itself either."""
    told: dict[str, Any] = {"channel": review.channel, "request_kind": review.request_kind}
    _, words = state_of(review.status, task_completed=False, edited=review.edited, **told)
    if review.decided_by is None:
        why = decider_words(None, channel=review.channel)
        return f"{words}: {why}." if why else ""
    if user_id is not None and review.decided_by.id == user_id:
        return f"You have decided: {words.lower()}."
    acting_for = review.acting_for.name if review.acting_for else None
    who = person_words(review.decided_by.name, acting_for)
    return f"{who}{',' if acting_for else ''} has decided: {words.lower()}."


def _sentence(text: str) -> str:
    """Return words of somebody else, such as pydantic's, with a full stop."""
    text = text.rstrip()
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _age(review: Review) -> tuple[datetime, int, datetime]:
    return review.created_at, review.iteration, review.updated_at


def _is_anew(review: Review, shown: Review) -> bool:
    """Whether the review is of a new try of the task, which counts outputs from 1 again."""
    another = review.output_sha256 != shown.output_sha256 or review.iteration < shown.iteration
    return another and review.created_at > shown.created_at and review.iteration <= shown.iteration
