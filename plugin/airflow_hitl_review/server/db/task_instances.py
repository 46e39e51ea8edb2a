"""Task instances: read, lock, resume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from airflow.models.dag import DagModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskinstancehistory import TaskInstanceHistory
from airflow.models.trigger import handle_event_submit
from airflow.models.xcom import XComModel
from airflow.triggers.base import TriggerEvent
from airflow.utils.state import State, TaskInstanceState
from sqlalchemy import and_, select, update
from sqlalchemy.orm import Session

from airflow_hitl_review.core.schema import RESUME_METHOD, SESSION_KEY
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.compat import PARKED_STATES
from airflow_hitl_review.server.db.compat import task_instance_id as as_id
from airflow_hitl_review.server.db.transactions import utcnow
from airflow_hitl_review.server.db.xcoms import same_task

BEFORE_A_TRY = ("scheduled", "queued", "up_for_retry", "restarting")
"""States, besides None, in which a task instance waits for its next try; in the first two also to resume after a
pause."""

FINISHED_STATES = frozenset(state.value for state in State.finished)

_BEFORE_A_START = ("up_for_reschedule", "scheduled", "queued")


@dataclass(frozen=True)
class TaskInstanceFacts:
    """The columns of a task instance's row that we need.

    Attributes:
        updated_at: when the row last changed; for a parked task, when it was parked.
        started_at: when its try began to run; None before.
        queued_by_job_id: the scheduler job that queued it.
        dag_is_paused: whether its DAG is paused: then a resumed task is not queued.
    """

    id: str
    key: TaskKey
    state: str | None
    try_number: int
    updated_at: datetime
    started_at: datetime | None
    queued_by_job_id: int | None
    next_method: str | None
    dag_is_paused: bool = False

    @property
    def starts_from_the_beginning(self) -> bool:
        """Whether it is about to start from ``execute()`` instead of resuming at a method."""
        return self.state in _BEFORE_A_START and self.next_method is None

    @property
    def has_ended(self) -> bool:
        """Whether it has finished, until somebody clears it."""
        return self.state in FINISHED_STATES

    @property
    def is_parked(self) -> bool:
        """Whether it waits for its review without a worker slot; an operator may defer for other reasons, too."""
        return self.state in PARKED_STATES and self.next_method == RESUME_METHOD

    @property
    def is_deferred(self) -> bool:
        """Whether it waits as before Airflow 3.3, where only a triggerer notices its deadline."""
        return self.is_parked and self.state == TaskInstanceState.DEFERRED.value


def _is(key: TaskKey) -> Any:
    return and_(
        TaskInstance.dag_id == key.dag_id,
        TaskInstance.run_id == key.run_id,
        TaskInstance.task_id == key.task_id,
        TaskInstance.map_index == key.map_index,
    )


def load_task_instance(db: Session, key: TaskKey, *, lock: bool = False) -> TaskInstanceFacts | None:
    """Read a task instance, or None.

    Args:
        db: an open session.
        key: the task instance.
        lock: lock its row until the transaction ends, so that a worker can still store XComs that refer to it
            (otherwise it would deadlock with a transaction that writes the same XCom under the lock). SQLite, which
            has no row locks, takes its one write lock, so that nothing read afterwards is stale.
    """
    query = select(
        TaskInstance.id,
        TaskInstance.state,
        TaskInstance.try_number,
        TaskInstance.updated_at,
        TaskInstance.start_date,
        TaskInstance.queued_by_job_id,
        TaskInstance.next_method,
        select(DagModel.is_paused).where(DagModel.dag_id == key.dag_id).scalar_subquery().label("dag_is_paused"),
    )
    ways = [_is(key)]
    dialect = db.get_bind().dialect.name if lock else ""
    if dialect == "mysql":
        # By the id, as Airflow locks it: otherwise the index by which XComs refer to it would be locked, too. The
        # other way is for a row whose next try has begun just now, with another id.
        id_ = select(TaskInstance.id).where(_is(key)).correlate(None).scalar_subquery()
        ways = [TaskInstance.id == id_, _is(key)]
    if dialect == "sqlite":
        # A write that changes nothing. It sets updated_at explicitly to keep its value, which is the time
        # at which the task was parked.
        db.execute(update(TaskInstance).where(_is(key)).values(updated_at=TaskInstance.updated_at))
    elif lock:
        query = query.with_for_update(key_share=True)
    found = (db.execute(query.where(way)).one_or_none() for way in ways)
    row = next((row for row in found if row is not None), None)
    if row is None:
        return None
    return TaskInstanceFacts(
        id=str(row.id),
        key=key,
        state=row.state,
        try_number=row.try_number,
        updated_at=row.updated_at or utcnow(),
        started_at=row.start_date,
        queued_by_job_id=row.queued_by_job_id,
        next_method=row.next_method,
        dag_is_paused=bool(row.dag_is_paused),
    )


def is_parked() -> Any:
    """``TaskInstanceFacts.is_parked`` as an SQL condition."""
    return and_(TaskInstance.state.in_(PARKED_STATES), TaskInstance.next_method == RESUME_METHOD)


def find_new_try(db: Session, task_instance_id: str) -> TaskKey | None:
    """The task instance with that id, if it is about to start a new try after an earlier one; else None."""
    row = db.execute(
        select(TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, TaskInstance.map_index).where(
            TaskInstance.id == as_id(task_instance_id),
            TaskInstance.next_method.is_(None),
            TaskInstance.try_number > 1,
        )
    ).one_or_none()
    return TaskKey(*row) if row is not None else None


def list_rescheduled(db: Session, limit: int = 100) -> list[TaskKey]:
    """Task instances that were rescheduled, start from the beginning, and have a review."""
    query = _with_review_from_the_beginning().where(TaskInstance.state == "up_for_reschedule")
    return [TaskKey(*row) for row in db.execute(query.limit(limit)).all()]


def find_start_from_the_beginning(db: Session, task_instance_id: str) -> TaskKey | None:
    """The task instance with that id, if it starts from the beginning and has a review; else None."""
    query = _with_review_from_the_beginning().where(TaskInstance.id == as_id(task_instance_id))
    row = db.execute(query).one_or_none()
    return TaskKey(*row) if row is not None else None


def _with_review_from_the_beginning() -> Any:
    session = and_(same_task(), XComModel.key == SESSION_KEY)
    key = (TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, TaskInstance.map_index)
    return select(*key).join(XComModel, session).where(TaskInstance.next_method.is_(None))


def go_on_with_review(db: Session, key: TaskKey) -> None:
    """Make a task instance that is about to start continue its review; its row must be locked."""
    db.execute(update(TaskInstance).where(_is(key)).values(next_method=RESUME_METHOD, next_kwargs={}))


def park_anew(db: Session, key: TaskKey) -> None:
    """Set a parked task instance's park time to now; its row must be locked."""
    db.execute(update(TaskInstance).where(_is(key)).values(updated_at=utcnow()))


