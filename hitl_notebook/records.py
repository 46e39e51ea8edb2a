"""What the API answers, as frozen records. Times are timezone-aware."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple

PENDING = "pending_review"
CHANGES_REQUESTED = "changes_requested"

STATUSES = (
    PENDING,
    CHANGES_REQUESTED,
    "approved",
    "rejected",
    "timeout_exceeded",
    "max_iterations_exceeded",
)
"""All that a review's ``status`` can be."""

_SHOWN = 120
"""Characters of a text that the ``repr`` of a record shows."""


class ReviewKey(NamedTuple):
    """Which task instance; ``map_index`` is -1 for a task that is not mapped."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1


@dataclass(frozen=True)
class User:
    """A person, as Airflow names them."""

    id: str
    name: str


class _Brief:
    """A dataclass whose ``repr`` fits a screen: an output may have a million characters."""

    def __repr__(self) -> str:
        shown = ", ".join(f"{field.name}={_brief(getattr(self, field.name))}" for field in fields(self))  # type: ignore[arg-type]
        return f"{type(self).__name__}({shown})"


@dataclass(frozen=True, repr=False)
class Turn(_Brief):
    """One turn of the conversation.

    Attributes:
        role: ``"assistant"`` or ``"human"``.
        kind: ``"output"``, ``"feedback"`` or ``"error"``.
        content: the text.
        iteration: number of the output that it is, or that it is about; from 1.
        timestamp: when it was said; timezone-aware.
        user: who said it; None for the task.
    """

    role: str
    kind: str
    content: str
    iteration: int
    timestamp: datetime
    user: User | None


@dataclass(frozen=True, repr=False)
class ReviewSummary(_Brief):
    """One row of the inbox.

    Attributes:
        key: which task instance.
        status: as stored: ``pending_review``, ``changes_requested``, ``approved``, ``rejected``,
            ``timeout_exceeded`` or ``max_iterations_exceeded``.
        iteration: number of the current output, from 1.
        max_iterations: at most so many outputs are made.
        prompt: what the task was asked for; in the inbox its first 300 characters.
        task_state: the task instance's state in Airflow.
        task_completed: whether the task has ended, so that nothing can be decided any more.
        created_at: when the first output came.
        updated_at: when anything changed last.
        deadline_at: until when is waited for a decision; None if for ever.
        last_error: why the last try to make an output failed, if it did.
        decided_by: who decided about the current output, if anybody did.
        decided_at: when they did.
        reviewers: ids of the only people who may decide; all who may do so for the DAG if empty.
        output_sha256: hex digest of the current output's UTF-8 form.
        output_excerpt: its first 200 characters, on one line; empty from older servers.
    """

    key: ReviewKey
    status: str
    iteration: int
    max_iterations: int
    prompt: str
    task_state: str | None
    task_completed: bool
    created_at: datetime
    updated_at: datetime
    deadline_at: datetime | None
    last_error: str | None
    decided_by: User | None
    decided_at: datetime | None
    reviewers: tuple[str, ...]
    output_sha256: str
    output_excerpt: str

    @property
    def is_pending(self) -> bool:
        """Whether it waits for a decision."""
        return self.status == PENDING and not self.task_completed

    @property
    def is_open(self) -> bool:
        """Whether it waits for a decision, or its task makes the next output."""
        return self.status in (PENDING, CHANGES_REQUESTED) and not self.task_completed

    @property
    def is_abandoned(self) -> bool:
        """Whether its task ended, was cleared or was killed while the review was open."""
        return self.status in (PENDING, CHANGES_REQUESTED) and self.task_completed

    def leaves_out(self, user_id: str | None) -> bool:
        """Whether it names who may decide, and this user is known to be none of them.

        Args:
            user_id: as Airflow's auth manager has it; None if it is not known.
        """
        return user_id is not None and bool(self.reviewers) and user_id not in self.reviewers


@dataclass(frozen=True, repr=False)
class Review(ReviewSummary):
    """A review with its conversation.

    Attributes:
        current_output: the output to decide about, as text.
        output_format: ``"text"``, or ``"json"`` if the task's output was no text.
        conversation: all outputs, feedback and errors, oldest first.
        dag_paused: whether its DAG is: then the task goes on only when the DAG does.
    """

    current_output: str
    output_format: str
    conversation: tuple[Turn, ...]
    dag_paused: bool = False

    @property
    def output(self) -> Any:
        """The output, parsed if it is JSON."""
        return json.loads(self.current_output) if self.output_format == "json" else self.current_output


def key_of(review: ReviewKey | ReviewSummary) -> ReviewKey:
    """Which task instance a review, a row of the inbox or a key is about."""
    if isinstance(review, ReviewKey):
        return review
    if not isinstance(review, ReviewSummary):
        raise TypeError(f"Give a review, a row of sessions(), or a ReviewKey(...), not {type(review).__name__}.")
    return review.key


def check_statuses(status: str | Sequence[str] | None) -> None:
    """Raise ``ValueError`` unless each can be a review's status, or is empty (any)."""
    for one in [status] if isinstance(status, str) else status or ():
        if one and one not in STATUSES:
            raise ValueError(f"status must be one of {', '.join(STATUSES)}, not {one!r}.")


