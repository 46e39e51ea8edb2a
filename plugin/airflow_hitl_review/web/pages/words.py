"""Display texts and colours of review states."""

from __future__ import annotations

from typing import Literal

from airflow_hitl_review.core.review import ReviewSummary
from airflow_hitl_review.core.states import SessionStatus

Tone = Literal["wait", "busy", "good", "bad"]

STATUS_WORDS = {
    SessionStatus.PENDING_REVIEW: "Waiting for a decision",
    SessionStatus.CHANGES_REQUESTED: "Changes requested",
    SessionStatus.APPROVED: "Approved",
    SessionStatus.REJECTED: "Rejected",
    SessionStatus.TIMEOUT_EXCEEDED: "Timed out",
    SessionStatus.MAX_ITERATIONS_EXCEEDED: "Ended without approval",
}

_TONES: dict[SessionStatus, Tone] = {
    SessionStatus.PENDING_REVIEW: "wait",
    SessionStatus.CHANGES_REQUESTED: "busy",
    SessionStatus.APPROVED: "good",
}


def is_abandoned(review: ReviewSummary) -> bool:
    """Whether the task ended or was cleared while the review was open."""
    return review.task_completed and not review.status.is_final


def is_open(review: ReviewSummary) -> bool:
    """Whether it can be decided now."""
    return review.status is SessionStatus.PENDING_REVIEW and not review.task_completed


def status_of(review: ReviewSummary) -> tuple[Tone, str]:
    """Colour and text of a review's state."""
    if is_abandoned(review):
        return "bad", "No longer waiting"
    return _TONES.get(review.status, "bad"), STATUS_WORDS[review.status]


def task_name(review: ReviewSummary) -> str:
    """DAG id, task id, and the map index of a mapped task."""
    mapped = f" [{review.map_index}]" if review.map_index >= 0 else ""
    return f"{review.dag_id} › {review.task_id}{mapped}"
