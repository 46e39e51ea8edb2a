"""A reviewer's answer to what an agent asks, as the edit that it is stored as (``core.tool_calls``)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from airflow_hitl_review.core.schema import AgentSession
from airflow_hitl_review.core.states import Action
from airflow_hitl_review.core.tool_calls import CallAnswer, answered, read_answers
from airflow_hitl_review.server.reviews.edits import InvalidEditError, Place, checked_edit
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
    unclear = [
        FieldError((id_, "reason"), "says why the call is denied, but it is approved")
        for id_, answer in answers.items()
        if answer.approved and answer.reason.strip()
    ]
    if unclear:
        raise InvalidEditError("A call is approved, and there is a reason why not. Say which.", tuple(unclear))
    return text


def _edited(session: AgentSession, calls: Mapping[str, CallAnswer]) -> str:
    assert session.request is not None
    known = {call.tool_call_id for call in session.request.calls}
    errors = [FieldError((id_,), "is no call that waits") for id_ in calls if id_ not in known]
    errors += [FieldError((id_,), "has no answer") for id_ in known if id_ not in calls]
    if errors:
        raise InvalidEditError("Answer each call that waits, and no other.", tuple(errors))
    return answered(session.current_output, calls)


def unedited_args(session: AgentSession, text: str | None) -> Callable[[Place], bool]:
    """Whether a place is in arguments that the reviewer has left as the agent gave them, fitting or not.

    Args:
        session: the review.
        text: the edit, if there is one.
    """
    if session.request is None or text is None:
        return lambda place: False
    try:
        shown, given = read_answers(session.current_output), read_answers(text)
    except ValueError:
        return lambda place: False
    same = {id_ for id_ in given if id_ in shown and json.dumps(given[id_].args) == json.dumps(shown[id_].args)}
    return lambda place: len(place) > 1 and place[0] in same and place[1] == "args"