def parse_review(value: dict[str, Any]) -> Review:
    """Read a session with its conversation."""
    turns = tuple(
        Turn(
            role=turn["role"],
            kind=turn["kind"],
            content=turn["content"],
            iteration=int(turn["iteration"]),
            timestamp=read_time(turn["timestamp"]),
            user=parse_user(turn["user"]),
        )
        for turn in value["conversation"]
    )
    return Review(
        **_common(value),
        current_output=value["current_output"],
        output_format=value["output_format"],
        conversation=turns,
        dag_paused=bool(value.get("dag_paused", False)),
    )


def parse_user(value: dict[str, Any] | None) -> User | None:
    """Read a user, or None."""
    return User(str(value["id"]), str(value["name"])) if value else None


def parse_summary(value: dict[str, Any]) -> ReviewSummary:
    """Read a row of the inbox."""
    return ReviewSummary(**_common(value))


def _common(value: dict[str, Any]) -> dict[str, Any]:
    return {
        "key": ReviewKey(value["dag_id"], value["run_id"], value["task_id"], int(value["map_index"])),
        "status": value["status"],
        "iteration": int(value["iteration"]),
        "max_iterations": int(value["max_iterations"]),
        "prompt": value["prompt"],
        "task_state": value["task_state"],
        "task_completed": value["task_completed"],
        "created_at": read_time(value["created_at"]),
        "updated_at": read_time(value["updated_at"]),
        "deadline_at": read_time_or_none(value["deadline_at"]),
        "last_error": value["last_error"],
        "decided_by": parse_user(value["decided_by"]),
        "decided_at": read_time_or_none(value["decided_at"]),
        "reviewers": tuple(str(one) for one in value.get("reviewers") or ()),  # older servers know none
        "output_sha256": value["output_sha256"],
        "output_excerpt": value.get("output_excerpt") or "",
    }


def _brief(value: object) -> str:
    if isinstance(value, str) and len(value) > _SHOWN:
        return f"{value[:_SHOWN]!r}… ({len(value):,} characters)"
    if isinstance(value, tuple) and not isinstance(value, ReviewKey) and value and isinstance(value[0], Turn):
        return f"<{len(value)} turn{'' if len(value) == 1 else 's'}>"
    return repr(value)


def read_time(value: str) -> datetime:
    """Read a time in ISO 8601."""
    # Python 3.10's fromisoformat does not know "Z".
    return datetime.fromisoformat(value.replace("Z", "+00:00"))


def read_time_or_none(value: str | None) -> datetime | None:
    """Read a time, or None."""
    return read_time(value) if value else None
