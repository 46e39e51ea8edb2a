"""Queries on the sessions of all task instances."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import and_, case, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from airflow_hitl_review.core.review import ACTIVE_STATES
from airflow_hitl_review.core.schema import SESSION_KEY, SUMMARY_KEY
from airflow_hitl_review.core.stored import StoredValue
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.compat import contains
from airflow_hitl_review.server.db.mysql import findable_in_ids, sorted_with_values
from airflow_hitl_review.server.db.xcoms import (
    ascii_only,
    beside,
    field_in,
    same_task,
    stored_value,
    values_are_in_the_row,
)

ColumnName = Literal["updated_at", "dag_id", "run_id", "task_id"]
"""Columns by which the database can order sessions; values inside a session are not among them."""


SessionId = tuple[int, str, int]
"""Identifies a session's row: the number of its run, its task, its map index."""

SESSION_ID = (XComModel.dag_run_id, XComModel.task_id, XComModel.map_index)
"""The columns of it; the XCom key is the same in all sessions."""


@dataclass(frozen=True)
class ActiveCount:
    """How many sessions of a DAG have an active task instance.

    Attributes:
        every: number in any status.
        in_status: number in the requested status.
    """

    every: int
    in_status: int


@dataclass(frozen=True)
class SessionRow:
    """A session's XCom with the state of its task instance."""

    id: SessionId
    key: TaskKey
    task_state: str | None
    stored: StoredValue


@dataclass(frozen=True)
class SessionFilter:
    """Selects sessions.

    Attributes:
        dag_ids: only sessions of these DAGs.
        statuses: only sessions in one of these statuses, all if empty; needs ``values_are_in_the_row()``.
        text: only sessions with this text in an id, or (where values are in the row) in the prompt; ignores case.
        in_output: or in the current output, where values are in the row; reads each session's whole value.
        include_ended: also sessions whose task instance has ended.
    """

    dag_ids: Sequence[str]
    statuses: Collection[str] = ()
    text: str | None = None
    in_output: bool = False
    include_ended: bool = False


@dataclass(frozen=True)
class SessionTime:
    """One of a session's times, without the session.

    Attributes:
        id: identifies the row for ``load_session_rows``.
        written: the text of the time in the session, ISO 8601 if its writer follows the schema; None if missing.
        timestamp: the row's timestamp.
    """

    id: SessionId
    written: Any
    timestamp: datetime


_BY_KEY = (XComModel.dag_id, XComModel.run_id, XComModel.task_id, XComModel.map_index)

_Summary = aliased(XComModel)

_has_summary = _Summary.key.is_not(None)

_ROW = (
    XComModel.dag_run_id,
    *_BY_KEY,
    case((_has_summary, _Summary.key), else_=XComModel.key).label("key"),
    case((_has_summary, _Summary.value), else_=XComModel.value).label("value"),
    XComModel.timestamp,
    TaskInstance.state,
)


def with_summaries(query: Any) -> Any:
    """Joins the summary of each session that has one; databases then do not read the session's value.

    PostgreSQL decompresses the whole value to read any field, which takes 5 ms and more for each megabyte.
    """
    return sorted_with_values(query).outerjoin(
        _Summary,
        and_(beside(_Summary, SUMMARY_KEY), _Summary.timestamp >= XComModel.timestamp),
    )


def inside(field: str) -> Any:
    """A field of a session as text, from its summary if it has one."""
    return case((_has_summary, field_in(_Summary, field)), else_=field_in(XComModel, field))


def count_by_dag(db: Session) -> dict[str, int]:
    """Number of sessions in XCom, including ended ones, of each DAG that has any."""
    query = select(XComModel.dag_id, func.count()).where(XComModel.key == SESSION_KEY).group_by(XComModel.dag_id)
    return {row.dag_id: row[1] for row in db.execute(query)}


def count_sessions(db: Session, wanted: SessionFilter) -> int:
    """Number of sessions that match ``wanted``."""
    return db.scalar(_filtered(select(func.count()).select_from(XComModel), wanted)) or 0


