"""Schema of our XComs: keys and values. No Airflow imports.

Keys and required fields are those of the Airflow AI provider, so that each side can read the other's sessions. Our
additional fields are optional; its models ignore them. Times are timezone-aware, and of when something happened.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import Self

from airflow_hitl_review.core.states import Action, ReviewState, SessionStatus
from airflow_hitl_review.core.texts import Ordered, Text, Time
from airflow_hitl_review.core.tool_calls import RequestKind, ToolRequest

PREFIX = "airflow_hitl_review_"

SESSION_KEY = f"{PREFIX}agent_session"
"""``AgentSession``. Written by the worker; the API server sets its status on a decision."""

SUMMARY_KEY = f"{PREFIX}summary"
"""``SessionSummary``: the session without its output, for lists. The API server writes it with a long session. It
is valid only if its row is not older than the session's: without our plugin, none is written."""

ACTION_KEY = f"{PREFIX}human_action"
"""``Decision``, the last one. Written by the API server; by the worker, if nobody made it."""

HISTORY_KEY = f"{PREFIX}message_history"
"""Prefix of history keys; by itself, the key of the single history of version 0.1.0."""

_OUTPUT_PREFIX = f"{PREFIX}agent_output_"
_FEEDBACK_PREFIX = f"{PREFIX}human_feedback_"
WEBHOOK_PREFIX = f"{PREFIX}webhook_"
"""Prefix of outbox entry keys."""

PROGRESS_KEY = f"{PREFIX}progress"
"""``progress.Progress``, while an output is made. Written by the worker, which deletes it then."""

BEGUN_CALLS_KEY = f"{PREFIX}begun_calls"
"""List of ``tool_calls.BegunCalls``, of all tries. Written by the worker; kept when a new try starts."""

WEBHOOKS_KEY = f"{PREFIX}webhooks"
"""``webhook_endpoints.ReviewWebhooks``: the endpoints of this review. Written by the worker before the session,
deleted once the final event is in the outbox. Its row's timestamp is when the outbox is checked next."""

WEBHOOKS_ENDED_KEY = f"{PREFIX}webhooks_ended"
"""``True``: the review has ended with undelivered events. The API server deletes it; its timestamp is as above."""

RESUME_METHOD = "resume_hitl_review"
"""Operator method that Airflow calls to resume a parked task."""

OutputFormat = Literal["text", "json"]
OnReject = Literal["fail", "skip"]
OnTimeout = Literal["fail", "approve", "reject"]
GivenChannel = Literal["rest", "notebook", "chat", "airflow"]  # where a person decided

Channel = Literal["rest", "notebook", "chat", "airflow", "timeout", "policy"]
"""Where a decision was made; the last two are the worker's own (``on_hitl_timeout``, ``review_when``)."""


def output_key(iteration: int) -> str:
    """Key of the n-th output (text, as shown to the reviewer). Written by the worker."""
    return f"{_OUTPUT_PREFIX}{iteration}"


def feedback_key(iteration: int) -> str:
    """Key of the feedback on the n-th output (text). Written by the API server."""
    return f"{_FEEDBACK_PREFIX}{iteration}"


def edited_output_key(iteration: int) -> str:
    """Key of the n-th output as the reviewer edited it (text), if the decision has its digest. As above."""
    return f"{PREFIX}edited_output_{iteration}"


def trace_key(iteration: int) -> str:
    """Key of what the task did for the n-th output (``trace.Trace``). Written by the worker."""
    return f"{PREFIX}trace_{iteration}"


def history_key(iteration: int) -> str:
    """Key of the history up to the n-th output (any JSON), which regenerating needs after a pause.

    The worker writes it before the session has that output: nothing reads the history of an unseen one.
    """
    return f"{HISTORY_KEY}_{iteration}"


def webhook_key(event_id: str) -> str:
    """Key of an outbox entry (``hitl_webhooks.OutboxEntry``), which the worker writes, then the API server."""
    return f"{WEBHOOK_PREFIX}{event_id}"


def iteration_of(key: str, *, feedback: bool) -> int | None:
    """The iteration number in an output or feedback key; None for any other key."""
    prefix = _FEEDBACK_PREFIX if feedback else _OUTPUT_PREFIX
    digits = key.removeprefix(prefix)
    return int(digits) if key.startswith(prefix) and digits.isascii() and digits.isdigit() else None


class _Stored(BaseModel):
    model_config = ConfigDict(extra="ignore")

    @classmethod
    def read(cls, value: Any) -> Self:
        """Parse an XCom value: an object, or a string with its JSON, which the AI provider also accepts.

        Raises:
            pydantic.ValidationError: it is neither.
        """
        return cls.model_validate_json(value) if isinstance(value, str) else cls.model_validate(value)


