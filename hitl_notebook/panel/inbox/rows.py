"""Data of a list row, as sent to the browser."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from hitl_notebook.client.review_page import FirstOutput
from hitl_notebook.panel.messages import id_of
from hitl_notebook.records import CHANGES_REQUESTED, PENDING, ReviewSummary
from hitl_rendering.one_line import title_of
from hitl_rendering.render import encodable
from hitl_rendering.review_words import BEING_MADE, round_words, state_of

_STATES = {
    PENDING: "waiting",
    CHANGES_REQUESTED: "working",
    "approved": "approved",
    "rejected": "rejected",
    "timeout_exceeded": "timed_out",
}
"""Names of the states in ``front_end``; all others are ``"ended"``."""


def row_of(
    review: ReviewSummary, *, user_id: str | None = None, is_new: bool = False, listed: bool = True
) -> dict[str, Any]:
    """Return a review's row, in the format of ``elements.InboxList.rows``.

    Args:
        review: a listed review, or the open one.
        user_id: the reader's id, if known.
        is_new: whether it arrived while the list was open.
        listed: whether the list contains it with the current filters.
    """
    for_you = not review.leaves_out(user_id)
    _, words = state_of(
        review.status,
        task_completed=review.task_completed,
        for_you=for_you,
        edited=review.edited,
        channel=review.channel,
        request_kind=review.request_kind,
    )
    key = review.key
    return {
        "id": id_of(key),
        "state": "abandoned" if review.is_abandoned else _STATES.get(review.status, "ended"),
        "words": words,
        "dag_id": encodable(key.dag_id),
        "run_id": encodable(key.run_id),
        "task_id": encodable(key.task_id),
        "map_index": key.map_index,
        "iteration": review.iteration,
        "round": round_words(review.iteration, review.max_iterations),
        "title": encodable(title_of(review.prompt)),
        "excerpt": encodable(review.output_excerpt),
        "created_at": _stamp(review.created_at),
        "updated_at": _stamp(review.updated_at),
        "deadline_at": _stamp(review.deadline_at) if review.deadline_at is not None else None,
        "is_new": is_new,
        "listed": listed,
        "pickable": review.is_pending and listed,
    }


def row_of_first(first: FirstOutput) -> dict[str, Any]:
    """Return the row of a task that makes its first output, in the same format."""
    key = first.key
    started = _stamp(first.started_at) if first.started_at is not None else ""
    return {
        "id": id_of(key),
        "state": "working",
        "words": BEING_MADE,
        "dag_id": encodable(key.dag_id),
        "run_id": encodable(key.run_id),
        "task_id": encodable(key.task_id),
        "map_index": key.map_index,
        "iteration": 0,
        "round": "",
        "title": "",
        "excerpt": "",
        "created_at": started,
        "updated_at": started,
        "deadline_at": None,
        "is_new": False,
        "listed": True,
        "pickable": False,
    }


def _stamp(at: datetime) -> str:
    return at.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