def resume(db: Session, key: TaskKey, payload: Mapping[str, Any], *, as_next_try: bool = False) -> None:
    """Resume a parked task: its worker calls the task's next method with ``event=payload``.

    Args:
        db: an open session; the task instance's row must be locked.
        key: the task instance.
        payload: the event for the worker.
        as_next_try: use the next try number, with as many retries left. Late executor events about the process that
            parked the task have the earlier try number, so they do not affect the resumed one.
    """
    task_instance = db.scalar(select(TaskInstance).where(_is(key)))
    if task_instance is None:
        raise LookupError(f"No task instance {key}")
    if as_next_try:
        db.add(_history_of_part(task_instance))
        task_instance.try_number += 1
        task_instance.max_tries += 1
    event = TriggerEvent(dict(payload))  # type: ignore[no-untyped-call]
    handle_event_submit(event, task_instance=task_instance, session=db)


def _history_of_part(task_instance: TaskInstance) -> TaskInstanceHistory:
    """History row for the part of a try that ended when the task parked, so that its log stays readable.

    Does not use ``TaskInstanceHistory.record_ti``: that marks an unfinished try as failed, and stores the task
    instance's id, which only one history row can have. The id is needed when the try itself has ended.

    Its state is not the one in which the task waits: with that, Airflow's log reader would expect more of the log,
    or never ask the worker for it. ``up_for_reschedule`` is its state for an attempt that ended and is continued.
    """
    part = TaskInstanceHistory(task_instance, state=TaskInstanceState.UP_FOR_RESCHEDULE.value)
    part.task_instance_id = as_id(str(uuid4()))
    # Airflow keeps the start date of the first part for later parts.
    begun = [at for at in (task_instance.start_date, task_instance.queued_dttm) if at is not None]
    part.start_date = max(begun, default=None)
    part.end_date = task_instance.updated_at
    if part.start_date is not None and part.end_date is not None:
        part.duration = (part.end_date - part.start_date).total_seconds()
    return part


def load_heartbeat(db: Session, job_id: int | None) -> datetime | None:
    """The last heartbeat of the scheduler job that queued a task; None if the job is unknown."""
    from airflow.jobs.job import Job

    job = db.get(Job, job_id) if job_id is not None else None
    return job.latest_heartbeat if job is not None else None
