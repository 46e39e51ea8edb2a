"""A review as the API shows it, assembled from a task instance's XComs. No Airflow imports."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from airflow_hitl_review.core.conversation import ConversationEntry, conversation_of, edited_output_of, last_about
from airflow_hitl_review.core.schema import (
    ACTION_KEY,
    SESSION_KEY,
    AgentSession,
    Channel,
    Decision,
    OnReject,
    OnTimeout,
    SessionSummary,
    User,
)
from airflow_hitl_review.core.states import SessionStatus
from airflow_hitl_review.core.stored import (
    StoredValue,
    parse_session,
    read_decision,
    read_session,
    with_times,
)
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.core.texts import sha256_of, storable
from airflow_hitl_review.core.tool_calls import RequestKind, ToolRequest, calls_in_words
from hitl_rendering.one_line import excerpt_of

ACTIVE_STATES = frozenset({"running", "deferred", "awaiting_input", "queued", "scheduled", "up_for_reschedule"})
"""Task instance states in which a decision still reaches the worker."""

_SUMMARY_PROMPT_LENGTH = 300

EDITS_NOT_SUPPORTED = "The output cannot be edited: its task does not support edits."
"""Of a session that the AI provider's worker or version 0.1.0 wrote."""

_NOT_BY_A_DECISION = (SessionStatus.PENDING_REVIEW, SessionStatus.TIMEOUT_EXCEEDED)

_LONG_SESSION = 8_000
"""In characters; a session whose output and schema are longer also gets a summary without both."""


class FirstOutput(BaseModel):
    """A task that makes its first output, and says what it does meanwhile; it has no review yet."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    started_at: datetime | None


class ReviewSummary(BaseModel):
    """One row of the inbox.

    ``prompt`` is cut after 300 characters. ``reviewers`` has the ids of the only people who may decide; it is empty
    where all may who may do so for the DAG. Of the output there is the digest, and its first 200 characters on one
    line, without Markdown's marks: white space and control characters between words have become one space.
    ``edited``: the decision changed the output by hand. ``acting_for``: for whom ``decided_by`` decided.
    ``channel``: where; with ``timeout`` (``on_hitl_timeout``) and ``policy`` (``review_when``) nobody did.
    ``request_kind``: what the agent asks, if the current output is that and no result (``core.tool_calls``).
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    status: SessionStatus
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
    reviewers: list[str]
    output_sha256: str
    output_excerpt: str
    edited: bool = False
    acting_for: User | None = None
    channel: Channel | None = None
    request_kind: RequestKind | None = None

    @property
    def is_being_made(self) -> bool:
        """Whether the task makes the next output."""
        return self.status is SessionStatus.CHANGES_REQUESTED and not self.task_completed


class ReviewResponse(ReviewSummary):
    """A session with its conversation: the provider's ``HITLReviewResponse``, and more fields.

    ``prompt`` is whole here. ``dag_paused``: the DAG is, and so the task goes on only when the DAG does.
    ``allow_modifications``: whether the output can be edited; ``modifications_refused`` says why not.
    ``output_schema``: JSON Schema (2020-12) of the output, if it has a declared type. ``edited_output``: the last
    edit of the current output, with which it was approved or changes were requested, or which the task refused.
    ``on_reject`` and ``on_hitl_timeout``: how the task, and the review, then end. ``request``: what the agent asks;
    ``current_output`` is then the JSON of the calls, of which an approval can have an edit or ``calls``.
    """

    current_output: str
    output_format: Literal["text", "json"]
    display_as: str | None = None
    conversation: list[ConversationEntry]
    dag_paused: bool = False
    allow_modifications: bool = False
    modifications_refused: str | None = None
    output_schema: dict[str, Any] | None = None
    edited_output: str | None = None
    on_reject: OnReject = "fail"
    on_hitl_timeout: OnTimeout = "fail"
    request: ToolRequest | None = None


def is_active(task_state: str | None) -> bool:
    """Whether the task instance still runs or waits, so that a decision has an effect."""
    return task_state in ACTIVE_STATES


def summarize(key: TaskKey, task_state: str | None, stored: StoredValue) -> ReviewSummary:
    """Build one row of the inbox, from the session or its summary."""
    is_summary = isinstance(stored.value, dict) and "output_sha256" in stored.value
    session = (
        with_times(SessionSummary.read(stored.value), stored.timestamp) if is_summary else parse_session(stored)
    )
    common = _common(key, task_state, session, _final_decision(session))
    return ReviewSummary(**common, prompt=session.prompt[:_SUMMARY_PROMPT_LENGTH])


