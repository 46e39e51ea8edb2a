"""Rows of Airflow's table ``hitl_detail``: close ours, and listen for answers to them.

Airflow's own route for answers resumes the task at once: it does not know our rules for decisions, nor that
Airflow fails a task that is resumed too soon (see ``core.resume_guard``). It has no hook that a plugin could
replace, but it stores the answer through SQLAlchemy, whose events reach us in time: before anything is written,
in the route's transaction, with the task instance's row locked.

Locks are taken in Airflow's order: first the task instance's row, then the row in ``hitl_detail``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import event, inspect, select, update
from sqlalchemy.orm import Session

from airflow_hitl_review.core.required_action_form import (
    EDITED_OUTPUT,
    FEEDBACK,
    Answer,
    edited_output_in,
    form_of,
    is_ours,
)
from airflow_hitl_review.core.schema import SESSION_KEY
from airflow_hitl_review.core.states import SessionStatus
from airflow_hitl_review.core.stored import UnreadableXComError, read_session
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.compat import SESSION_ON_A_CONNECTION, task_instance_id
from airflow_hitl_review.server.db.task_instances import TaskInstanceFacts, load_task_instance
from airflow_hitl_review.server.db.transactions import do_after_commit, hand_on, site, utcnow
from airflow_hitl_review.server.db.xcoms import read_xcoms, stored_value

_RESPONSE = ("responded_at", "responded_by", "chosen_options", "params_input")
"""Columns that an answer sets in ``hitl_detail``."""

_RESUMED = ("state", "next_method", "next_kwargs", "trigger_id", "scheduled_dttm")
"""Columns that Airflow's ``handle_event_submit`` sets in a task instance."""

_DECIDED = "hitl_review_decided"
"""Key in ``Session.info`` for the task instances decided in that database session."""


@dataclass(frozen=True)
class GivenAnswer:
    """An answer that a user gives in Airflow; has the id and name methods of Airflow's users."""

    option: str
    params: Mapping[str, Any]
    user_id: str
    user_name: str

    def get_id(self) -> str:
        """The answering user's id in the auth manager."""
        return self.user_id

    def get_name(self) -> str:
        """The answering user's display name."""
        return self.user_name


def close_required_action(db: Session, task_instance: TaskInstanceFacts, answer: Answer) -> None:
    """Answer the open required action of a parked task instance, if it is ours; the task's row must be locked.

    The required action of a task instance that is still parking stays open: Airflow would resume the task the
    moment it parks, which is too soon. ``wake()`` closes it later.
    """
    if not task_instance.is_parked:
        return
    row = _ours(db, HITLDetail.ti_id == task_instance_id(task_instance.id))
    if row is None or row.responded_at is not None:
        return
    # A statement, not an ORM object: the listener would take a changed object for a user's answer.
    db.execute(
        update(HITLDetail)
        .where(HITLDetail.ti_id == row.ti_id, HITLDetail.responded_at.is_(None))
        .values(
            responded_at=answer.at or utcnow(),
            responded_by={"id": answer.user.id, "name": answer.user.name} if answer.user else None,
            chosen_options=[answer.option],
            params_input=answer.params,
        )
        .execution_options(synchronize_session=False)
    )


