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
from airflow.utils.state import State
from sqlalchemy import and_, select, update
from sqlalchemy.orm import Session

from airflow_hitl_review.core.resume_guard import SchedulerFacts
from airflow_hitl_review.core.schema import RESUME_METHOD, SESSION_KEY, TaskKey
from airflow_hitl_review.server.db.compat import PARKED_STATES
from airflow_hitl_review.server.db.compat import task_instance_id as as_id
from airflow_hitl_review.server.db.transactions import utcnow
from airflow_hitl_review.server.db.xcoms import same_task

BEFORE_A_TRY = ("scheduled", "queued", "up_for_retry", "restarting")
"""States, besides none at all, in which a task instance waits for its next try; or, for the first two, to go
on after a pause."""

FINISHED_STATES = frozenset(state.value for state in State.finished)

_BEFORE_A_START = ("up_for_reschedule", "scheduled", "queued")


@dataclass(frozen=True)
class TaskInstanceFacts:
    """A task instance's row, as far as we need it.

    Attributes:
        updated_at: when the row last changed; for one that is parked, when it was parked.
        started_at: when its try began to run; None before.
        queued_by_job_id: the scheduler job that queued it.
        dag_is_paused: whether its DAG is: then it is not queued when it is resumed.
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
        """Whether it is going to be started, and not at a method where it left off."""
        return self.state in _BEFORE_A_START and self.next_method is None

    @property
    def has_ended(self) -> bool:
        """Whether it is over, until somebody clears it."""
        return self.state in FINISHED_STATES

    @property
    def is_parked(self) -> bool:
        """Whether it waits for its review without a worker slot; an operator may pause for other things, too."""
        return self.state in PARKED_STATES and self.next_method == RESUME_METHOD


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
        key: which one.
        lock: hold its row until the transaction ends. PostgreSQL and MySQL lock the row, on PostgreSQL so
            that a worker can still store XComs that refer to it (it would deadlock with who writes the same
            XCom under the lock); SQLite, which has no row locks, takes its one write lock, and so nothing
            that is read afterwards can be stale.
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
    ).where(_is(key))
    if lock:
        if db.get_bind().dialect.name == "sqlite":
            # A write that changes nothing. updated_at is named so that it keeps its value: it tells when
            # the task was parked.
            db.execute(update(TaskInstance).where(_is(key)).values(updated_at=TaskInstance.updated_at))
        else:
            query = query.with_for_update(key_share=True)
    row = db.execute(query).one_or_none()
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
    """``TaskInstanceFacts.is_parked`` as a condition."""
    return and_(TaskInstance.state.in_(PARKED_STATES), TaskInstance.next_method == RESUME_METHOD)


def find_new_try(db: Session, task_instance_id: str) -> TaskKey | None:
    """The task instance of that id, if it is about to start anew after an earlier try; else None."""
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
    """The task instance of that id, if it starts from the beginning and has a review; else None."""
    query = _with_review_from_the_beginning().where(TaskInstance.id == as_id(task_instance_id))
    row = db.execute(query).one_or_none()
    return TaskKey(*row) if row is not None else None


def _with_review_from_the_beginning() -> Any:
    session = and_(same_task(), XComModel.key == SESSION_KEY)
    key = (TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, TaskInstance.map_index)
    return select(*key).join(XComModel, session).where(TaskInstance.next_method.is_(None))


def go_on_with_review(db: Session, key: TaskKey) -> None:
    """Have a task instance that is going to be started go on with its review; its row must be locked."""
    db.execute(update(TaskInstance).where(_is(key)).values(next_method=RESUME_METHOD, next_kwargs={}))


def park_anew(db: Session, key: TaskKey) -> None:
    """Have a parked task instance be parked since now; its row must be locked."""
    db.execute(update(TaskInstance).where(_is(key)).values(updated_at=utcnow()))


def resume(db: Session, key: TaskKey, payload: Mapping[str, Any], *, as_next_try: bool = False) -> None:
    """Let a parked task go on: its worker calls the method it named, with ``event=payload``.

    Args:
        db: an open session; the task instance's row must be locked.
        key: which task.
        payload: what its worker is told.
        as_next_try: under the next try number, with as many retries left. What the executor still has to say of the
            process that parked the task names the earlier number, and does not meet the one that goes on.
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
    """The part of a try that ended with the park, so that its log can be read under its number.

    Not ``TaskInstanceHistory.record_ti``: that calls what has not finished failed, and gives it the task instance's
    id, which only one row of the history can have. The id is needed when the try itself has ended.
    """
    part = TaskInstanceHistory(task_instance)
    part.task_instance_id = as_id(str(uuid4()))
    # Airflow keeps the start of the first part for those after it.
    begun = [at for at in (task_instance.start_date, task_instance.queued_dttm) if at is not None]
    part.start_date = max(begun, default=None)
    part.end_date = task_instance.updated_at
    if part.start_date is not None and part.end_date is not None:
        part.duration = (part.end_date - part.start_date).total_seconds()
    return part


def load_scheduler(db: Session, job_id: int | None) -> SchedulerFacts:
    """Read the scheduler job that queued a task; one that is not known counts as dead."""
    from airflow.jobs.job import Job

    job = db.get(Job, job_id) if job_id is not None else None
    if job is None:
        return SchedulerFacts(alive=False, latest_heartbeat=None)
    return SchedulerFacts(alive=bool(job.is_alive()), latest_heartbeat=job.latest_heartbeat)