def summary_of(session: AgentSession) -> SessionSummary | None:
    """A summary stored beside a session so that lists need not read all of it; None if the session is short."""
    if len(session.current_output) + len(str(session.output_schema or "")) <= _LONG_SESSION:
        return None
    without = session.model_dump(exclude={"current_output", "failures", "output_schema", "request"})
    return SessionSummary(
        **without,
        output_sha256=sha256_of(session.current_output),
        output_excerpt=_excerpt(session),
        request_kind=session.request.kind if session.request is not None else None,
    )


def assemble(
    key: TaskKey, task_state: str | None, xcoms: Mapping[str, StoredValue], *, dag_paused: bool = False
) -> ReviewResponse | None:
    """The whole review; None if the task instance has no session, or the value is not a session.

    Raises:
        UnreadableXComError: the session, or who decided, cannot be read just now. Unreadable parts of the
            conversation are shown as such instead.
    """
    session = read_session(xcoms.get(SESSION_KEY))
    if session is None:
        return None
    decided = _final_decision(session) or _stored_decision(session, xcoms)
    return ReviewResponse(
        **_common(key, task_state, session, decided),
        prompt=session.prompt,
        current_output=session.current_output,
        output_format=session.output_format,
        display_as=session.display_as,
        conversation=conversation_of(session, xcoms),
        dag_paused=dag_paused,
        allow_modifications=session.allow_modifications,
        modifications_refused=_why_not_modified(session),
        output_schema=session.output_schema,
        edited_output=edited_output_of(last_about(session, session.iteration), xcoms),
        on_reject=session.on_reject,
        on_hitl_timeout=session.on_hitl_timeout,
        request=session.request,
    )


def _common(
    key: TaskKey, task_state: str | None, session: AgentSession, decided: Decision | None
) -> dict[str, Any]:
    """The fields that both responses share, except the prompt."""
    return {
        "dag_id": key.dag_id,
        "run_id": key.run_id,
        "task_id": key.task_id,
        "map_index": key.map_index,
        "status": session.status,
        "iteration": session.iteration,
        "max_iterations": session.max_iterations,
        "task_state": task_state,
        "task_completed": not is_active(task_state),
        "created_at": session.created_at,
        "updated_at": session.updated_at,
        "deadline_at": session.deadline_at,
        "last_error": session.last_error,
        "decided_by": decided.user if decided else None,
        "decided_at": decided.at if decided else None,
        "edited": bool(decided and decided.is_edited),
        "acting_for": decided.acting_for if decided else None,
        "channel": decided.channel if decided else None,
        "reviewers": session.reviewers,
        **_output_facts(session),
    }


def _output_facts(session: AgentSession) -> dict[str, str | None]:
    summary = session if isinstance(session, SessionSummary) else None
    return {
        "output_sha256": summary.output_sha256 if summary else sha256_of(session.current_output),
        "output_excerpt": summary.output_excerpt if summary else _excerpt(session),
        "request_kind": summary.request_kind if summary else session.request.kind if session.request else None,
    }


def _excerpt(session: AgentSession) -> str:
    if session.request is not None:
        return storable(excerpt_of("; ".join(calls_in_words(session.current_output)), "text"))
    return storable(excerpt_of(session.current_output, session.output_format))


def _final_decision(session: AgentSession) -> Decision | None:
    """The decision that led to the session's status; None while it is pending, and if none did."""
    return session.decisions[-1] if session.decisions and session.status not in _NOT_BY_A_DECISION else None


def _why_not_modified(session: AgentSession) -> str | None:
    return None if session.allow_modifications else session.modifications_refused or EDITS_NOT_SUPPORTED


def _stored_decision(session: AgentSession, xcoms: Mapping[str, StoredValue]) -> Decision | None:
    """Like ``_final_decision``, for a session that the provider's API wrote: it keeps only the last decision."""
    stored = xcoms.get(ACTION_KEY)
    decision = read_decision(stored)
    if stored is None or decision is None or session.status in _NOT_BY_A_DECISION:
        return None
    return decision.model_copy(update={"at": decision.at or stored.timestamp})
