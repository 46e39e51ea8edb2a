"""XComs of one task instance, through the configured XCom backend."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.execution_time.xcom import XCom
from sqlalchemy import Boolean, and_, case, delete, event, insert, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

from airflow_hitl_review.core.review import StoredValue, read_session, summary_of
from airflow_hitl_review.core.schema import SESSION_KEY, SUMMARY_KEY, AgentSession, TaskKey
from airflow_hitl_review.server.db.compat import set_serialized_xcom
from airflow_hitl_review.server.db.transactions import utcnow

log = logging.getLogger(__name__)


def values_are_in_the_row() -> bool:
    """Whether XCom values are JSON in the database (Airflow's own backend), so that SQL can look inside."""
    return XCom is BaseXCom


class _IsJson(FunctionElement[bool]):
    """Whether a row's value is JSON. SQLite keeps NaN, too, and then a look inside ends the whole query."""

    inherit_cache = True
    type = Boolean()


@compiles(_IsJson)
def _always(element: _IsJson, compiler: Any, **_: Any) -> str:
    return "true"


@compiles(_IsJson, "sqlite")
def _if_valid(element: _IsJson, compiler: Any, **more: Any) -> str:
    return f"json_valid({compiler.process(element.clauses, **more)})"


def field_in(row: Any, name: str) -> Any:
    """A field of the object in an XCom's row as text, as a part of a query; needs ``values_are_in_the_row()``."""
    return case((_IsJson(row.value), row.value[name].as_string()))


def same_task(row: Any = XComModel) -> Any:
    """Joins XComs to their task instances; ``row`` is another name for the table, where a query has it twice."""
    return and_(
        row.dag_id == TaskInstance.dag_id,
        row.run_id == TaskInstance.run_id,
        row.task_id == TaskInstance.task_id,
        row.map_index == TaskInstance.map_index,
    )


def is_of(key: TaskKey) -> Any:
    """XComs of one task instance, as a condition."""
    return and_(
        XComModel.dag_id == key.dag_id,
        XComModel.run_id == key.run_id,
        XComModel.task_id == key.task_id,
        XComModel.map_index == key.map_index,
    )


def read_xcoms(db: Session, key: TaskKey, prefix: str, *, without: Sequence[str] = ()) -> dict[str, StoredValue]:
    """All XComs of a task instance whose key starts with ``prefix``, through the XCom backend.

    What the backend cannot read is there all the same, and raises where its value is used.

    Args:
        db: an open session.
        key: which task instance.
        prefix: start of the keys; a whole key is one too.
        without: leave out keys that start with one of these.
    """
    query = select(XComModel.key, XComModel.value, XComModel.timestamp).where(
        is_of(key), XComModel.key.startswith(prefix, autoescape=True)
    )
    for start in without:
        query = query.where(XComModel.key.not_like(start.replace("_", r"\_") + "%", escape="\\"))
    return {row.key: stored_value(row) for row in db.execute(query).all()}


def xcom_times(db: Session, key: TaskKey, names: Sequence[str]) -> dict[str, datetime]:
    """When those XComs of a task instance were stored that there are; their values are not read."""
    query = select(XComModel.key, XComModel.timestamp).where(is_of(key), XComModel.key.in_(names))
    return {row.key: row.timestamp for row in db.execute(query).all()}


def stored_value(row: Any) -> StoredValue:
    """A row's value through the XCom backend; one that raises where it is used, if the backend cannot read it."""
    try:
        return StoredValue(XCom.deserialize_value(row), row.timestamp)
    except Exception as error:  # noqa: BLE001 - a backend may raise anything, and one value must not hide others
        log.warning("The XCom %r cannot be read just now: %r", row.key, error)
        # Only the kind of the error: what it says, an address with a key in it perhaps, reviewers must not see.
        return StoredValue(None, row.timestamp, unreadable=f"{row.key} ({type(error).__name__})")


def session_in(body: bytes) -> AgentSession | None:
    """The session in the body of a worker's write, which has gone through the XCom backend; None if it is none.

    Raises:
        UnreadableXComError: the backend cannot read it just now.
    """
    row = SimpleNamespace(key=SESSION_KEY, value=json.loads(body), timestamp=utcnow())
    return read_session(stored_value(row))


def _serialized(key: TaskKey, name: str, value: Any) -> Any:
    return XCom.serialize_value(
        value, key=name, dag_id=key.dag_id, run_id=key.run_id, task_id=key.task_id, map_index=key.map_index
    )


def write_xcom(db: Session, key: TaskKey, name: str, value: Any) -> None:
    """Store an XCom through the XCom backend, replacing an older one."""
    set_serialized_xcom(
        db,
        name,
        _serialized(key, name, value),
        dag_id=key.dag_id,
        run_id=key.run_id,
        task_id=key.task_id,
        map_index=key.map_index,
    )


@event.listens_for(XComModel, "after_insert")
def _keep_summary(_: Any, connection: Connection, row: XComModel) -> None:
    """Keep beside a session what lists need of it, in its own transaction, whoever writes it.

    A worker that wrote both, one after the other, would hide a decision that came between the two.
    """
    if row.key != SESSION_KEY:
        return
    xcoms: Any = XComModel.__table__
    task = {name: getattr(row, name) for name in ("dag_run_id", "dag_id", "run_id", "task_id", "map_index")}
    of_task = [xcoms.c[name] == task[name] for name in ("dag_run_id", "task_id", "map_index")]
    connection.execute(delete(xcoms).where(*of_task, xcoms.c.key == SUMMARY_KEY))
    try:
        session = read_session(stored_value(row))
        summary = summary_of(session) if session is not None else None
        if summary is None:
            return
        key = TaskKey(row.dag_id, row.run_id, row.task_id, row.map_index)
        value = _serialized(key, SUMMARY_KEY, summary.model_dump(mode="json"))
    except Exception:
        log.warning("Lists read the whole output of a review.", exc_info=True)
        return
    connection.execute(insert(xcoms).values(**task, key=SUMMARY_KEY, value=value, timestamp=row.timestamp))


def rewrite_xcom(db: Session, key: TaskKey, name: str, value: Any) -> None:
    """Replace the value of an XCom, if it is still there; its time stays that of the first writing."""
    db.execute(
        update(XComModel).where(is_of(key), XComModel.key == name).values(value=_serialized(key, name, value))
    )


def set_xcom_time(db: Session, key: TaskKey, name: str, at: datetime, *, was: datetime | None = None) -> None:
    """Set the time of an XCom, if it is still there; with ``was``, only if nobody has written it since."""
    query = update(XComModel).where(is_of(key), XComModel.key == name)
    db.execute((query.where(XComModel.timestamp == was) if was is not None else query).values(timestamp=at))


def delete_xcom(db: Session, key: TaskKey, name: str, *, was: datetime | None = None) -> None:
    """Delete an XCom, if it is there; with ``was``, only if nobody has written it since."""
    query = delete(XComModel).where(is_of(key), XComModel.key == name)
    db.execute(query.where(XComModel.timestamp == was) if was is not None else query)
