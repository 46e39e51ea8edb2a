"""Reviews to run statements on."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow.models.taskinstance import TaskInstance
from sqlalchemy import select

from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.compat import task_instance_id
from airflow_hitl_review.server.db.task_instances import TaskInstanceFacts, load_task_instance
from airflow_hitl_review.server.db.transactions import Session
from tests.support.api_server import DAG_ID, TASK_ID

LONG = "An output that is longer than MySQL's sort buffer. " * 8_000
EARLY = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc)


def keys_of(run_id: str, count: int = 1) -> list[TaskKey]:
    return [TaskKey(DAG_ID, run_id, TASK_ID, index) for index in range(count)]


def facts(db: Session, key: TaskKey) -> TaskInstanceFacts:
    found = load_task_instance(db, key)
    assert found is not None
    return found


def set_columns(db: Session, key: TaskKey, **columns: Any) -> None:
    """Change a task instance's row."""
    ti = db.scalar(select(TaskInstance).where(TaskInstance.id == task_instance_id(facts(db, key).id)))
    for name, value in columns.items():
        setattr(ti, name, value)
    db.flush()
