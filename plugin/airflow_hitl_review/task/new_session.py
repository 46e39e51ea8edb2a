"""Makes the session of a review: with its first output, with the next, and decided by nobody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from airflow_hitl_review.core.schema import AgentSession, Channel, Decision, FailedRegeneration
from airflow_hitl_review.core.states import Action, Step, advance
from airflow_hitl_review.core.texts import sha256_of
from airflow_hitl_review.core.tool_calls import ToolRequest
from airflow_hitl_review.task.json_values import Shown
from airflow_hitl_review.task.output_edits import Editing
from airflow_hitl_review.task.review_settings import ReviewSettings
from airflow_hitl_review.task.task_xcoms import utcnow


@dataclass(frozen=True)
class Output:
    """An output, as it is about to be shown.

    Attributes:
        shown: as returned by ``as_text``.
        editing: whether reviewers may edit it.
        request: what is asked, if the output is that.
    """

    shown: Shown
    editing: Editing
    request: ToolRequest | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a session that come with each output."""
        return {
            "current_output": self.shown[0],
            "output_format": self.shown[1],
            "allow_modifications": self.editing.refused is None,
            "modifications_refused": self.editing.refused,
            "output_schema": self.editing.schema,
            "request": self.request,
        }


def new_session(settings: ReviewSettings, ti: Any, output: Output, prompt: str) -> AgentSession:
    """The session in which the first output waits for a review.

    Args:
        settings: the operator.
        ti: the running task instance.
        output: the output.
        prompt: tells the reviewer what the output is for.
    """
    now = utcnow()
    timeout = settings.hitl_timeout
    return AgentSession(
        max_iterations=settings.max_hitl_iterations + (output.request is not None),
        requests=[1] if output.request is not None else [],
        prompt=prompt,
        display_as=settings.display_as,
        on_reject=settings.on_reject,
        on_hitl_timeout=settings.on_hitl_timeout,
        task_instance_id=str(ti.id),
        try_number=ti.try_number,
        reviewers=list(settings.reviewers),
        created_at=now,
        updated_at=now,
        deadline_at=now + timeout if timeout is not None else None,
        **output.fields,
    )


def next_session(session: AgentSession, output: Output, hitl_timeout: timedelta | None) -> AgentSession:
    """The session in which the next output waits for a review.

    Args:
        session: the review, to which the output is the answer.
        output: the output.
        hitl_timeout: the operator's.
    """
    state, now, is_request = advance(session.state, Step.REGENERATE), utcnow(), output.request is not None
    changes: dict[str, Any] = {}
    if is_request:  # it costs no round
        changes = {"max_iterations": session.max_iterations + 1, "requests": [*session.requests, state.iteration]}
    if session.request is not None or is_request:  # each request has its own time, and so has what follows
        changes["deadline_at"] = now + hitl_timeout if hitl_timeout is not None else None
    return session.moved_to(state, now, last_error=None, **changes, **output.fields)


def decided(session: AgentSession, action: Action, channel: Channel) -> tuple[AgentSession, Decision]:
    """The session after a decision that nobody made, and that decision.

    Args:
        session: the review.
        action: what is decided.
        channel: why.
    """
    now = utcnow()
    decision = Decision(
        action=action,
        iteration=session.iteration,
        at=now,
        channel=channel,
        output_sha256=sha256_of(session.current_output),
    )
    after = advance(session.state, action)
    return session.moved_to(after, now, decisions=[*session.decisions, decision]), decision


def is_nobodys(session: AgentSession) -> bool:
    """Whether the session's last decision is one that nobody made."""
    return bool(session.decisions) and session.decisions[-1].is_nobodys


def failure_of(decision: Decision, step: Step, error: str) -> FailedRegeneration:
    """The record of a decision that could not be carried out.

    Args:
        decision: the decision.
        step: ``FAIL_TO_REGENERATE`` or ``REFUSE_EDIT``.
        error: the reason.
    """
    return FailedRegeneration(
        iteration=decision.iteration,
        at=utcnow(),
        feedback=decision.feedback,
        error=error,
        user=decision.user,
        asked_at=decision.at,
        kind="edit" if step is Step.REFUSE_EDIT else "regeneration",
        edited_output_sha256=decision.edited_output_sha256,
        acting_for=decision.acting_for,
    )