class User(_Stored):
    """A person, as Airflow's auth manager names them."""

    id: Text
    name: Text


class Decision(_Stored):
    """A reviewer's decision that was taken: the last one under ``ACTION_KEY``, all of them in the session.

    The AI provider, whose class is ``HumanActionData``, has only the first three fields.

    Attributes:
        iteration: number of the output that it is about.
        feedback: what to change, or a reason; empty in the session, as it has an XCom of its own.
        user: who decided; None for a decision of the worker's, and for one made through the AI provider's API.
        output_sha256: hex digest of that output.
        edited_output_sha256: hex digest of the output as the reviewer edited it; None if they did not.
        acting_for: for whom ``user``, such as a chat bridge, says that it decided. It gives no right.
    """

    action: Action
    feedback: Text = ""
    iteration: int = 1
    user: User | None = None
    at: Time | None = None
    channel: Channel = "rest"
    output_sha256: str | None = None
    edited_output_sha256: str | None = None
    acting_for: User | None = None

    @property
    def is_nobodys(self) -> bool:
        """Whether the worker made it, and no person."""
        return self.channel in ("timeout", "policy")

    @property
    def is_edited(self) -> bool:
        """Whether it changed the output."""
        return self.edited_output_sha256 is not None


class FailedRegeneration(_Stored):
    """A decision that could not be carried out; the review went on with the same output.

    Attributes:
        kind: ``"regeneration"``: the next output could not be made; ``"edit"``: the task refused the edit.
        edited_output_sha256: hex digest of that edit, if there was one.
    """

    iteration: int
    at: Time
    feedback: Text
    error: Text
    user: User | None = None
    asked_at: Time | None = None
    kind: Literal["regeneration", "edit"] = "regeneration"
    edited_output_sha256: str | None = None
    acting_for: User | None = None


class AgentSession(_Stored):
    """The session, under ``SESSION_KEY``.

    Attributes:
        task_instance_id: Airflow's id of the try that created it, a UUID.
        try_number: the try number at the start. It can increase during the review, see ``core.resume_guard``.
        reviewers: ids, from Airflow's auth manager, of the only people who may decide; if empty, everybody who may
            decide reviews of the DAG.
        allow_modifications: whether the output can be edited: workers that do not say so would ignore an edit.
        modifications_refused: why not, in words.
        output_schema: JSON Schema (2020-12) of the output, if it has a declared type.
        on_reject: how the task ends when the output is rejected.
        on_hitl_timeout: how the review ends at ``deadline_at``.
        request: what the agent asks, if the current output is such a request and no result.
        requests: numbers of the outputs so far that were requests.
    """

    status: SessionStatus = SessionStatus.PENDING_REVIEW
    iteration: int = 1
    max_iterations: int = 5
    prompt: Text = ""
    current_output: Text = ""
    created_at: Time | None = None
    updated_at: Time | None = None
    deadline_at: Time | None = None
    last_error: Text | None = None
    output_format: OutputFormat = "text"
    display_as: Text | None = None
    task_instance_id: str | None = None
    try_number: int | None = None
    reviewers: list[Text] = Field(default_factory=list)
    allow_modifications: bool = False
    modifications_refused: Text | None = None
    output_schema: Ordered | None = None
    on_reject: OnReject = "fail"
    on_hitl_timeout: OnTimeout = "fail"
    request: ToolRequest | None = None
    requests: list[int] = Field(default_factory=list)
    decisions: list[Decision] = Field(default_factory=list)
    failures: list[FailedRegeneration] = Field(default_factory=list)

    @property
    def state(self) -> ReviewState:
        """The state for the state machine."""
        return ReviewState(self.status, self.iteration, self.max_iterations, self.request is not None)

    def moved_to(self, state: ReviewState, at: datetime, **changes: Any) -> AgentSession:
        """A copy in another state."""
        return self.model_copy(
            update={"status": state.status, "iteration": state.iteration, "updated_at": at, **changes}
        )


class SessionSummary(AgentSession):
    """A session without its output (``current_output`` is empty), for lists, under ``SUMMARY_KEY``.

    Attributes:
        output_sha256: hex digest of the output.
        output_excerpt: its first characters, on one line.
        request_kind: what the agent asks, if the output is that; ``request`` is empty here.
    """

    output_sha256: Text
    output_excerpt: Text
    request_kind: RequestKind | None = None


def is_reviewer(user_id: str | None, reviewers: Collection[str]) -> bool:
    """Whether a user is one of ``reviewers``; True for everybody if that is empty."""
    return not reviewers or user_id in reviewers
