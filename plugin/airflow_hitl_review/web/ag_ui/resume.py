"""What the input of an AG-UI run asks for: a look, or a decision."""

from __future__ import annotations

import json
from typing import Any, Literal

from ag_ui.core import ResumeEntry, RunAgentInput, TextPart, UserMessage
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from airflow_hitl_review.core.review import ReviewResponse
from airflow_hitl_review.core.states import Action, SessionStatus
from airflow_hitl_review.core.texts import storable
from airflow_hitl_review.core.tool_calls import CallAnswer, answered
from airflow_hitl_review.server.reviews.decisions import Request
from airflow_hitl_review.web.ag_ui.messages import OWN_ID, decided_text, output_id, output_of, place_of
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


_STATUSES = {
    Action.APPROVE: SessionStatus.APPROVED,
    Action.REJECT: SessionStatus.REJECTED,
    Action.CHANGES_REQUESTED: SessionStatus.CHANGES_REQUESTED,
}
_ACTIONS = {"approve": Action.APPROVE, "reject": Action.REJECT, "request_changes": Action.CHANGES_REQUESTED}


def is_look(given: RunAgentInput) -> bool:
    """Whether the input asks for no decision, so that a reader may send it; to cancel decides nothing."""
    return not _resolved(given) and _new_message(given) is None


def decision_of(given: RunAgentInput, review: ReviewResponse) -> Request | None:
    """The decision that an input asks for; None if it asks for none.

    Raises:
        InputError: it cannot be taken.
    """
    if resolved := _resolved(given):
        return _of_resume(resolved, review, cancelled=len(given.resume or ()) - len(resolved))
    text = _new_message(given)
    if text is None:
        return None
    if output_id(review) not in {message.id for message in given.messages}:
        raise InputError("not_seen", f"Read output {review.iteration} first, then send your message again.")
    if not text.strip():
        raise InputError("empty_message", "Say what to change: the message is empty.")
    if len(text) > MAX_FEEDBACK_LENGTH:
        raise InputError("invalid_payload", f"The message has more than {MAX_FEEDBACK_LENGTH:,} characters.")
    return Request(Action.CHANGES_REQUESTED, text, review.iteration, output_sha256=review.output_sha256)


def _resolved(given: RunAgentInput) -> list[ResumeEntry]:
    return [entry for entry in given.resume or () if entry.status == "resolved"]


def is_repeated(wanted: Request, review: ReviewResponse, user_id: str) -> bool:
    """Whether the user has given the same answer already: clients repeat a request that got no response.

    Args:
        wanted: the decision that can't be made.
        review: the review as it is.
        user_id: who wants it.
    """
    status = _STATUSES[wanted.action]
    if wanted.action is Action.APPROVE and review.request is not None:
        status = SessionStatus.CHANGES_REQUESTED
    if review.decided_by is None or review.decided_by.id != user_id or review.status is not status:
        return False
    if (wanted.iteration, wanted.output_sha256) != (review.iteration, review.output_sha256):
        return False
    last = review.conversation[-1] if review.conversation else None  # what was said with the decision, if anything
    if storable(wanted.feedback) != (last.content if last is not None and last.kind == "feedback" else ""):
        return False
    given = wanted.edited_output
    if wanted.calls is not None:
        try:
            given = answered(review.current_output, wanted.calls)
        except (ValueError, KeyError, TypeError):  # somebody has overwritten what was shown
            return False
    said = output_of(review, review.current_output if given is None else given)
    return bool(said == output_of(review, decided_text(review)))


def _of_resume(resolved: list[ResumeEntry], review: ReviewResponse, *, cancelled: int) -> Request:
    """The decision that answers make; about what waits, or about a review that takes none, and says who decided."""
    entries = {entry.interrupt_id: entry for entry in resolved}
    if len(entries) != len(resolved):
        raise InputError("invalid_resume", "Answer each interrupt once.")
    place, calls = place_of(review), review.request.calls if review.request is not None else []
    known = {f"{place}-{call.tool_call_id}" for call in calls} or {place}
    if unknown := sorted(set(entries) - known):
        raise InputError("unknown_interrupt", f"This does not wait, or no longer: {', '.join(unknown)[:300]}.")
    if (missing := sorted(known - set(entries))) and cancelled:
        raise InputError("invalid_resume", "Answer all calls, or cancel all: some are answered, others cancelled.")
    if missing:
        raise InputError("unanswered", f"Answer all that waits; missing: {', '.join(missing)[:300]}.")
    if not calls:
        return _of_output(resolved[0].payload, review)
    answers = {
        call.tool_call_id: _answer(
            entries[f"{place}-{call.tool_call_id}"].payload, is_question=call.kind == "question"
        )
        for call in calls
    }
    return Request(Action.APPROVE, iteration=review.iteration, output_sha256=review.output_sha256, calls=answers)


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


def _new_message(given: RunAgentInput) -> str | None:
    """The text of a last message of the user that no review has sent; None if there is none."""
    last = given.messages[-1] if given.messages else None
    if not isinstance(last, UserMessage) or OWN_ID.fullmatch(last.id):
        return None
    if isinstance(last.content, str):
        return last.content
    return "\n".join(part.text for part in last.content if isinstance(part, TextPart))
