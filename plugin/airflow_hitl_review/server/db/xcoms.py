"""XComs of one task instance, through the configured XCom backend."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any, ClassVar

from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.execution_time.xcom import XCom
from sqlalchemy import Boolean, and_, case, delete, event, insert, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

from airflow_hitl_review.core.review import summary_of
from airflow_hitl_review.core.schema import SESSION_KEY, SUMMARY_KEY, AgentSession
from airflow_hitl_review.core.stored import StoredValue, read_session
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.compat import set_serialized_xcom
from airflow_hitl_review.server.db.transactions import utcnow

log = logging.getLogger(__name__)

_BATCH = 500
"""Task instances in one statement."""


def values_are_in_the_row() -> bool:
    """Whether XCom values are JSON in the database (Airflow's own backend), so that SQL can look inside."""
    return XCom is BaseXCom


class _OnlyOnSQLite(FunctionElement[bool]):
    """A condition on a value that always holds on other databases; ``sql`` is the one on SQLite."""

    type = Boolean()
    sql: ClassVar[str]


@compiles(_OnlyOnSQLite)
def _always(element: _OnlyOnSQLite, compiler: Any, **_: Any) -> str:
    return "true"


@compiles(_OnlyOnSQLite, "sqlite")
def _on_sqlite(element: _OnlyOnSQLite, compiler: Any, **more: Any) -> str:
    return element.sql.format(compiler.process(element.clauses, **more))


class _IsJson(_OnlyOnSQLite):
    """Whether a row's value is JSON; SQLite also stores NaN, which makes JSON functions fail the whole query."""

    inherit_cache = True
    sql = "json_valid({})"


class _IsAscii(_OnlyOnSQLite):
    """Whether a text is printable ASCII; SQLite also stores half surrogates, and fails when it returns them."""

    inherit_cache = True
    sql = "{} NOT GLOB '*[^ -~]*'"


def field_in(row: Any, name: str) -> Any:
    """SQL expression for a field of an XCom's value, as text; needs ``values_are_in_the_row()``."""
    return case((_IsJson(row.value), row.value[name].as_string()))


def ascii_only(text: Any) -> Any:
    """SQL expression for a text that a query returns, such as a time; null if SQLite could not return it."""
    return case((_IsAscii(text), text))


def same_task(row: Any = XComModel) -> Any:
    """Join condition of XComs and their task instances; ``row`` is an alias, for queries with two XComs."""
    return and_(
        row.dag_id == TaskInstance.dag_id,
        row.run_id == TaskInstance.run_id,
        row.task_id == TaskInstance.task_id,
        row.map_index == TaskInstance.map_index,
    )


def beside(row: Any, name: str) -> Any:
    """Join condition of an XCom and another one, ``row``, of the same task instance, with that key."""
    return and_(
        row.dag_run_id == XComModel.dag_run_id,
        row.task_id == XComModel.task_id,
        row.map_index == XComModel.map_index,
        row.key == name,
    )


def in_batches(keys: Sequence[TaskKey]) -> Iterator[list[tuple[str, str, str, int]]]:
    """Task instances for one statement each; databases limit the number of parameters."""
    for start in range(0, len(keys), _BATCH):
        yield [(key.dag_id, key.run_id, key.task_id, key.map_index) for key in keys[start : start + _BATCH]]


def is_of(key: TaskKey) -> Any:
    """SQL condition for the XComs of one task instance."""
    return and_(
        XComModel.dag_id == key.dag_id,
        XComModel.run_id == key.run_id,
        XComModel.task_id == key.task_id,
        XComModel.map_index == key.map_index,
    )


def read_xcoms(db: Session, key: TaskKey, prefix: str, *, without: Sequence[str] = ()) -> dict[str, StoredValue]:
    """All XComs of a task instance whose key starts with ``prefix``, through the XCom backend.

    Values that the backend cannot read are included, and raise when they are used.

    Args:
        db: an open session.
        key: the task instance.
        prefix: start of the keys, or a whole key.
        without: leave out keys that start with one of these.
    """
    query = select(XComModel.key, XComModel.value, XComModel.timestamp).where(
        is_of(key), XComModel.key.startswith(prefix, autoescape=True)
    )
    for start in without:
        query = query.where(XComModel.key.not_like(start.replace("_", r"\_") + "%", escape="\\"))
    return {row.key: stored_value(row) for row in db.execute(query).all()}


def xcom_times(db: Session, key: TaskKey, names: Sequence[str]) -> dict[str, datetime]:
    """Timestamps of the existing XComs among ``names``; does not read their values."""
    query = select(XComModel.key, XComModel.timestamp).where(is_of(key), XComModel.key.in_(names))
    return {row.key: row.timestamp for row in db.execute(query).all()}


def stored_value(row: Any) -> StoredValue:
    """Read a row's value through the XCom backend; an unreadable value raises when it is used."""
    try:
        return StoredValue(XCom.deserialize_value(row), row.timestamp)
    except Exception as error:  # noqa: BLE001 - a backend may raise anything, and one value must not hide others
        log.warning("The XCom %r cannot be read at the moment: %r", row.key, error)
        # Only the type of the error: reviewers must not see its message, which may have a URL with a secret.
        return StoredValue(None, row.timestamp, unreadable=f"{row.key} ({type(error).__name__})")


def session_in(body: bytes) -> AgentSession | None:
    """Parse the session in the body of a worker's XCom write, serialized by the backend; None if it is no session.

    Raises:
        UnreadableXComError: the backend cannot read it at the moment.
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
    """Store a session's summary for lists in the same transaction as the session, whoever writes it.

    If a worker wrote both in two requests, it would hide a decision made between the two.
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
    """Replace the value of an XCom, if it still exists; keeps its timestamp."""
    db.execute(
        update(XComModel).where(is_of(key), XComModel.key == name).values(value=_serialized(key, name, value))
    )


def set_xcom_time(db: Session, key: TaskKey, name: str, at: datetime, *, was: datetime | None = None) -> None:
    """Set the timestamp of an XCom, if it still exists; with ``was``, only if nobody has written it since."""
    query = update(XComModel).where(is_of(key), XComModel.key == name)
    db.execute((query.where(XComModel.timestamp == was) if was is not None else query).values(timestamp=at))


def delete_xcom(db: Session, key: TaskKey, name: str, *, was: datetime | None = None) -> None:
    """Delete an XCom, if it exists; with ``was``, only if nobody has written it since."""
    query = delete(XComModel).where(is_of(key), XComModel.key == name)
    db.execute(query.where(XComModel.timestamp == was) if was is not None else query)
