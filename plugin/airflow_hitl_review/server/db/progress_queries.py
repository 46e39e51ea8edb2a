"""What tasks do to make outputs that nobody has seen, and which tasks have no review yet."""

from __future__ import annotations

from collections.abc import Sequence

from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session, aliased

from airflow_hitl_review.core.review import FirstOutput
from airflow_hitl_review.core.schema import PROGRESS_KEY, SESSION_KEY
from airflow_hitl_review.core.stored import StoredValue
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.xcoms import beside, in_batches, same_task, stored_value

_KEY = (XComModel.dag_id, XComModel.run_id, XComModel.task_id, XComModel.map_index)

_AtReview = aliased(XComModel)


def load_progress(db: Session, keys: Sequence[TaskKey]) -> dict[TaskKey, StoredValue]:
    """What those of the task instances do that say so; one statement for every 500."""
    found: dict[TaskKey, StoredValue] = {}
    for wanted in in_batches(keys):
        query = select(*_KEY, XComModel.key, XComModel.value, XComModel.timestamp).where(
            XComModel.key == PROGRESS_KEY, tuple_(*_KEY).in_(wanted)
        )
        for row in db.execute(query).all():
            found[TaskKey(row.dag_id, row.run_id, row.task_id, row.map_index)] = stored_value(row)
    return found


def first_outputs(db: Session, limit: int) -> list[FirstOutput]:
    """Tasks that say what they do, and have no review yet; the one that started last comes first."""
    query = (
        select(*_KEY, TaskInstance.start_date)
        .join(TaskInstance, same_task())
        .outerjoin(
            _AtReview,
            beside(_AtReview, SESSION_KEY),
        )
        .where(XComModel.key == PROGRESS_KEY, TaskInstance.state == "running", _AtReview.key.is_(None))
        .order_by(TaskInstance.start_date.desc(), *_KEY)
        .limit(limit)
    )
    return [
        FirstOutput(dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index, started_at=at)
        for dag_id, run_id, task_id, map_index, at in db.execute(query).all()
    ]
