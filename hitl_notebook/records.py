"""API responses as frozen dataclasses. Times are timezone-aware."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import msgspec

from hitl_notebook.tool_calls import ToolRequest
from hitl_notebook.traces import Trace

_Record = TypeVar("_Record")

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
"""All possible values of a review's ``status``."""

_SHOWN = 120
"""Maximum number of characters of a text in a record's ``repr``."""


class ReviewKey(NamedTuple):
    """Identifies a task instance; ``map_index`` is -1 for a task that is not mapped."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1


@dataclass(frozen=True)
class User:
    """An Airflow user."""

    id: str
    name: str


class _Brief:
    """A dataclass with a short ``repr``: an output may have a million characters."""

    def __repr__(self) -> str:
        shown = ", ".join(f"{field.name}={_brief(getattr(self, field.name))}" for field in fields(self))  # type: ignore[arg-type]
        return f"{type(self).__name__}({shown})"


@dataclass(frozen=True, repr=False)
class Turn(_Brief):
    """One turn of the conversation.

    Attributes:
        role: ``"assistant"`` or ``"human"``.
        kind: ``"output"``, ``"edit"``, ``"feedback"`` or ``"error"``.
        content: the text.
        iteration: number of this output, or of the output that the turn is about; from 1.
        timestamp: when it was said; timezone-aware.
        user: who said it; None for the task.
        acting_for: for whom they said it, if for somebody else.
        trace: what the task did to make the output, if it says so.
        is_request: whether the output is what an agent asks, or the edit is the answer.
    """

    role: str
    kind: str
    content: str
    iteration: int
    timestamp: datetime
    user: User | None
    acting_for: User | None = None
    trace: Trace | None = None
    is_request: bool = False


@dataclass(frozen=True, repr=False, kw_only=True)
class ReviewSummary(_Brief):
    """One row of the inbox.

    Attributes:
        key: which task instance.
        status: as stored: ``pending_review``, ``changes_requested``, ``approved``, ``rejected``,
            ``timeout_exceeded`` or ``max_iterations_exceeded``.
        iteration: number of the current output, from 1.
        max_iterations: maximum number of outputs.
        prompt: what the task was asked for; in the inbox its first 300 characters.
        task_state: the task instance's state in Airflow.
        task_completed: whether the task has ended, so that no decision is possible any more.
        created_at: when the first output was created.
        updated_at: when the review last changed.
        deadline_at: deadline for the decision; None if there is no deadline.
        last_error: why the last attempt to make an output failed, or why the task refused an edit.
        decided_by: who decided on the current output, if anybody did.
        decided_at: when they decided.
        reviewers: ids of the only users who may decide; if empty, everyone with permission for the DAG may.
        output_sha256: hex digest of the current output, encoded as UTF-8.
        output_excerpt: its first 200 characters, on one line; empty from older servers.
        edited: whether the decision changed the output by hand.
        acting_for: for whom the decider decided, if for somebody else.
        channel: where the decision was made; ``"timeout"``: by the clock, ``"policy"``: nobody need look.
        request_kind: what the agent asks before it goes on, if the current output is that: ``"tool_calls"`` or
            ``"question"``.
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
    reviewers: tuple[str, ...] = ()
    output_sha256: str
    output_excerpt: str = ""
    edited: bool = False
    acting_for: User | None = None
    channel: str | None = None
    request_kind: str | None = None

    @property
    def is_pending(self) -> bool:
        """Whether the review waits for a decision."""
        return self.status == PENDING and not self.task_completed

    @property
    def is_open(self) -> bool:
        """Whether the review waits for a decision, or its task is making the next output."""
        return self.status in (PENDING, CHANGES_REQUESTED) and not self.task_completed

    @property
    def is_abandoned(self) -> bool:
        """Whether the task ended, was cleared or was killed while the review was open."""
        return self.status in (PENDING, CHANGES_REQUESTED) and self.task_completed

    def leaves_out(self, user_id: str | None) -> bool:
        """Whether the review lists its reviewers, and this user is known not to be one of them.

        Args:
            user_id: Airflow's auth manager's id of the user; None if it is not known.
        """
        return user_id is not None and bool(self.reviewers) and user_id not in self.reviewers


@dataclass(frozen=True, repr=False, kw_only=True)
class Review(ReviewSummary):
    """A review with its conversation.

    Attributes:
        current_output: the output to decide on, as text.
        output_format: ``"text"``, or ``"json"`` if the task's output was not text.
        conversation: all outputs, feedback and errors, oldest first.
        dag_paused: whether its DAG is paused: the task then continues only when the DAG is unpaused.
        display_as: how the task wants its output shown, such as ``"code:python"``; None for what it looks like.
        allow_modifications: whether the output can be edited.
        modifications_refused: why not, in words; None if it can.
        output_schema: JSON Schema of the output, if it has one.
        edited_output: the last edit of the current output.
        on_reject: what rejecting does to the task: ``"fail"`` or ``"skip"``.
        on_hitl_timeout: what the deadline does: ``"fail"``, ``"approve"`` or ``"reject"``.
        request: what the agent asks, if the current output is that; see ``Client.approve``.
    """

    current_output: str
    output_format: str
    conversation: tuple[Turn, ...]
    dag_paused: bool = False
    display_as: str | None = None
    allow_modifications: bool = False
    modifications_refused: str | None = None
    output_schema: dict[str, Any] | None = None
    edited_output: str | None = None
    on_reject: str = "fail"
    on_hitl_timeout: str = "fail"
    request: ToolRequest | None = None

    @property
    def output(self) -> Any:
        """The output, parsed if it is JSON."""
        return json.loads(self.current_output) if self.output_format == "json" else self.current_output


def key_of(review: ReviewKey | ReviewSummary) -> ReviewKey:
    """Return the key of a review, an inbox row or a key."""
    if isinstance(review, ReviewKey):
        return review
    if not isinstance(review, ReviewSummary):
        raise TypeError(f"Give a review, a row of sessions(), or a ReviewKey(...), not {type(review).__name__}.")
    return review.key


def parse_review(value: dict[str, Any]) -> Review:
    """Parse a session with its conversation."""
    return parse_keyed(value, Review)


def parse_summary(value: dict[str, Any]) -> ReviewSummary:
    """Parse an inbox row."""
    return parse_keyed(value, ReviewSummary)


def parse_keyed(value: dict[str, Any], kind: type[_Record]) -> _Record:
    """Parse an object that has its task instance's fields among its own; in a record they are the ``key``.

    Unknown fields are ignored, and those with a default may be missing: servers can be newer or older.

    Raises:
        msgspec.ValidationError: a field is missing or of another type.
        KeyError: so is one of the task instance's (``TypeError``: it is no object at all).
    """
    return msgspec.convert({**value, "key": [value[name] for name in ReviewKey._fields]}, kind)


def parse_user(value: dict[str, Any] | None) -> User | None:
    """Parse a user, or None."""
    return msgspec.convert(value, User) if value else None


def _brief(value: object) -> str:
    if isinstance(value, str) and len(value) > _SHOWN:
        return f"{value[:_SHOWN]!r}… ({len(value):,} characters)"
    if isinstance(value, tuple) and not isinstance(value, ReviewKey) and value and isinstance(value[0], Turn):
        return f"<{len(value)} turn{'' if len(value) == 1 else 's'}>"
    return repr(value)


def read_time(value: str) -> datetime:
    """Parse an ISO 8601 time."""
    # Python 3.10's fromisoformat does not accept "Z".
    return datetime.fromisoformat(value.replace("Z", "+00:00"))
