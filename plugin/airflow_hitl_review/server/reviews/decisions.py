"""``decide()``: the only function that makes a reviewer's decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from airflow_hitl_review.core.audit_record import event_of, record_of
from airflow_hitl_review.core.required_action_form import answer_of
from airflow_hitl_review.core.review import ReviewResponse, assemble, is_active
from airflow_hitl_review.core.schema import (
    ACTION_KEY,
    HISTORY_KEY,
    PREFIX,
    PROGRESS_KEY,
    SESSION_KEY,
    SUMMARY_KEY,
    WEBHOOK_PREFIX,
    AgentSession,
    Decision,
    GivenChannel,
    User,
    edited_output_key,
    feedback_key,
    is_reviewer,
)
from airflow_hitl_review.core.states import Action, SessionStatus, advance
from airflow_hitl_review.core.stored import StoredValue, parse_session
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.core.telemetry import count_decision
from airflow_hitl_review.core.texts import sha256_of, storable
from airflow_hitl_review.core.tool_calls import CallAnswer
from airflow_hitl_review.server.db.audit_log import Person, write_audit_log
from airflow_hitl_review.server.db.hitl_detail import close_required_action
from airflow_hitl_review.server.db.stats import stats
from airflow_hitl_review.server.db.task_instances import TaskInstanceFacts, load_task_instance
from airflow_hitl_review.server.db.transactions import Session, after_commit
from airflow_hitl_review.server.db.xcoms import delete_xcom, read_xcoms, write_xcom
from airflow_hitl_review.server.reviews.call_answers import edit_of, unedited_args
from airflow_hitl_review.server.reviews.edits import checked_edit

_NOT_SHOWN = (WEBHOOK_PREFIX, HISTORY_KEY, SUMMARY_KEY, PROGRESS_KEY)
"""Key prefixes of a review's XComs that are not shown to anybody; a history can be large."""

_LEFT_BEHIND = "The task starts again: its next output will have its own review."


class SessionNotFoundError(Exception):
    """The task instance has no review; with ``task_active``, one may still appear."""

    def __init__(self, key: TaskKey, task_instance: TaskInstanceFacts | None) -> None:
        self.task_active, more = False, ""
        if task_instance is not None and task_instance.is_parked:
            # A task parks after its review is stored, so none will appear.
            more = " It is gone from XCom, but its task is still waiting for it: clear the task."
        elif task_instance is not None and is_active(task_instance.state):
            self.task_active, more = True, " Its task is active: the review may appear soon."
        super().__init__(f"No review was found for {key}.{more}")


class NotAReviewerError(Exception):
    """The operator restricts the reviewers, and the user is not one of them."""

    def __init__(self, user_id: str, reviewers: Sequence[str]) -> None:
        names = ", ".join(sorted(reviewers))
        super().__init__(f"Only these may decide this review: {names}. You are {user_id}.")


class ConflictError(Exception):
    """The decision is no longer possible; ``session`` is the current review."""

    def __init__(self, message: str, session: ReviewResponse) -> None:
        self.session = session
        super().__init__(message)


@dataclass(frozen=True)
class Request:
    """A reviewer's request.

    Attributes:
        iteration: number of the output that the reviewer saw; None if the caller does not say.
        output_sha256: hex digest of that output; a new try starts again at output 1.
        feedback: for ``changes_requested``, what to change; else an optional reason or remark.
        edited_output: the output as the reviewer edited it; None if they did not. Not with ``reject``.
        acting_for: for whom the caller says that it decides.
        calls: answers to what an agent asks, by the calls' ids; instead of ``edited_output``.
    """

    action: Action
    feedback: str = ""
    iteration: int | None = None
    channel: GivenChannel = "rest"
    output_sha256: str | None = None
    edited_output: str | None = None
    acting_for: User | None = None
    calls: Mapping[str, CallAnswer] | None = None


def find(db: Session, key: TaskKey) -> ReviewResponse:
    """Read a review.

    Raises:
        SessionNotFoundError: there is no review.
        UnreadableXComError: it cannot be read at the moment.
    """
    task_instance = load_task_instance(db, key)
    review = _review(db, task_instance) if task_instance else None
    if review is None:
        raise SessionNotFoundError(key, task_instance)
    return review


