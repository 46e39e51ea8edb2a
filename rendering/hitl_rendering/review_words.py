"""What both user interfaces call a review's task, its states, and the list's orders and search."""

from __future__ import annotations

import re
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
"""A review's status in words."""

WAITING_FOR = {"you": "Waiting for you", "others": "Waiting for others", "all": STATUS_WORDS["pending_review"]}
"""Waiting, to a reader who may decide, to one whom the review's reviewers leave out, and to all."""

BEING_MADE = "Being made"
"""Of a task that makes its first output."""

NO_MATCH = "No review matches."
"""What a list says that its filters have left empty."""

SEARCH_HELP = "The search looks at ids and prompts; with in:output, also at the current outputs."
_IN_OUTPUT = re.compile(r"(?:^|\s+)in:output(?=\s|$)", re.IGNORECASE)

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


_BY_CHANNEL = {
    ("timeout", "approved"): "Approved at the deadline",
    ("timeout", "rejected"): "Rejected at the deadline",
    ("policy", "approved"): "Approved without a review",
}
"""States that nobody decided, by the decision's channel."""

_AT_DEADLINE = {"approve": "approved at {} if nobody decides", "reject": "rejected at {} if nobody decides"}

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


def deadline_words(on_hitl_timeout: str, request_kind: str | None = None) -> str:
    """What happens at a review's deadline; ``{}`` is its time.

    Args:
        on_hitl_timeout: the task's setting.
        request_kind: what the agent asks, if the current output is that: the clock never approves it.
    """
    if request_kind is not None:
        return "denied at {} if nobody answers" if on_hitl_timeout == "reject" else "answer before {}"
    return _AT_DEADLINE.get(on_hitl_timeout, "decide before {}")


def state_of(
    status: str,
    *,
    task_completed: bool,
    for_you: bool | None = None,
    edited: bool = False,
    channel: str | None = None,
    request_kind: str | None = None,
) -> tuple[Tone, str]:
    """Colour and text of a review's state.

    Args:
        status: the review's status.
        task_completed: whether its task has ended or was cleared.
        for_you: whether the reader may decide it; None if that is not known, or the text is for all readers.
        edited: whether the decision changed the output by hand.
        channel: where the decision was made, if that is known.
        request_kind: what the agent asks, if the current output is that.
    """
    if request_kind is not None and status == "changes_requested" and not task_completed:
        return "busy", "Answered"
    if task_completed and status in ("pending_review", "changes_requested"):
        return "bad", "No longer waiting"
    if status == "pending_review" and for_you is not None:
        return "wait", WAITING_FOR["you" if for_you else "others"]
    words = _BY_CHANNEL.get((channel or "", status)) or STATUS_WORDS.get(status, status)
    if edited and status in ("approved", "changes_requested"):
        words += ", edited"
    return _TONES.get(status, "bad"), words


def searched(text: str) -> tuple[str, bool]:
    """The text that a search is for, and whether it has the word ``in:output``, which is no part of that text."""
    rest, count = _IN_OUTPUT.subn("", text)
    return (rest.strip(), True) if count else (text, False)


def round_words(iteration: int, max_iterations: int) -> str:
    """Which output a review is at, and how many there can be."""
    return f"round {iteration} of {max_iterations}"


def task_name(task: TaskInstance, show: Callable[[str], str] = str) -> str:
    """DAG id, task id, and the map index of a mapped task.

    Args:
        task: the task instance, or its review.
        show: converts an id, for example to HTML.
    """
    mapped = f" [{task.map_index}]" if task.map_index >= 0 else ""
    return f"{show(task.dag_id)} › {show(task.task_id)}{mapped}"
