"""Questions about the sessions of all task instances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from airflow_hitl_review.internals.tasks import AWAITING_INPUT
from airflow_hitl_review.internals.xcoms import stored_value, values_are_in_the_row
from airflow_hitl_review.review import ACTIVE_STATES, StoredValue
from airflow_hitl_review.schema import ACTION_KEY, SESSION_KEY, TaskKey


@dataclass(frozen=True)
class SessionRow:
    """A session's XCom with the state of its task instance."""

    key: TaskKey
    task_state: str | None
    stored: StoredValue


def decided_but_parked(db: Session, limit: int = 100) -> list[TaskKey]:
    """Parked task instances whose session the API server wrote after the worker: those may need a wake.

    A decision writes the session first and the action last, so the action is the younger row until the
    worker writes the session again. Only a filter: whoever wakes one looks at the session itself.
    """
    session_row, action_row = aliased(XComModel), aliased(XComModel)

    def of_task(row: Any, name: str) -> Any:
        return and_(
            row.dag_id == TaskInstance.dag_id,
            row.run_id == TaskInstance.run_id,
            row.task_id == TaskInstance.task_id,
            row.map_index == TaskInstance.map_index,
            row.key == name,
        )

    rows = db.execute(
        select(TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, TaskInstance.map_index)
        .join(session_row, of_task(session_row, SESSION_KEY))
        .join(action_row, of_task(action_row, ACTION_KEY))
        .where(
            TaskInstance.state == AWAITING_INPUT,
            action_row.timestamp >= session_row.timestamp,
        )
        .order_by(action_row.timestamp)
        .limit(limit)
    ).all()
    return [TaskKey(*row) for row in rows]


def dags_with_sessions(db: Session) -> list[str]:
    """Ids of the DAGs that have a session in XCom."""
    return list(db.scalars(select(XComModel.dag_id).where(XComModel.key == SESSION_KEY).distinct()))


def list_session_rows(
    db: Session,
    *,
    dag_ids: Sequence[str],
    status: str | None,
    text: str | None,
    include_ended: bool,
    order_by: str,
    descending: bool,
    limit: int | None,
    offset: int,
) -> tuple[list[SessionRow], int]:
    """Sessions, newest change first or as ``order_by`` says, and how many there are in all.

    Args:
        db: an open session.
        dag_ids: only sessions of these DAGs.
        status: only those in this status; needs ``values_are_in_the_row()``.
        text: only those with this in an id, or (where values are in the row) in the prompt; any case.
        include_ended: also those whose task instance has ended.
        order_by: ``updated_at``, ``dag_id``, ``run_id`` or ``task_id``.
        descending: turn the order round.
        limit: at most so many rows; None for all.
        offset: leave out so many first.
    """
    query = (
        select(
            XComModel.dag_id,
            XComModel.run_id,
            XComModel.task_id,
            XComModel.map_index,
            XComModel.value,
            XComModel.timestamp,
            TaskInstance.state,
        )
        .join(
            TaskInstance,
            and_(
                XComModel.dag_id == TaskInstance.dag_id,
                XComModel.run_id == TaskInstance.run_id,
                XComModel.task_id == TaskInstance.task_id,
                XComModel.map_index == TaskInstance.map_index,
            ),
        )
        .where(XComModel.key == SESSION_KEY, XComModel.dag_id.in_(dag_ids))
    )
    if not include_ended:
        query = query.where(TaskInstance.state.in_(ACTIVE_STATES))
    if status is not None:
        query = query.where(XComModel.value["status"].as_string() == status)
    if text:
        columns = [XComModel.dag_id, XComModel.run_id, XComModel.task_id]
        found = [column.icontains(text, autoescape=True) for column in columns]
        if values_are_in_the_row():
            found.append(XComModel.value["prompt"].as_string().icontains(text, autoescape=True))
        query = query.where(or_(*found))
    total = db.scalar(select(func.count()).select_from(query.subquery())) or 0

    column: Any = {
        "updated_at": XComModel.timestamp,
        "dag_id": XComModel.dag_id,
        "run_id": XComModel.run_id,
        "task_id": XComModel.task_id,
    }[order_by]
    rest = (XComModel.dag_id, XComModel.run_id, XComModel.task_id, XComModel.map_index)
    query = query.order_by(column.desc() if descending else column.asc(), *rest)
    rows = db.execute(query.offset(offset).limit(limit) if limit is not None else query.offset(offset)).all()
    readable = [(row, stored_value(row)) for row in rows]
    return [
        SessionRow(
            key=TaskKey(row.dag_id, row.run_id, row.task_id, row.map_index), task_state=row.state, stored=stored
        )
        for row, stored in readable
        if stored is not None
    ], total
