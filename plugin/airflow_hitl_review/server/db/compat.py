"""Where Airflow's server side differs between the versions from 3.1 on, and SQLAlchemy's between 1.4 and 2.

Each branch says which version needs it; it goes when that version does.
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
"""States of a task instance that waits without a worker slot; for a review, if it goes on at ``RESUME_METHOD``."""

# Airflow 3.1 keeps ids of task instances as text.
_IDS_ARE_TEXT = not isinstance(TaskInstance.__table__.c.id.type, getattr(sqlalchemy, "Uuid", ()))

_SET_TAKES_SERIALIZED = "serialize" in signature(XComModel.set).parameters

SESSION_ON_A_CONNECTION: Mapping[str, Any] = (
    # SQLAlchemy 1.4, which Airflow 3.1 permits, always behaves as the later versions do with this.
    {} if sqlalchemy.__version__.startswith("1.") else {"join_transaction_mode": "rollback_only"}
)
"""For a ``Session`` on a connection whose transaction is somebody else's: it is not committed with the session."""


def task_instance_id(value: str) -> Any:
    """An id of a task instance as the model has it."""
    return value if _IDS_ARE_TEXT else UUID(value)


def contains(column: Any, text: str) -> Any:
    """Whether a column has ``text`` in it, in any case; SQLAlchemy has ``icontains`` from 2.0 on."""
    return sqlalchemy.func.lower(column).contains(text.lower(), autoescape=True)


def set_serialized_xcom(db: Session, name: str, value: Any, **task: Any) -> None:
    """Store an XCom whose value has gone through the backend already, replacing an older one.

    Args:
        db: an open session.
        name: the XCom's key.
        value: as the backend's ``serialize_value`` returned it.
        **task: ``dag_id``, ``run_id``, ``task_id`` and ``map_index``.
    """
    if _SET_TAKES_SERIALIZED:
        XComModel.set(key=name, value=value, serialize=False, session=db, **task)
        return
    # Airflow 3.1: XComModel.set() writes JSON a second time, which is not what a worker stores.
    run = select(DagRun.id).where(DagRun.dag_id == task["dag_id"], DagRun.run_id == task["run_id"])
    same = [getattr(XComModel, field) == wanted for field, wanted in task.items()]
    db.execute(delete(XComModel).where(XComModel.key == name, *same))
    db.add(XComModel(dag_run_id=db.scalar(run), key=name, value=value, **task))
    db.flush()
