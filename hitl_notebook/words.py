"""Describes review states for users."""

from __future__ import annotations

from hitl_notebook.client.records import CHANGES_REQUESTED, PENDING, Review, ReviewKey


def words_for(review: Review, user_id: str | None = None) -> str:
    """Describe a review's state for users; for this user, if known."""
    if review.is_pending:
        return "waiting for others" if review.leaves_out(user_id) else "waiting for you"
    if review.status == PENDING:
        return "no longer waiting"
    return {
        CHANGES_REQUESTED: "changes requested",
        "approved": "approved",
        "rejected": "rejected",
        "timeout_exceeded": "timed out",
        "max_iterations_exceeded": "ended without approval",
    }.get(review.status, review.status)


def task_name(key: ReviewKey) -> str:
    """Display name: DAG and task."""
    return f"{key.dag_id} › {key.task_id}"


def task_instance_name(key: ReviewKey) -> str:
    """Display name with the map index of a mapped task."""
    return task_name(key) + (f"[{key.map_index}]" if key.map_index >= 0 else "")
