"""The conversation of a review, as the API shows it: outputs, feedback and failures. No Airflow imports."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from airflow_hitl_review.core.schema import (
    AgentSession,
    Decision,
    FailedRegeneration,
    User,
    edited_output_key,
    feedback_key,
    iteration_of,
    output_key,
    trace_key,
)
from airflow_hitl_review.core.stored import StoredValue, UnreadableXComError
from airflow_hitl_review.core.texts import sha256_of, storable
from airflow_hitl_review.core.trace import Trace, read_trace
from hitl_rendering.conversation import failure_words


class ConversationEntry(BaseModel):
    """One turn. ``role``, ``content``, ``iteration`` and ``timestamp`` are the provider's.

    ``trace``: what the task did to make the output, if it says so. ``is_request``: the output is what an agent asks
    (``core.tool_calls``), or the edit is the answer.
    """

    role: Literal["assistant", "human"]
    content: str
    iteration: int
    timestamp: datetime
    kind: Literal["output", "edit", "feedback", "error"]
    user: User | None = None
    acting_for: User | None = None
    trace: Trace | None = None
    is_request: bool = False


def conversation_of(session: AgentSession, xcoms: Mapping[str, StoredValue]) -> list[ConversationEntry]:
    """The turns up to the current output, in order; an unreadable value is shown as such."""
    outputs = {n for key in xcoms if (n := iteration_of(key, feedback=False)) is not None}
    said = {n for key in xcoms if (n := iteration_of(key, feedback=True)) is not None}
    turns: list[ConversationEntry] = []
    for n in sorted(n for n in {*outputs, *said} if 1 <= n <= session.iteration):
        if n in outputs:
            stored = xcoms[output_key(n)]
            turn = _turn("output", _text_of(stored), n, stored.timestamp)
            turns.append(turn.model_copy(update={"trace": _trace_of(xcoms.get(trace_key(n)))}))
        for failure in session.failures:
            if failure.iteration == n:
                turns += _of_failure(failure, xcoms)
        turns += _of_decision(session, n, xcoms)
    return [turn.model_copy(update={"is_request": turn.iteration in session.requests}) for turn in turns]


def last_about(session: AgentSession, iteration: int) -> Decision | None:
    """The last decision about an output, also one that could not be carried out."""
    return next((one for one in reversed(session.decisions) if one.iteration == iteration), None)


def edited_output_of(
    decision: Decision | FailedRegeneration | None, xcoms: Mapping[str, StoredValue]
) -> str | None:
    """The output as the reviewer edited it, if the decision has an edit and XCom still has its text.

    Raises:
        UnreadableXComError: it cannot be read just now.
    """
    stored = xcoms.get(edited_output_key(decision.iteration)) if decision is not None else None
    if decision is None or decision.edited_output_sha256 is None or stored is None:
        return None
    text = str(stored.value)  # whoever wrote it
    return storable(text) if decision.edited_output_sha256 == sha256_of(text) else None


def _of_failure(failure: FailedRegeneration, xcoms: Mapping[str, StoredValue]) -> list[ConversationEntry]:
    """A decision that could not be carried out, and why not."""
    n, asked_at = failure.iteration, failure.asked_at or failure.at
    turns = _edit_turns(failure, asked_at, xcoms)
    if failure.feedback:
        turns.append(_turn("feedback", failure.feedback, n, asked_at, failure))
    words = failure_words(failure.error, of_edit=failure.kind == "edit")
    return [*turns, _turn("error", words, n, failure.at)]


def _of_decision(session: AgentSession, n: int, xcoms: Mapping[str, StoredValue]) -> list[ConversationEntry]:
    """The edit and the feedback of the last decision about an output, unless it is among the failures."""
    decision = last_about(session, n)
    if decision is not None and decision.is_nobodys:
        return []  # what XCom has is of a person's earlier decision, which failed
    feedback = xcoms.get(feedback_key(n))
    text = _text_of(feedback) if feedback is not None else ""
    for failure in session.failures:
        if failure.iteration == n and (
            failure.asked_at == decision.at if decision and failure.asked_at else failure.feedback == text
        ):
            return []  # XCom still has the same texts
    at = decision.at if decision else None
    turns = _edit_turns(decision, at, xcoms) if decision is not None else []
    if feedback is not None:
        turns.append(_turn("feedback", text, n, at or feedback.timestamp, decision))
    return turns


def _edit_turns(
    decision: Decision | FailedRegeneration, at: datetime | None, xcoms: Mapping[str, StoredValue]
) -> list[ConversationEntry]:
    n = decision.iteration
    try:
        text = edited_output_of(decision, xcoms)
    except UnreadableXComError as error:
        text = f"({error})"
    stored = xcoms.get(edited_output_key(n))
    if text is None or stored is None:
        return []
    return [_turn("edit", text, n, at or stored.timestamp, decision)]


def _turn(
    kind: Literal["output", "edit", "feedback", "error"],
    content: str,
    iteration: int,
    at: datetime,
    who: Decision | FailedRegeneration | None = None,
) -> ConversationEntry:
    return ConversationEntry(
        role="human" if kind in ("edit", "feedback") else "assistant",
        kind=kind,
        content=content,
        iteration=iteration,
        timestamp=at,
        user=who.user if who is not None else None,
        acting_for=who.acting_for if who is not None else None,
    )


def _trace_of(stored: StoredValue | None) -> Trace | None:
    try:
        return read_trace(stored.value) if stored is not None else None
    except UnreadableXComError:
        return None  # the review can do without it


def _text_of(stored: StoredValue) -> str:
    try:
        return storable(str(stored.value))
    except UnreadableXComError as error:
        return f"({error})"
