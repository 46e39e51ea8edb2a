"""Questions about the sessions of all task instances."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import and_, case, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from airflow_hitl_review.core.review import ACTIVE_STATES, StoredValue
from airflow_hitl_review.core.schema import ACTION_KEY, SESSION_KEY, SUMMARY_KEY, TaskKey
from airflow_hitl_review.server.db.compat import contains
from airflow_hitl_review.server.db.task_instances import is_parked
from airflow_hitl_review.server.db.xcoms import field_in, same_task, stored_value, values_are_in_the_row

ColumnName = Literal["updated_at", "dag_id", "run_id", "task_id"]
"""What the database can order sessions by: columns, not values inside a session."""


@dataclass(frozen=True)
class ActiveCount:
    """How many sessions of a DAG have an active task instance.

    Attributes:
        every: in any status.
        in_status: in the status that was asked for.
    """

    every: int
    in_status: int


@dataclass(frozen=True)
class SessionRow:
    """A session's XCom with the state of its task instance."""

    key: TaskKey
    task_state: str | None
    stored: StoredValue


@dataclass(frozen=True)
class SessionFilter:
    """Which sessions.

    Attributes:
        dag_ids: only those of these DAGs.
        statuses: only those in one of these statuses, all if empty; needs ``values_are_in_the_row()``.
        text: only those with this in an id, or (where values are in the row) in the prompt; any case.
        include_ended: also those whose task instance has ended.
    """

    dag_ids: Sequence[str]
    statuses: Collection[str] = ()
    text: str | None = None
    include_ended: bool = False


@dataclass(frozen=True)
class SessionTime:
    """One of a session's times, without the session.

    Attributes:
        id: names the row, for ``load_session_rows``.
        written: the time as the session has it, ISO 8601 if its writer did as agreed; None if it has none.
        timestamp: the row's.
    """

    id: tuple[int, str, int]
    written: Any
    timestamp: datetime


_ID = (XComModel.dag_run_id, XComModel.task_id, XComModel.map_index)
"""What names a session's row, as the key is the same in all."""

_BY_KEY = (XComModel.dag_id, XComModel.run_id, XComModel.task_id, XComModel.map_index)

_Summary = aliased(XComModel)

_has_summary = _Summary.key.is_not(None)

_ROW = (
    *_BY_KEY,
    case((_has_summary, _Summary.key), else_=XComModel.key).label("key"),
    case((_has_summary, _Summary.value), else_=XComModel.value).label("value"),
    XComModel.timestamp,
    TaskInstance.state,
)


def _with_summaries(query: Any) -> Any:
    """Joins the summary of each session that has one; databases then leave the session's value alone.

    PostgreSQL unpacks a whole value for any look inside, which is 5 ms and more for each megabyte.
    """
    return query.outerjoin(
        _Summary,
        and_(
            _Summary.dag_run_id == XComModel.dag_run_id,
            _Summary.task_id == XComModel.task_id,
            _Summary.map_index == XComModel.map_index,
            _Summary.key == SUMMARY_KEY,
            _Summary.timestamp >= XComModel.timestamp,
        ),
    )


def _inside(field: str) -> Any:
    """A field of a session as text, of its summary if it has one."""
    return case((_has_summary, field_in(_Summary, field)), else_=field_in(XComModel, field))


def decided_but_parked(db: Session, limit: int = 100) -> list[TaskKey]:
    """Parked task instances whose session the API server wrote after the worker: those may need a wake.

    A decision writes the session first and the action last, so the action is the younger row until the
    worker writes the session again. Only a filter: whoever wakes one looks at the session itself.
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
    """Parked task instances whose session was written after they parked, the last written first.

    One that is not among ``decided_but_parked``, somebody may have written by hand. Only a filter: the two times
    can be of two machines' clocks.

    Args:
        db: an open session.
        since: only those that were written later. Without it, each open review is looked up: 0.7 s for 100,000.
        limit: at most so many.
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


def parked_without_session(db: Session, limit: int = 100) -> list[TaskKey]:
    """Parked task instances whose session is gone from XCom. Looks at each that is parked."""
    query = (
        select(TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, TaskInstance.map_index)
        .outerjoin(XComModel, _of_task(XComModel, SESSION_KEY))
        .where(is_parked(), XComModel.key.is_(None))
        .limit(limit)
    )
    return [TaskKey(*row) for row in db.execute(query).all()]


