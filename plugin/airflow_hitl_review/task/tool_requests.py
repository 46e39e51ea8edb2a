"""What a task makes sure of before it goes on from a request: that it was approved, and is carried out once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from airflow_hitl_review.core.schema import AgentSession, Decision
from airflow_hitl_review.core.states import SessionStatus, advance
from airflow_hitl_review.core.texts import sha256_of, sha256_of_values
from airflow_hitl_review.core.tool_calls import BegunCalls, ToolRequest, calls_in_words
from airflow_hitl_review.task.errors import HITLRegenerationError
from airflow_hitl_review.task.remembered import Remembered
from airflow_hitl_review.task.task_xcoms import utcnow

_START_OVER = "None was made. Clear the task to start over."


def settled(
    session: AgentSession, remembered: Remembered, asked: ToolRequest | None, decision: Decision
) -> AgentSession:
    """The session with what the task has asked, which XCom may not have, or have changed.

    Args:
        session: as XCom has it.
        remembered: what the task knows without XCom.
        asked: what the task has asked; None if the current output is no request.
        decision: what was decided.

    Raises:
        HITLRegenerationError: the reviewer has decided about another request.
    """
    told = session.request
    if asked is not None:
        changed = told is not None and _known(told) != _known(asked)
        if changed or sha256_of(session.current_output) != remembered.output_sha256:
            raise HITLRegenerationError(
                "The agent's request was changed in XCom while it waited, so the reviewer may have seen other "
                f"calls than those that would be made. {_START_OVER}"
            )
        if told is not None:
            asked = asked.model_copy(update={"begun_at": told.begun_at, "earlier": told.earlier})
    pending = replace(session.state, status=SessionStatus.PENDING_REVIEW, is_request=asked is not None)
    status = advance(pending, decision.action).status
    return session.model_copy(update={"request": asked, "status": status})


def _known(request: ToolRequest) -> str:
    """What the reviewer knows of the calls besides their arguments."""
    return sha256_of_values(request.model_dump(mode="json", include={"kind", "calls"}))


def begun(session: AgentSession, answer: str, try_number: int) -> tuple[AgentSession, BegunCalls]:
    """The session once its calls are being made: another process of the task must not make them again.

    Args:
        session: the review.
        answer: the reviewer's.
        try_number: the task's.

    Returns:
        The session, and what is remembered of the calls for a later try.

    Raises:
        HITLRegenerationError: an earlier process has begun.
    """
    request, now = session.request, utcnow()
    assert request is not None
    if request.begun_at is not None:
        raise HITLRegenerationError(
            f"The approved calls were begun at {request.begun_at:%Y-%m-%d %H:%M:%S} UTC by a process that has "
            "ended since, so some may have been made. Look at what they do, then clear the task to start over."
        )
    after = session.model_copy(update={"request": request.model_copy(update={"begun_at": now}), "updated_at": now})
    calls = calls_in_words(answer, approved=True)
    id_ = session.task_instance_id or ""
    return after, BegunCalls(task_instance_id=id_, try_number=try_number, at=now, calls=calls)


def with_earlier(session: AgentSession, begun_calls: list[BegunCalls]) -> AgentSession:
    """The session whose request says what earlier tries have begun."""
    assert session.request is not None
    earlier = [one for one in begun_calls if one.task_instance_id != session.task_instance_id]
    return session.model_copy(update={"request": session.request.model_copy(update={"earlier": earlier})})


def check_history(remembered: Remembered, history: Any) -> None:
    """Check that the conversation which led to a request is the same as when the task parked.

    Raises:
        HITLRegenerationError: somebody has changed it.
    """
    if remembered.history_sha256 not in (None, sha256_of_values(history)):
        raise HITLRegenerationError(
            f"The agent's conversation was changed in XCom while its request waited. {_START_OVER}"
        )
