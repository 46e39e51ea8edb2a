"""Differences between Airflow versions from 3.1 on, and between SQLAlchemy 1.4 and 2.

Each branch names the version that needs it, and can be removed with support for that version.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any
from uuid import UUID

import sqlalchemy
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.state import TaskInstanceState
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

# Airflow 3.1 and 3.2 have no state awaiting_input.
_AWAITING_INPUT = getattr(TaskInstanceState, "AWAITING_INPUT", None)

PARKED_STATES = tuple(s.value for s in (_AWAITING_INPUT, TaskInstanceState.DEFERRED) if s is not None)
"""States of a task instance that waits without a worker slot; if for a review, its method is ``RESUME_METHOD``."""

# Airflow 3.1 keeps ids of task instances as text.
_IDS_ARE_TEXT = not isinstance(TaskInstance.__table__.c.id.type, getattr(sqlalchemy, "Uuid", ()))

_SET_TAKES_SERIALIZED = "serialize" in signature(XComModel.set).parameters

SESSION_ON_A_CONNECTION: Mapping[str, Any] = (
    # SQLAlchemy 1.4, which Airflow 3.1 permits, always behaves as later versions do with this option.
    {} if sqlalchemy.__version__.startswith("1.") else {"join_transaction_mode": "rollback_only"}
)
"""For a ``Session`` on a connection with an outer transaction, which the session's commit must not commit."""


def task_instance_id(value: str) -> Any:
    """Convert a task instance id to the model's type."""
    return value if _IDS_ARE_TEXT else UUID(value)


def contains(column: Any, text: str) -> Any:
    """Whether a column contains ``text``, ignoring case; SQLAlchemy has ``icontains`` from 2.0 on."""
    return sqlalchemy.func.lower(column).contains(text.lower(), autoescape=True)


def set_serialized_xcom(db: Session, name: str, value: Any, **task: Any) -> None:
    """Store an XCom whose value the backend has already serialized, replacing an older one.

    Args:
        db: an open session.
        name: the XCom's key.
        value: as the backend's ``serialize_value`` returned it.
        **task: ``dag_id``, ``run_id``, ``task_id`` and ``map_index``.
    """
    if _SET_TAKES_SERIALIZED:
        XComModel.set(key=name, value=value, serialize=False, session=db, **task)
        return
    # Airflow 3.1: XComModel.set() encodes the value as JSON again, which a worker does not do.
    run = select(DagRun.id).where(DagRun.dag_id == task["dag_id"], DagRun.run_id == task["run_id"])
    same = [getattr(XComModel, field) == wanted for field, wanted in task.items()]
    db.execute(delete(XComModel).where(XComModel.key == name, *same))
    db.add(XComModel(dag_run_id=db.scalar(run), key=name, value=value, **task))
    db.flush()
