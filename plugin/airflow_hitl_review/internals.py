"""All of Airflow's server side that we touch: database models, sessions, auth, audit log, resuming a task.

Nothing else in this package imports those modules (a test holds it to that), so that a new Airflow version
is a change in this file. Written for Airflow 3.3. All times are timezone-aware UTC.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal, cast

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.base_auth_manager import BaseAuthManager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import get_user
from airflow.configuration import conf
from airflow.models.dag import DagModel
from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import handle_event_submit
from airflow.models.xcom import XComModel
from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.execution_time.xcom import XCom
from airflow.triggers.base import TriggerEvent
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from airflow_hitl_review.review import ACTIVE_STATES, StoredValue
from airflow_hitl_review.schema import ACTION_KEY, SESSION_KEY, TaskKey
from airflow_hitl_review.settling import SchedulerFacts

__all__ = ["BaseUser", "Session", "get_user"]

Method = Literal["GET", "PUT"]

AWAITING_INPUT = TaskInstanceState.AWAITING_INPUT.value


@dataclass(frozen=True)
class TaskInstanceFacts:
    """A task instance's row, as far as we need it.

    Attributes:
        updated_at: when the row last changed; for one that is ``awaiting_input``, when it was parked.
        queued_by_job_id: the scheduler job that queued it.
    """

    id: str
    key: TaskKey
    state: str | None
    try_number: int
    updated_at: datetime
    queued_by_job_id: int | None


@dataclass(frozen=True)
class SessionRow:
    """A session's XCom with the state of its task instance."""

    key: TaskKey
    task_state: str | None
    stored: StoredValue


def utcnow() -> datetime:
    """The current time."""
    return datetime.now(timezone.utc)


def option(name: str, default: str) -> str:
    """A setting of Airflow's ``[hitl_review]`` section."""
    return str(conf.get("hitl_review", name, fallback=default))


@contextmanager
def transaction() -> Iterator[Session]:
    """A database session that commits at the end, or rolls back if the block raises."""
    with create_session(scoped=False) as db:
        yield db


# --- task instances -----------------------------------------------------------------------------------


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
        lock: hold its row until the transaction ends. PostgreSQL and MySQL lock the row; SQLite, which has
            no row locks, takes its one write lock, and so nothing that is read afterwards can be stale.
    """
    query = select(
        TaskInstance.id,
        TaskInstance.state,
        TaskInstance.try_number,
        TaskInstance.updated_at,
        TaskInstance.queued_by_job_id,
    ).where(_is(key))
    if lock:
        if db.get_bind().dialect.name == "sqlite":
            # A write that changes nothing. updated_at is named so that it keeps its value: it tells when
            # the task was parked.
            db.execute(update(TaskInstance).where(_is(key)).values(updated_at=TaskInstance.updated_at))
        else:
            query = query.with_for_update()
    row = db.execute(query).one_or_none()
    if row is None:
        return None
    return TaskInstanceFacts(
        id=str(row.id),
        key=key,
        state=row.state,
        try_number=row.try_number,
        updated_at=row.updated_at or utcnow(),
        queued_by_job_id=row.queued_by_job_id,
    )


def resume(db: Session, key: TaskKey, payload: Mapping[str, Any]) -> None:
    """Let a parked task go on: its worker calls the method it named, with ``event=payload``."""
    task_instance = db.scalar(select(TaskInstance).where(_is(key)))
    if task_instance is None:
        raise LookupError(f"No task instance {key}")
    event = TriggerEvent(dict(payload))  # type: ignore[no-untyped-call]
    handle_event_submit(event, task_instance=task_instance, session=db)


def load_scheduler(db: Session, job_id: int | None) -> SchedulerFacts:
    """Read the scheduler job that queued a task; one that is not known counts as dead."""
    from airflow.jobs.job import Job

    job = db.get(Job, job_id) if job_id is not None else None
    if job is None:
        return SchedulerFacts(alive=False, latest_heartbeat=None)
    return SchedulerFacts(alive=bool(job.is_alive()), latest_heartbeat=job.latest_heartbeat)


# --- XCom ---------------------------------------------------------------------------------------------


def read_xcoms(db: Session, key: TaskKey, prefix: str) -> dict[str, StoredValue]:
    """All XComs of a task instance whose key starts with ``prefix``, through the XCom backend."""
    rows = db.execute(
        select(XComModel.key, XComModel.value, XComModel.timestamp).where(
            XComModel.dag_id == key.dag_id,
            XComModel.run_id == key.run_id,
            XComModel.task_id == key.task_id,
            XComModel.map_index == key.map_index,
            XComModel.key.startswith(prefix, autoescape=True),
        )
    ).all()
    return {row.key: StoredValue(XCom.deserialize_value(row), row.timestamp) for row in rows}


def write_xcom(db: Session, key: TaskKey, name: str, value: Any) -> None:
    """Store an XCom through the XCom backend, replacing an older one."""
    where: dict[str, Any] = {
        "dag_id": key.dag_id,
        "run_id": key.run_id,
        "task_id": key.task_id,
        "map_index": key.map_index,
    }
    serialized = XCom.serialize_value(value, key=name, **where)
    XComModel.set(key=name, value=serialized, serialize=False, session=db, **where)


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


# --- the inbox ----------------------------------------------------------------------------------------


def dags_with_sessions(db: Session) -> list[str]:
    """Ids of the DAGs that have a session in XCom."""
    return list(db.scalars(select(XComModel.dag_id).where(XComModel.key == SESSION_KEY).distinct()))


def values_are_in_the_row() -> bool:
    """Whether XCom values are JSON in the database (Airflow's own backend), so that SQL can look inside."""
    return XCom is BaseXCom


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
    return [
        SessionRow(
            key=TaskKey(row.dag_id, row.run_id, row.task_id, row.map_index),
            task_state=row.state,
            stored=StoredValue(XCom.deserialize_value(row), row.timestamp),
        )
        for row in rows
    ], total


# --- who may do what, and who did ---------------------------------------------------------------------


def may(user: BaseUser, method: Method, dag_id: str, team_name: str | None) -> bool:
    """Whether the auth manager lets ``user`` read (GET) or decide (PUT) the reviews of a DAG."""
    manager = cast("BaseAuthManager[BaseUser]", get_auth_manager())
    return manager.is_authorized_dag(
        method=method,
        access_entity=DagAccessEntity.HITL_DETAIL,
        details=DagDetails(id=dag_id, team_name=team_name),
        user=user,
    )


def team_names(db: Session, dag_ids: Sequence[str]) -> dict[str, str | None]:
    """The team of each DAG; None where it has none or teams are not in use."""
    if not dag_ids or not conf.getboolean("core", "multi_team", fallback=False):
        return dict.fromkeys(dag_ids)
    known = DagModel.get_dag_id_to_team_name_mapping(list(dag_ids), session=db)
    return {dag_id: known.get(dag_id) for dag_id in dag_ids}


def write_audit_log(
    db: Session, task_instance: TaskInstanceFacts, *, event: str, user: BaseUser, extra: Mapping[str, Any]
) -> None:
    """Add an entry to Airflow's audit log; it stays when a retry clears the XComs."""
    key = task_instance.key
    db.add(
        Log(
            event=event,
            owner=user.get_name(),
            owner_display_name=user.get_name(),
            extra=json.dumps(dict(extra)),
            dag_id=key.dag_id,
            run_id=key.run_id,
            task_id=key.task_id,
            map_index=key.map_index,
            try_number=task_instance.try_number,
        )
    )
