"""A reviewer's answer to what an agent asks, as the edit that it is stored as (``core.tool_calls``)."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_hitl_review.core.schema import AgentSession
from airflow_hitl_review.core.states import Action
from airflow_hitl_review.core.tool_calls import CallAnswer, answered, read_answers
from airflow_hitl_review.server.reviews.edits import InvalidEditError, checked_edit
from airflow_hitl_review.server.reviews.schema_words import FieldError


def edit_of(
    session: AgentSession, action: Action, calls: Mapping[str, CallAnswer] | None, edited_output: str | None
) -> str | None:
    """The edit of the current output that a decision has, which is still to be checked; None if it has none.

    Args:
        session: the review.
        action: what is decided.
        calls: answers by the calls' ids, if the current output is a request.
        edited_output: the edit, instead of ``calls``.

    Raises:
        InvalidEditError: a request cannot be answered so.
    """
    if session.request is None:
        if calls is not None:
            raise InvalidEditError("The current output asks for no calls, so there are none to answer.")
        return edited_output
    if calls is not None and edited_output is not None:
        raise InvalidEditError("Give either calls or edited_output: both say the same.")
    if action is not Action.APPROVE:
        if calls is not None or checked_edit(session, edited_output) is not None:  # Airflow's form sends it back
            raise InvalidEditError("Feedback denies all calls; to deny some of them, approve, and say which.")
        return None
    text = edited_output if calls is None else _edited(session, calls)
    try:
        answers = read_answers(session.current_output if text is None else text)
    except ValueError:
        return text  # what is wrong with an edit, its check says
    unanswered = [
        FieldError((call.tool_call_id, "answer"), "must say something")
        for call in session.request.calls
        if call.kind == "question" and call.tool_call_id in answers
        if not answers[call.tool_call_id].answer.strip()
    ]
    if unanswered:
        raise InvalidEditError("The agent asks a question: answer it.", tuple(unanswered))
    return text


def _edited(session: AgentSession, calls: Mapping[str, CallAnswer]) -> str:
    assert session.request is not None
    known = {call.tool_call_id for call in session.request.calls}
    errors = [FieldError((id_,), "is no call that waits") for id_ in calls if id_ not in known]
    errors += [FieldError((id_,), "has no answer") for id_ in known if id_ not in calls]
    if errors:
        raise InvalidEditError("Answer each call that waits, and no other.", tuple(errors))
    return answered(session.current_output, calls)
