"""What the input of an AG-UI run asks for: a look, or a decision."""

from __future__ import annotations

import json
from typing import Any, Literal

from ag_ui.core import ResumeEntry, RunAgentInput, TextPart, UserMessage
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from airflow_hitl_review.core.review import ReviewResponse
from airflow_hitl_review.core.states import Action, SessionStatus
from airflow_hitl_review.core.tool_calls import CallAnswer
from airflow_hitl_review.server.reviews.decisions import Request
from airflow_hitl_review.web.ag_ui.messages import interrupts_of, messages_of, output_id, place_of
from airflow_hitl_review.web.http.field_limits import MAX_EDIT_LENGTH, MAX_FEEDBACK_LENGTH


class InputError(Exception):
    """The input cannot be taken; the message says why, and ``code`` which kind of error it is."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class _Payload(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class OutputAnswer(_Payload):
    """The answer to an interrupt about an output."""

    decision: Literal["approve", "reject", "request_changes"]
    feedback: str = Field(default="", max_length=MAX_FEEDBACK_LENGTH)
    edited_output: Any = None


class CallPayload(_Payload):
    """The answer to an interrupt about a call of a tool; ``editedArgs`` replace the arguments."""

    approved: bool
    editedArgs: dict[str, Any] | None = None  # noqa: N815 - AG-UI's name
    reason: str = Field(default="", max_length=MAX_FEEDBACK_LENGTH)


class QuestionPayload(_Payload):
    """The answer to an agent's question."""

    answer: str = Field(min_length=1, max_length=MAX_FEEDBACK_LENGTH)


_ACTIONS = {"approve": Action.APPROVE, "reject": Action.REJECT, "request_changes": Action.CHANGES_REQUESTED}


def is_look(given: RunAgentInput, review: ReviewResponse | None) -> bool:
    """Whether the input asks for no decision, so that a reader may send it."""
    return not given.resume and _new_message(given, review) is None


def decision_of(given: RunAgentInput, review: ReviewResponse) -> Request | None:
    """The decision that an input asks for; None if it asks for none.

    Raises:
        InputError: it cannot be taken.
    """
    if given.resume:
        return _of_resume(given.resume, review)
    text = _new_message(given, review)
    if text is None:
        return None
    if output_id(review) not in {message.id for message in given.messages}:
        raise InputError("not_seen", f"Read output {review.iteration} first, then send your message again.")
    if not text.strip():
        raise InputError("empty_message", "Say what to change: the message is empty.")
    return Request(Action.CHANGES_REQUESTED, text, review.iteration, output_sha256=review.output_sha256)


def is_repeated(given: RunAgentInput, review: ReviewResponse, user_id: str) -> bool:
    """Whether the user has given the same answer already: clients repeat a request that got no response."""
    if not given.resume or review.decided_by is None or review.decided_by.id != user_id:
        return False
    places = {entry.interrupt_id[: len(place_of(review))] for entry in given.resume}
    if places != {place_of(review)} or any(entry.status != "resolved" for entry in given.resume):
        return False
    if review.request is not None:
        return review.status is SessionStatus.CHANGES_REQUESTED
    return _status_of(given.resume[0].payload) is review.status


def _status_of(payload: Any) -> SessionStatus | None:
    decision = payload.get("decision") if isinstance(payload, dict) else None
    return {
        "approve": SessionStatus.APPROVED,
        "reject": SessionStatus.REJECTED,
        "request_changes": SessionStatus.CHANGES_REQUESTED,
    }.get(str(decision))


def _of_resume(resume: list[ResumeEntry], review: ReviewResponse) -> Request | None:
    entries = {entry.interrupt_id: entry for entry in resume}
    if len(entries) != len(resume):
        raise InputError("invalid_resume", "Answer each interrupt once.")
    waiting = {interrupt.id: interrupt for interrupt in interrupts_of(review)}
    if waiting:
        if unknown := sorted(set(entries) - set(waiting)):
            raise InputError("unknown_interrupt", f"This does not wait, or no longer: {', '.join(unknown)[:300]}.")
        if missing := sorted(set(waiting) - set(entries)):
            raise InputError(
                "unanswered", f"Answer all that waits. There is no answer to {', '.join(missing)[:300]}."
            )
    cancelled = [entry for entry in resume if entry.status == "cancelled"]
    if len(cancelled) == len(resume):
        return None
    if cancelled:
        raise InputError("invalid_resume", "Answer all calls, or cancel all: some are answered, others cancelled.")
    # A review that does not wait takes no decision, and says who has decided.
    if review.request is None:
        return _of_output(resume[0].payload, review)
    answers = {}
    for call in review.request.calls:
        entry = entries.get(f"{place_of(review)}-{call.tool_call_id}")
        if entry is not None:
            answers[call.tool_call_id] = _answer(entry.payload, is_question=call.kind == "question")
    return Request(
        Action.APPROVE, iteration=review.iteration, output_sha256=review.output_sha256, calls=answers or None
    )


def _of_output(payload: Any, review: ReviewResponse) -> Request:
    answer = _read(OutputAnswer, payload)
    action = _ACTIONS[answer.decision]
    if action is Action.CHANGES_REQUESTED and not answer.feedback.strip():
        raise InputError("invalid_payload", "Say what to change: the feedback is empty.")
    edited = answer.edited_output
    if edited is not None and action is Action.REJECT:
        raise InputError(
            "invalid_payload", "A rejection has no edited output. Approve it, or request changes to it."
        )
    if edited is not None:
        if review.output_format == "json":
            edited = json.dumps(edited, ensure_ascii=False)
        elif not isinstance(edited, str):
            raise InputError("invalid_payload", "edited_output must be a text, as the output is.")
        if len(edited) > MAX_EDIT_LENGTH:
            raise InputError("invalid_payload", f"edited_output has more than {MAX_EDIT_LENGTH:,} characters.")
    return Request(
        action, answer.feedback, review.iteration, output_sha256=review.output_sha256, edited_output=edited
    )


def _answer(payload: Any, *, is_question: bool) -> CallAnswer:
    if is_question:
        return CallAnswer(answer=_read(QuestionPayload, payload).answer)
    given = _read(CallPayload, payload)
    return CallAnswer(approved=given.approved, args=given.editedArgs, reason=given.reason)


def _read(kind: Any, payload: Any) -> Any:
    try:
        return kind.model_validate(payload)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the answer"
        raise InputError("invalid_payload", f"The answer does not fit: {where}: {first['msg']}.") from None


def _new_message(given: RunAgentInput, review: ReviewResponse | None) -> str | None:
    """The text of a last message of the user that is not one of the review's own; None if there is none."""
    last = given.messages[-1] if given.messages else None
    if not isinstance(last, UserMessage):
        return None
    if review is not None and last.id in {message.id for message in messages_of(review)}:
        return None
    if isinstance(last.content, str):
        return last.content
    return "\n".join(part.text for part in last.content if isinstance(part, TextPart))
