"""Queries on parked task instances: which of them may need to be resumed, or have lost their session."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.state import TaskInstanceState
from sqlalchemy import and_, select
from sqlalchemy.orm import Session, aliased

from airflow_hitl_review.core.schema import ACTION_KEY, SESSION_KEY
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.task_instances import is_parked
from airflow_hitl_review.server.db.xcoms import field_in, same_task


def decided_but_parked(db: Session, limit: int = 100) -> list[TaskKey]:
    """Parked task instances whose session the API server wrote after the worker: those may need to be resumed.

    A decision writes the session first and the action last, so the action is the newer row until the
    worker writes the session again. This is only a filter: ``wake()`` checks the session itself.
    """
    session_row, action_row = aliased(XComModel), aliased(XComModel)
    rows = db.execute(
        select(TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, TaskInstance.map_index)
        .join(session_row, _of_task(session_row, SESSION_KEY))
        .join(action_row, _of_task(action_row, ACTION_KEY))
        .where(
            is_parked(),
            action_row.timestamp >= session_row.timestamp,
        )
        .order_by(action_row.timestamp)
        .limit(limit)
    ).all()
    return [TaskKey(*row) for row in rows]


def written_since_the_park(db: Session, since: datetime | None = None, limit: int = 100) -> list[TaskKey]:
    """Parked task instances whose session was written after they parked, newest first.

    If one is not among ``decided_but_parked``, somebody may have written it by hand. This is only a filter: the two
    times can come from the clocks of two machines.

    Args:
        db: an open session.
        since: only sessions written later. Without it, each open review is looked up: 0.7 s for 100,000.
        limit: maximum number of task instances.
    """
    query = (
        select(TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, TaskInstance.map_index)
        .join(XComModel, _of_task(XComModel, SESSION_KEY))
        .where(is_parked(), XComModel.timestamp > TaskInstance.updated_at)
        .order_by(XComModel.timestamp.desc())
        .limit(limit)
    )
    if since is not None:
        query = query.where(XComModel.timestamp > since)
    return [TaskKey(*row) for row in db.execute(query).all()]


def deferred_past_deadline(db: Session, now: datetime, limit: int = 1000) -> list[TaskKey]:
    """Deferred task instances whose review's deadline is over, which a triggerer would have noticed.

    A deployment of Airflow 3.3 needs no triggerer for new reviews, but those that an earlier version parked stay
    deferred. This is only a filter: it compares texts. Needs ``values_are_in_the_row()``.
    """
    query = (
        select(TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, TaskInstance.map_index)
        .join(XComModel, _of_task(XComModel, SESSION_KEY))
        .where(is_parked(), TaskInstance.state == TaskInstanceState.DEFERRED.value)
        .where(field_in(XComModel, "deadline_at") <= now.isoformat())
        .limit(limit)
    )
    return [TaskKey(*row) for row in db.execute(query).all()]


def parked_without_session(db: Session, limit: int = 100) -> list[TaskKey]:
    """Parked task instances whose session is gone from XCom, the last parked first; checks all parked ones."""
    query = (
        select(TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, TaskInstance.map_index)
        .outerjoin(XComModel, _of_task(XComModel, SESSION_KEY))
        .where(is_parked(), XComModel.key.is_(None))
        .order_by(TaskInstance.updated_at.desc())
        .limit(limit)
    )
    return [TaskKey(*row) for row in db.execute(query).all()]


def _of_task(row: Any, name: str) -> Any:
    """Join condition for a task instance's XCom with this key."""
    return and_(same_task(row), row.key == name)