def _of_task(row: Any, name: str) -> Any:
    """Joins the XCom of a task instance that has this key."""
    return and_(same_task(row), row.key == name)


def count_by_dag(db: Session) -> dict[str, int]:
    """How many sessions are in XCom, ended ones too, of each DAG that has any."""
    query = select(XComModel.dag_id, func.count()).where(XComModel.key == SESSION_KEY).group_by(XComModel.dag_id)
    return {row.dag_id: row[1] for row in db.execute(query)}


def count_sessions(db: Session, wanted: SessionFilter) -> int:
    """How many sessions ``wanted`` leaves."""
    return db.scalar(_filtered(select(func.count()).select_from(XComModel), wanted)) or 0


def count_active_sessions(db: Session, dag_ids: Collection[str], status: str) -> dict[str, ActiveCount]:
    """The sessions with an active task instance of each of those DAGs that has any; needs values in the row."""
    if not dag_ids:
        return {}
    # One look into each session, and after the join: grouped by the status, SQLite would look three times.
    in_status = func.sum(case((_inside("status") == status, 1), else_=0))
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
    """The sessions that ``wanted`` leaves, newest change first or as ``order_by`` says.

    Args:
        db: an open session.
        wanted: which.
        order_by: which column decides; the ids decide among equals.
        descending: turn the order round.
        limit: at most so many rows; None for all.
        offset: leave out so many first.
    """
    column: Any = XComModel.timestamp if order_by == "updated_at" else getattr(XComModel, order_by)
    query = _filtered(select(*_ROW), wanted).order_by(column.desc() if descending else column.asc(), *_BY_KEY)
    query = query.offset(offset)
    return _read(db.execute(query.limit(limit) if limit is not None else query).all())


def list_session_times(
    db: Session, wanted: SessionFilter, field: Literal["created_at", "deadline_at"]
) -> list[SessionTime]:
    """That time of each session that ``wanted`` leaves, in an order that stays; needs values in the row.

    To order by: the text of a time does not sort as the time does (its offset and its fraction may be left
    out), and no two databases turn it into a time alike.
    """
    written = _inside(field)
    query = _filtered(select(*_ID, written, XComModel.timestamp), wanted).order_by(*_ID)
    return [SessionTime((run, task, index), text, at) for run, task, index, text, at in db.execute(query).all()]


def load_session_rows(db: Session, ids: Sequence[tuple[int, str, int]]) -> list[SessionRow]:
    """The sessions that ``SessionTime.id`` names, in that order, but for those that are gone."""
    if not ids:
        return []
    query = _with_summaries(select(*_ROW, *_ID[:1]).join(TaskInstance, same_task()))
    query = query.where(XComModel.key == SESSION_KEY, tuple_(*_ID).in_(ids))
    found = {(row.dag_run_id, row.task_id, row.map_index): row for row in db.execute(query).all()}
    return _read([found[id_] for id_ in ids if id_ in found])


def _filtered(query: Any, wanted: SessionFilter) -> Any:
    query = _with_summaries(query.join(TaskInstance, same_task()))
    query = query.where(XComModel.key == SESSION_KEY, XComModel.dag_id.in_(wanted.dag_ids))
    active = TaskInstance.state.in_(ACTIVE_STATES)

    def inside(field: str) -> Any:
        # Looking into a session is what costs. Tied to the task instance's state, it is done after the join,
        # and not for the sessions of all the tasks that ended long ago.
        value = _inside(field)
        return value if wanted.include_ended else case((active, value))

    if not wanted.include_ended:
        query = query.where(active)
    if wanted.statuses:
        query = query.where(inside("status").in_(wanted.statuses))
    if wanted.text:
        columns = [XComModel.dag_id, XComModel.run_id, XComModel.task_id]
        found = [contains(column, wanted.text) for column in columns]
        if values_are_in_the_row():
            found.append(contains(inside("prompt"), wanted.text))
        query = query.where(or_(*found))
    return query


def _read(rows: Sequence[Any]) -> list[SessionRow]:
    return [
        SessionRow(
            key=TaskKey(row.dag_id, row.run_id, row.task_id, row.map_index),
            task_state=row.state,
            stored=stored_value(row),
        )
        for row in rows
    ]
