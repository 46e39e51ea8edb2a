"""What the API answers, as frozen records. Times are timezone-aware."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

PENDING = "pending_review"
CHANGES_REQUESTED = "changes_requested"


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


@dataclass(frozen=True)
class Turn:
    """One turn of the conversation; ``kind`` is ``"output"``, ``"feedback"`` or ``"error"``."""

    role: str
    kind: str
    content: str
    iteration: int
    timestamp: datetime
    user: User | None


@dataclass(frozen=True)
class ReviewSummary:
    """One row of the inbox.

    Attributes:
        status: as stored: ``pending_review``, ``changes_requested``, ``approved``, ``rejected``,
            ``timeout_exceeded`` or ``max_iterations_exceeded``.
        iteration: number of the current output, from 1.
        task_state: the task instance's state in Airflow.
        task_completed: whether the task has ended, so that nothing can be decided any more.
        output_sha256: hex digest of the current output's UTF-8 form.
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
    output_sha256: str

    @property
    def is_pending(self) -> bool:
        """Whether it waits for a decision."""
        return self.status == PENDING and not self.task_completed


@dataclass(frozen=True)
class Review(ReviewSummary):
    """A review with its conversation.

    Attributes:
        current_output: the output to decide about, as text.
        output_format: ``"text"``, or ``"json"`` if the task's output was no text.
        conversation: all outputs, feedback and errors, oldest first.
    """

    current_output: str
    output_format: str
    conversation: tuple[Turn, ...]

    @property
    def output(self) -> Any:
        """The output, parsed if it is JSON."""
        return json.loads(self.current_output) if self.output_format == "json" else self.current_output


@dataclass(frozen=True)
class ReviewPage:
    """Some reviews, and how many there are in all."""

    reviews: tuple[ReviewSummary, ...]
    total_entries: int

    def __iter__(self) -> Iterator[ReviewSummary]:
        return iter(self.reviews)

    def __len__(self) -> int:
        return len(self.reviews)


def key_of(review: ReviewKey | ReviewSummary) -> ReviewKey:
    """Which task instance a review, a row of the inbox or a key is about."""
    return review if isinstance(review, ReviewKey) else review.key


def parse_page(value: dict[str, Any]) -> ReviewPage:
    """Read the answer of ``GET /sessions``."""
    reviews = tuple(ReviewSummary(**_common(item)) for item in value["sessions"])
    return ReviewPage(reviews, value["total_entries"])


def parse_review(value: dict[str, Any]) -> Review:
    """Read a session with its conversation."""
    turns = tuple(
        Turn(
            role=turn["role"],
            kind=turn["kind"],
            content=turn["content"],
            iteration=turn["iteration"],
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
    )


def parse_user(value: dict[str, Any] | None) -> User | None:
    """Read a user, or None."""
    return User(str(value["id"]), str(value["name"])) if value else None


def _common(value: dict[str, Any]) -> dict[str, Any]:
    return {
        "key": ReviewKey(value["dag_id"], value["run_id"], value["task_id"], value["map_index"]),
        "status": value["status"],
        "iteration": value["iteration"],
        "max_iterations": value["max_iterations"],
        "prompt": value["prompt"],
        "task_state": value["task_state"],
        "task_completed": value["task_completed"],
        "created_at": read_time(value["created_at"]),
        "updated_at": read_time(value["updated_at"]),
        "deadline_at": read_time_or_none(value["deadline_at"]),
        "last_error": value["last_error"],
        "decided_by": parse_user(value["decided_by"]),
        "decided_at": read_time_or_none(value["decided_at"]),
        "output_sha256": value["output_sha256"],
    }


def read_time(value: str) -> datetime:
    """Read a time in ISO 8601."""
    # Python 3.10's fromisoformat does not know "Z".
    return datetime.fromisoformat(value.replace("Z", "+00:00"))


def read_time_or_none(value: str | None) -> datetime | None:
    """Read a time, or None."""
    return read_time(value) if value else None
