"""What both user interfaces call a review's task, its states and the orders of the list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

Tone = Literal["wait", "busy", "good", "bad"]
"""The colour of a state, as a CSS class."""

STATUS_WORDS = {
    "pending_review": "Waiting",
    "changes_requested": "Changes requested",
    "approved": "Approved",
    "rejected": "Rejected",
    "timeout_exceeded": "Timed out",
    "max_iterations_exceeded": "Ended without approval",
}
"""A review's status in words, in the order of its life."""

ORDER_WORDS = {
    "-updated_at": "Last changed first",
    "updated_at": "Longest unchanged first",
    "-created_at": "Newest first",
    "created_at": "Oldest first",
    "deadline_at": "Earliest deadline first",
    "dag_id": "By DAG",
    "task_id": "By task",
    "run_id": "By run",
}
"""Orders of the list in words, by their value of ``order_by``; the first is the default."""

_TONES: dict[str, Tone] = {"pending_review": "wait", "changes_requested": "busy", "approved": "good"}


class TaskInstance(Protocol):
    """What identifies a task instance within its run."""

    @property
    def dag_id(self) -> str:
        """Its DAG."""

    @property
    def task_id(self) -> str:
        """Its task."""

    @property
    def map_index(self) -> int:
        """Number of a mapped task, else -1."""


def state_of(status: str, *, task_completed: bool) -> tuple[Tone, str]:
    """Colour and text of a review's state.

    Args:
        status: the review's status.
        task_completed: whether its task has ended or was cleared.
    """
    if task_completed and status in ("pending_review", "changes_requested"):
        return "bad", "No longer waiting"
    return _TONES.get(status, "bad"), STATUS_WORDS.get(status, status)


def task_name(task: TaskInstance, show: Callable[[str], str] = str) -> str:
    """DAG id, task id, and the map index of a mapped task.

    Args:
        task: the task instance, or its review.
        show: converts an id, for example to HTML.
    """
    mapped = f" [{task.map_index}]" if task.map_index >= 0 else ""
    return f"{show(task.dag_id)} › {show(task.task_id)}{mapped}"