class AnswerListener:
    """Listens for answers to our forms in this process, and keeps the forms up to date.

    Args:
        take: turns an answer into a decision, in the transaction of the session it is given. Its exceptions reach
            Airflow's route, and nothing is stored.
        committed: called with the key of the decided task instance after the commit.
    """

    def __init__(
        self,
        take: Callable[[Session, TaskKey, GivenAnswer], None],
        committed: Callable[[TaskKey], None],
    ) -> None:
        self._take = take
        self._committed = committed
        self._hooks: list[tuple[str, Callable[..., None]]] = [
            ("before_flush", self._before_flush),
            ("after_flush", self._after_flush),
            ("after_commit", self._after_commit),
        ]

    def start(self) -> None:
        """Listen to all database sessions of this process."""
        for name, hook in self._hooks:
            event.listen(Session, name, hook)

    def stop(self) -> None:
        """Stop listening."""
        for name, hook in self._hooks:
            event.remove(Session, name, hook)

    def _before_flush(self, db: Session, *_: Any) -> None:
        for row in [o for o in db.dirty if isinstance(o, HITLDetail)]:
            if is_ours(list(row.options), row.params) and (answer := _given(row)) is not None:
                self._hear(db, row, answer)

    def _hear(self, db: Session, row: HITLDetail, answer: GivenAnswer) -> None:
        task_instance = db.get(TaskInstance, row.ti_id)
        if task_instance is None:
            return
        key = TaskKey(task_instance.dag_id, task_instance.run_id, task_instance.task_id, task_instance.map_index)
        # A separate session, because a session that is flushing cannot be used; on the same connection, so that
        # everything is stored or nothing. The session ends with the block, the transaction does not.
        with Session(bind=db.connection(), **SESSION_ON_A_CONNECTION) as inner:
            if SESSION_KEY not in read_xcoms(inner, key, SESSION_KEY):
                return
            found = load_task_instance(inner, key, lock=True)
            self._take(inner, key, answer)
            hand_on(inner, db)
            inner.commit()  # only the inner session; the connection's transaction stays open
        # Only wake() resumes the task: it knows when that is safe.
        db.expire(task_instance, _RESUMED)
        if found is None or not found.is_parked:
            db.expire(row, _RESPONSE)  # see close_required_action
        db.info.setdefault(_DECIDED, set()).add(key)

    def _after_commit(self, db: Session) -> None:
        # A key left over from a rollback is harmless: wake() checks the database.
        for key in db.info.pop(_DECIDED, ()):
            self._committed(key)
        do_after_commit(db)

    def _after_flush(self, db: Session, *_: Any) -> None:
        """Show the new output in the form when a worker has stored the next one, or the first one of a new try.

        Not done where the worker opens the form, because Airflow leaves an unanswered row unchanged there.
        """
        for xcom in [o for o in db.new if isinstance(o, XComModel) and o.key == SESSION_KEY]:
            try:
                session = read_session(stored_value(xcom))
            except UnreadableXComError:  # the form shows the earlier output: an answer to it is refused
                continue
            if session is None or session.status is not SessionStatus.PENDING_REVIEW:
                continue
            row = _ours(
                db,
                TaskInstance.dag_id == xcom.dag_id,
                TaskInstance.run_id == xcom.run_id,
                TaskInstance.task_id == xcom.task_id,
                TaskInstance.map_index == xcom.map_index,
            )
            if row is None:
                continue
            key = TaskKey(xcom.dag_id, xcom.run_id, xcom.task_id, xcom.map_index)
            form = form_of(key, session, site())
            params = {**form.params, FEEDBACK: row.params.get(FEEDBACK, form.params[FEEDBACK])}
            if (row.subject, row.body, row.params) != (form.subject, form.body, params):
                db.connection().execute(
                    update(HITLDetail)
                    .where(HITLDetail.ti_id == row.ti_id)
                    .values(subject=form.subject, body=form.body, params=params)
                )


def _ours(db: Session, *which: Any) -> Any:
    """Columns of a task instance's row; None if there is no row, or it is not ours."""
    columns = ("ti_id", "options", "subject", "body", "params", "responded_at")
    query = (
        select(*(getattr(HITLDetail, name) for name in columns))
        .join(TaskInstance, TaskInstance.id == HITLDetail.ti_id)
        .where(*which)
    )
    row = db.connection().execute(query).one_or_none()
    return row if row is not None and is_ours(row.options, row.params) else None


def _given(row: HITLDetail) -> GivenAnswer | None:
    """The answer that a person has just given in a changed row, if any."""
    history: Any = inspect(row).attrs.responded_at.history
    was = history.deleted[0] if history.deleted else None
    if not history.added or history.added[0] is None or was is not None:
        return None
    if not row.responded_by or not row.chosen_options:
        return None  # not a person: Airflow itself filled it in
    given = row.params_input or {}
    return GivenAnswer(
        option=row.chosen_options[0],
        params={**given, EDITED_OUTPUT: edited_output_in(given, row.params)},
        user_id=str(row.responded_by["id"]),
        user_name=str(row.responded_by["name"]),
    )