def decide(db: Session, key: TaskKey, request: Request, user: Person, *, now: datetime) -> ReviewResponse:
    """Make a decision, atomically in the transaction of ``db``.

    Of two concurrent decisions, one waits for the other's lock and then sees its result.

    Args:
        db: an open session; the caller commits.
        key: the task instance.
        request: the reviewer's request.
        user: the reviewer; the caller has checked the permission.
        now: the time of the decision, timezone-aware.

    Returns:
        The review after the decision.

    Raises:
        SessionNotFoundError: the task instance has no review.
        NotAReviewerError: the review has reviewers, and the user is not one of them.
        ConflictError: the review is not pending, another output is current, its deadline has passed, its
            task has ended, or starts a new try.
        InvalidEditError: the edited output cannot be taken.
        UnreadableXComError: the review cannot be read at the moment.
    """
    task_instance = load_task_instance(db, key, lock=True)
    xcoms = read_xcoms(db, key, PREFIX, without=_NOT_SHOWN)
    review = _assembled(task_instance, xcoms) if task_instance else None
    if task_instance is None or review is None:
        raise SessionNotFoundError(key, task_instance)
    session = parse_session(xcoms[SESSION_KEY])
    if _is_left_behind(session, xcoms[SESSION_KEY].timestamp, task_instance):
        raise ConflictError(_LEFT_BEHIND, review)
    who = User(id=str(user.get_id()), name=user.get_name())
    if not is_reviewer(who.id, session.reviewers):
        raise NotAReviewerError(who.id, session.reviewers)
    if obstacle := _obstacle(review, request, now):
        raise ConflictError(obstacle, review)

    text = edit_of(session, request.action, request.calls, request.edited_output)
    edited = checked_edit(session, text, unedited_args(session, text))
    feedback = storable(request.feedback)
    decision = Decision(
        action=request.action,
        feedback=feedback,
        iteration=session.iteration,
        user=who,
        at=now,
        channel=request.channel,
        output_sha256=sha256_of(session.current_output),
        edited_output_sha256=sha256_of(edited) if edited is not None else None,
        acting_for=request.acting_for,
    )
    decisions = [*session.decisions, decision.model_copy(update={"feedback": ""})]
    decided = session.moved_to(advance(session.state, request.action), now, decisions=decisions)
    for name, text in (
        (feedback_key(session.iteration), feedback or None),
        (edited_output_key(session.iteration), edited),
    ):
        if text is not None:
            write_xcom(db, key, name, text)
        elif name in xcoms:  # of a decision that could not be carried out: it would look like this one's
            delete_xcom(db, key, name)
    write_xcom(db, key, SESSION_KEY, decided.model_dump(mode="json"))
    # The action is written last: by the order of the two rows, the sweep finds decided tasks that are parked.
    write_xcom(db, key, ACTION_KEY, decision.model_dump(mode="json"))
    # Closes the required action even if it was not answered; after locking the task instance, as Airflow does.
    close_required_action(db, task_instance, answer_of(decision))
    write_audit_log(
        db,
        task_instance,
        event=event_of(request.action),
        user=user,
        extra=record_of(decision, session.current_output, edited),
    )
    waited = now - session.updated_at if session.updated_at is not None else None
    after_commit(db, partial(count_decision, stats(), key, request.action, waited))
    after = _review(db, task_instance)
    assert after is not None
    return after


def _review(db: Session, task_instance: TaskInstanceFacts) -> ReviewResponse | None:
    return _assembled(task_instance, read_xcoms(db, task_instance.key, PREFIX, without=_NOT_SHOWN))


def _assembled(task_instance: TaskInstanceFacts, xcoms: Mapping[str, StoredValue]) -> ReviewResponse | None:
    paused = task_instance.dag_is_paused
    return assemble(task_instance.key, task_instance.state, xcoms, dag_paused=paused)


def _is_left_behind(session: AgentSession, stored_at: datetime, task_instance: TaskInstanceFacts) -> bool:
    """Whether the session belongs to an earlier try.

    It stays in XCom until the worker of the next try deletes it, shortly after that try begins to run; a decision
    made until then would be deleted with it.
    """
    if session.task_instance_id is not None:
        return session.task_instance_id != task_instance.id
    # Written by the AI provider: it does not have the id of its try.
    if task_instance.starts_from_the_beginning:
        return True
    started_at = task_instance.started_at
    return task_instance.state == "running" and started_at is not None and stored_at < started_at


def _obstacle(review: ReviewResponse, request: Request, now: datetime) -> str | None:
    """The reason for the reviewer why the decision is not possible; None if it is."""
    if review.status is not SessionStatus.PENDING_REVIEW:
        who = f" by {review.decided_by.name}" if review.decided_by else ""
        when = f" at {review.decided_at:%Y-%m-%d %H:%M:%S} UTC" if review.decided_at else ""
        return {
            SessionStatus.APPROVED: f"Already approved{who}{when}.",
            SessionStatus.REJECTED: f"Already rejected{who}{when}.",
            SessionStatus.CHANGES_REQUESTED: (
                f"Already answered{who}{when}; the agent goes on."
                if review.request_kind is not None
                else f"Changes were already requested{who}{when}; the next output is being made."
            ),
            SessionStatus.TIMEOUT_EXCEEDED: "The review timed out before a decision.",
            SessionStatus.MAX_ITERATIONS_EXCEEDED: "The review ended: no further output was allowed.",
        }[review.status]
    if request.iteration is not None and request.iteration != review.iteration:
        return (
            f"You decided about output {request.iteration}, but output {review.iteration} is the current one. "
            "Look at it and decide again."
        )
    if request.output_sha256 is not None and request.output_sha256 != review.output_sha256:
        return (
            f"Output {review.iteration} is not the one that you saw: the task was started again. Look at it "
            "and decide again."
        )
    if not is_active(review.task_state):
        return f"The task is no longer waiting for a review: its state is {review.task_state or 'none'}."
    if review.deadline_at is not None and now >= review.deadline_at:
        return f"The review timed out at {review.deadline_at:%Y-%m-%d %H:%M:%S} UTC."
    return None
