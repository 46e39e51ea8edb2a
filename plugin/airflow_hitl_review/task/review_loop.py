"""The loop of a review: wait for a decision, make the next output, until the review ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NoReturn

from airflow_hitl_review.core.airflow_sdk import (
    FAILURES,
    MAY_READ_AFTER_FORM,
    AirflowSkipException,
)
from airflow_hitl_review.core.schema import Decision
from airflow_hitl_review.core.states import Action, Step
from airflow_hitl_review.task.errors import (
    HITLMaxIterationsError,
    HITLRegenerationError,
    HITLRejectError,
    HITLTimeoutError,
)
from airflow_hitl_review.task.json_values import as_text
from airflow_hitl_review.task.message_history import stored_history
from airflow_hitl_review.task.new_session import Output, decided, next_session
from airflow_hitl_review.task.parking import LOOK_AGAIN, park, parks_again
from airflow_hitl_review.task.review_session import ReviewSession
from airflow_hitl_review.task.review_settings import takes_parked
from airflow_hitl_review.task.reviewed_operator import ReviewedOperator
from airflow_hitl_review.task.task_xcoms import XComsAwayError, utcnow
from airflow_hitl_review.task.tracing import traced

log = logging.getLogger(__name__)

MAX_FAILED_READS = 10
"""This many failed XCom reads in a row fail a polling task with the last error."""

_LAST_LOOK = 2.0
"""Seconds between the deadline and the last look: a decision may arrive just then."""

_CALLS_FAILED = "The agent failed after its calls were approved, so some of them may have been made."


def run(operator: ReviewedOperator, review: ReviewSession, history: Any) -> Any:
    """Go on with a review until it ends; ``history`` is that of the current output.

    Returns:
        The task's result.

    Raises:
        HITLReviewError: the review did not end with an approval, see ``task.errors``.
        AirflowSkipException: it was rejected, and ``on_reject="skip"``.
        TaskAwaitingInput: Airflow's signal to park the task (``TaskDeferred`` before Airflow 3.3).
    """
    with parks_again(operator):
        decision, history = _last_decision(operator, review, history)
        review.end(None if decision.action is not Action.CHANGES_REQUESTED else Step.GIVE_UP, decision)
    return _result(operator, review, history, decision)


def end_without_review(operator: ReviewedOperator, review: ReviewSession, history: Any, decision: Decision) -> Any:
    """End a review that nobody need look at, like ``run``. It never parks: nobody could confirm the decision."""
    review.end(None, decision)
    return _result(operator, review, history, decision)


def _result(operator: ReviewedOperator, review: ReviewSession, history: Any, decision: Decision) -> Any:
    session = review.session
    if decision.action is Action.APPROVE:
        return operator._approved(session, history, review.edited_output)
    if decision.action is Action.REJECT:
        who = f" by {decision.user.name}" if decision.user else ""
        why = "; the reason is in the review" if decision.feedback else ""
        late = ": nobody decided in time" if decision.channel == "timeout" else ""
        words = f"Output {session.iteration} was rejected{who}{late}{why}."
        if operator.on_reject == "skip":
            raise AirflowSkipException(words)
        raise HITLRejectError(words, feedback=decision.feedback)
    raise HITLMaxIterationsError(
        f"Changes were requested for output {session.iteration}, the last that "
        f"max_hitl_iterations={session.max_iterations - len(session.requests)} allows."
    )


def _last_decision(operator: ReviewedOperator, review: ReviewSession, history: Any) -> tuple[Decision, Any]:
    """The decision that ends the review, and the history of the output that it is about."""
    while True:
        decision = _wait_for_decision(operator, review)
        review.settle(operator._request(history), decision)
        if review.edited_output is not None and not _takes_edit(operator, review, history, decision):
            continue
        if review.session.state.status.is_final or not review.session.state.may_regenerate:
            return decision, history
        review.announcer.changes_requested(review.session, decision, review.edited_output)
        with review.making_next():
            history = _regenerate(operator, review, decision, history)
        if review.session.state.status.is_final:
            return review.session.decisions[-1], history


def _takes_edit(operator: ReviewedOperator, review: ReviewSession, history: Any, decision: Decision) -> bool:
    """Whether the task takes the reviewer's edit; else the reviewer gets the review back, with the reason."""
    assert review.edited_output is not None
    try:
        operator._check_edit(review.edited_output, review.session.output_format, history)
    except FAILURES as error:
        log.warning("The task refuses the edit of the reviewer; the review goes back to them.", exc_info=True)
        is_told = isinstance(error, ValueError) and str(error)
        review.give_back(decision, Step.REFUSE_EDIT, str(error) if is_told else f"{type(error).__name__}: {error}")
        return False
    return True


