"""The conversation of a review, as the API shows it: outputs, feedback and failures. No Airflow imports."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from airflow_hitl_review.core.schema import AgentSession, User, feedback_key, iteration_of
from airflow_hitl_review.core.stored import StoredValue, UnreadableXComError
from airflow_hitl_review.core.texts import storable


class ConversationEntry(BaseModel):
    """One turn. ``role``, ``content``, ``iteration`` and ``timestamp`` are the provider's."""

    role: Literal["assistant", "human"]
    content: str
    iteration: int
    timestamp: datetime
    kind: Literal["output", "edit", "feedback", "error"]
    user: User | None = None
    acting_for: User | None = None


def conversation_of(session: AgentSession, xcoms: Mapping[str, StoredValue]) -> list[ConversationEntry]:
    """The turns up to the current output, in order; an unreadable value is shown as such."""
    decisions = {d.iteration: d for d in session.decisions}  # the last one for each output
    outputs = {n: v for k, v in xcoms.items() if (n := iteration_of(k, feedback=False)) is not None}
    said = {n for k in xcoms if (n := iteration_of(k, feedback=True)) is not None}
    turns: list[ConversationEntry] = []
    for n in sorted(n for n in {*outputs, *said} if 1 <= n <= session.iteration):
        if n in outputs:
            turns.append(
                ConversationEntry(
                    role="assistant",
                    kind="output",
                    content=_text_of(outputs[n]),
                    iteration=n,
                    timestamp=outputs[n].timestamp,
                )
            )
        for failure in (f for f in session.failures if f.iteration == n):
            turns.append(
                ConversationEntry(
                    role="human",
                    kind="feedback",
                    content=failure.feedback,
                    iteration=n,
                    timestamp=failure.asked_at or failure.at,
                    user=failure.user,
                )
            )
            turns.append(
                ConversationEntry(
                    role="assistant",
                    kind="error",
                    content=f"Regenerating failed: {failure.error}",
                    iteration=n,
                    timestamp=failure.at,
                )
            )
        feedback = xcoms.get(feedback_key(n))
        text = _text_of(feedback) if feedback is not None else ""
        decision = decisions.get(n)
        # Feedback whose regeneration failed is already added above; the XCom still has the same text.
        is_told = any(
            f.iteration == n and (f.asked_at == decision.at if decision and f.asked_at else f.feedback == text)
            for f in session.failures
        )
        if feedback is not None and not is_told:
            turns.append(
                ConversationEntry(
                    role="human",
                    kind="feedback",
                    content=text,
                    iteration=n,
                    timestamp=(decision.at if decision else None) or feedback.timestamp,
                    user=decision.user if decision else None,
                )
            )
    return turns


def _text_of(stored: StoredValue) -> str:
    try:
        return storable(str(stored.value))
    except UnreadableXComError as error:
        return f"({error})"
