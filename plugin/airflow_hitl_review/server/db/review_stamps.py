"""Short values that change when a review, or the list of reviews, changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import and_, func, select, tuple_
from sqlalchemy.orm import Session

from airflow_hitl_review.core.review import ACTIVE_STATES
from airflow_hitl_review.core.schema import PROGRESS_KEY, SESSION_KEY
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.xcoms import in_batches, same_task

_KEY = (TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, TaskInstance.map_index)


def _session_of_task() -> Any:
    return and_(same_task(), XComModel.key == SESSION_KEY)


def review_stamps(db: Session, keys: Sequence[TaskKey]) -> dict[TaskKey, str]:
    """Return a stamp for each of those task instances that exists; one statement for every 500.

    The stamp changes with the try, with the task's state, and whenever the session is written.
    """
    stamps: dict[TaskKey, str] = {}
    for wanted in in_batches(keys):
        query = (
            select(*_KEY, TaskInstance.id, TaskInstance.state, XComModel.timestamp)
            .outerjoin(XComModel, _session_of_task())
            .where(tuple_(*_KEY).in_(wanted))
        )
        for dag_id, run_id, task_id, map_index, id_, state, at in db.execute(query).all():
            stamps[TaskKey(dag_id, run_id, task_id, map_index)] = f"{id_} {state} {at}"
    return stamps


def inbox_stamp(db: Session) -> str:
    """A stamp for all reviews whose task has not ended: it changes when one is added, removed, or written.

    Also when a task begins to say what it does for its next output; what it says then does not change it.
    """
    query = (
        select(XComModel.key, TaskInstance.state, func.count(), func.max(XComModel.timestamp))
        .join(XComModel, and_(same_task(), XComModel.key.in_((SESSION_KEY, PROGRESS_KEY))))
        .where(TaskInstance.state.in_(ACTIVE_STATES))
        .group_by(XComModel.key, TaskInstance.state)
    )
    rows = [tuple(row) for row in db.execute(query).all()]
    return repr(sorted((key, state, n, "" if key == PROGRESS_KEY else str(at)) for key, state, n, at in rows))