def _regenerate(operator: ReviewedOperator, review: ReviewSession, decision: Decision, history: Any) -> Any:
    """Show the next output; returns the history of the output that is then current."""
    asked: dict[str, Any] = {"feedback": decision.feedback, "message_history": history}
    makes_calls = decision.action is Action.APPROVE
    answer = review.session.current_output if review.edited_output is None else review.edited_output
    if makes_calls:
        review.begin_calls(answer)
    try:
        if makes_calls:
            output, new_history = operator._go_on(answer, history)
        elif review.edited_output is None:
            output, new_history = operator.regenerate_with_feedback(**asked)
        else:
            output, new_history = operator.regenerate_from_edit(edited_output=review.edited_output, **asked)
        shown, stored = as_text(output), stored_history(operator, new_history)
        trace, editing = traced(operator._trace, new_history, history), operator._editing(shown, new_history)
        showing = Output(shown, editing, operator._request(new_history))
        session = next_session(review.session, showing, operator.hitl_timeout)
        # Until now the agent has only asked: this is its first output, and perhaps nobody need look at it.
        is_first = showing.request is None and len(review.session.requests) == review.session.iteration
        if is_first and not operator._needs_review(shown, new_history):
            session, _ = decided(session, Action.APPROVE, "policy")
        review.show(session, stored, trace)
    except HITLRegenerationError:
        review.end(None, decision, status="failed")
        raise
    except (XComsAwayError, *FAILURES) as error:
        if isinstance(error, XComsAwayError) and not makes_calls:
            raise
        reason = f"{type(error).__name__}: {error}"
        # The clock would ask again at once, and for ever.
        if makes_calls or decision.is_nobodys or operator.on_regenerate_error == "fail":
            review.end(None, decision, status="failed")
            what = f"{_CALLS_FAILED} It failed with" if makes_calls else "Regenerating failed:"
            raise HITLRegenerationError(f"{what} {reason}") from error
        log.exception("Regenerating failed; the review goes back to the reviewer.")
        review.give_back(decision, Step.FAIL_TO_REGENERATE, reason)
        return history
    return new_history


def _wait_for_decision(operator: ReviewedOperator, review: ReviewSession) -> Decision:  # noqa: RET503 - _park() never returns
    if operator.hitl_wait == "poll":
        return _poll(operator, review)
    operator._hitl_parked = review.remembered.parked() if takes_parked(operator) else None
    review.announcer.finish()
    is_over = _is_over(review)
    # This check also finds a decision that arrived while webhooks were sent.
    if (decision := review.decision()) is not None:
        return decision
    if review.is_unconfirmed:
        # The form may be answered already, if the confirming event was lost with its process. Airflow does not park
        # a task whose form is answered: it would resume it at once, in an endless loop.
        review.require_action()
        _park(operator, review)
    if is_over:
        return _time_out(operator, review)
    review.require_action()
    # The last check before parking: from now on it can be decided in Airflow, too.
    if MAY_READ_AFTER_FORM and (decision := review.decision()) is not None:
        return decision
    _park(operator, review)


def _poll(
    operator: ReviewedOperator, review: ReviewSession, sleep: Callable[[float], None] = time.sleep
) -> Decision:
    interval, failed = operator.hitl_poll_interval, 0
    while True:
        is_over = _is_over(review, sleep)
        try:
            decision = review.decision()
        except Exception:
            failed += 1
            if failed >= MAX_FAILED_READS:
                raise
            log.warning("Reading the review failed %d times in a row.", failed, exc_info=True)
        else:
            failed = 0
            if decision is not None:
                return decision
            if is_over:
                return _time_out(operator, review)
        review.announcer.keep()
        left = review.time_left()
        sleep(interval if left is None else min(interval, max(left.total_seconds(), _LAST_LOOK)))


def _park(operator: ReviewedOperator, review: ReviewSession) -> NoReturn:
    now = utcnow()
    park(now + LOOK_AGAIN if review.is_unconfirmed else review.remembered.deadline, now, operator._hitl_parked)


def _is_over(review: ReviewSession, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Whether the deadline is over; ask before looking at XCom: then all decisions have arrived, if it is."""
    left = review.time_left()
    if left is None or left > timedelta(0):
        return False
    sleep(max(left.total_seconds() + _LAST_LOOK, 0.0))
    return True


def _time_out(operator: ReviewedOperator, review: ReviewSession) -> Decision:
    """End a review about which nobody decided in time, as the task's settings say."""
    if operator.on_hitl_timeout == "reject" and review.session.request is not None:
        decision = review.decide_itself(Action.CHANGES_REQUESTED, "timeout", "Nobody decided about this in time.")
        return decision or _wait_for_decision(operator, review)
    if operator.on_hitl_timeout == "reject" or (operator.on_hitl_timeout == "approve" and review.is_undisputed):
        decision = review.decide_itself(Action(operator.on_hitl_timeout), "timeout")
        return decision or _wait_for_decision(operator, review)
    if operator.on_hitl_timeout == "approve":
        asks = review.session.request is not None
        why = "it is what the agent asks" if asks else "it was declined, or had not waited"
        log.warning("The output is not approved by the clock: %s.", why)
    review.end(Step.TIME_OUT)
    raise HITLTimeoutError(f"Nobody decided about output {review.session.iteration} in time.")