def count_active_sessions(db: Session, dag_ids: Collection[str], status: str) -> dict[str, ActiveCount]:
    """Count the sessions with an active task instance by DAG; needs ``values_are_in_the_row()``."""
    if not dag_ids:
        return {}
    # Reads each session once, after the join: with GROUP BY status, SQLite would read it three times.
    in_status = func.sum(case((inside("status") == status, 1), else_=0))
    query = _filtered(select(XComModel.dag_id, func.count(), in_status), SessionFilter(tuple(dag_ids)))
    rows = db.execute(query.group_by(XComModel.dag_id)).all()
    return {dag_id: ActiveCount(int(every), int(some)) for dag_id, every, some in rows}


def list_session_rows(
    db: Session,
    wanted: SessionFilter,
    *,
    order_by: ColumnName = "updated_at",
    descending: bool = True,
    limit: int | None = None,
    offset: int = 0,
) -> list[SessionRow]:
    """The sessions that match ``wanted``, by default newest change first.

    Args:
        db: an open session.
        wanted: the filter.
        order_by: the column to sort by; ties are sorted by the ids.
        descending: sort in descending order.
        limit: maximum number of rows; None for all.
        offset: number of rows to skip.
    """
    column: Any = XComModel.timestamp if order_by == "updated_at" else getattr(XComModel, order_by)
    query = _filtered(select(*_ROW), wanted).order_by(column.desc() if descending else column.asc(), *_BY_KEY)
    query = query.offset(offset)
    return _read(db.execute(query.limit(limit) if limit is not None else query).all())


def list_session_times(
    db: Session, wanted: SessionFilter, field: Literal["created_at", "deadline_at"]
) -> list[SessionTime]:
    """A time of each session that matches ``wanted``, in a stable order; needs ``values_are_in_the_row()``.

    The caller sorts by it: the text of a time does not sort as the time does (its offset and its fraction may be
    missing), and no two databases parse it in the same way.
    """
    written = ascii_only(inside(field))
    query = _filtered(select(*SESSION_ID, written, XComModel.timestamp), wanted).order_by(*SESSION_ID)
    return [SessionTime((run, task, index), text, at) for run, task, index, text, at in db.execute(query).all()]


def load_session_rows(db: Session, ids: Sequence[SessionId]) -> list[SessionRow]:
    """Load sessions by their ``SessionTime.id``, in the given order, skipping those that are gone."""
    if not ids:
        return []
    query = with_summaries(select(*_ROW).join(TaskInstance, same_task()))
    query = query.where(XComModel.key == SESSION_KEY, tuple_(*SESSION_ID).in_(ids))
    found = {row.id: row for row in _read(db.execute(query).all())}
    return [found[id_] for id_ in ids if id_ in found]


def _filtered(query: Any, wanted: SessionFilter) -> Any:
    query = with_summaries(query.join(TaskInstance, same_task()))
    query = query.where(XComModel.key == SESSION_KEY, XComModel.dag_id.in_(wanted.dag_ids))
    active = TaskInstance.state.in_(ACTIVE_STATES)

    def when_asked_for(value: Any) -> Any:
        # Reading inside a session is the expensive part. The condition on the task instance's state delays it
        # until after the join, and skips the sessions of tasks that ended long ago.
        return value if wanted.include_ended else case((active, value))

    if not wanted.include_ended:
        query = query.where(active)
    if wanted.statuses:
        query = query.where(when_asked_for(inside("status")).in_(wanted.statuses))
    if wanted.text:
        columns = [XComModel.dag_id, XComModel.run_id, XComModel.task_id]
        found = [contains(column, findable_in_ids(wanted.text)) for column in columns]
        if values_are_in_the_row():
            found.append(contains(when_asked_for(inside("prompt")), wanted.text))
            if wanted.in_output:  # which a summary does not have
                found.append(contains(when_asked_for(field_in(XComModel, "current_output")), wanted.text))
        query = query.where(or_(*found))
    return query


def _read(rows: Sequence[Any]) -> list[SessionRow]:
    return [
        SessionRow(
            id=(row.dag_run_id, row.task_id, row.map_index),
            key=TaskKey(row.dag_id, row.run_id, row.task_id, row.map_index),
            task_state=row.state,
            stored=stored_value(row),
        )
        for row in rows
    ]
