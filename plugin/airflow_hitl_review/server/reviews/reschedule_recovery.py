"""Recovers the review of a resumed task that could not start.

A worker that cannot load the DAG (its file is temporarily broken, or takes too long to import) does not fail,
except in the first releases of Airflow 3.1. Airflow reschedules the task instance and clears its ``next_method``.
The task would then start from the beginning, after Airflow has deleted its XComs: the session, and a decision that
was confirmed to a reviewer. The same applies to a task whose worker died before it could start: the next try, if
the task has retries left, has another number and the same id.
"""

from __future__ import annotations

import logging

from airflow_hitl_review.core.schema import SESSION_KEY
from airflow_hitl_review.core.stored import UnreadableXComError, read_session
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.task_instances import (
    find_start_from_the_beginning,
    go_on_with_review,
    list_rescheduled,
    load_task_instance,
)
from airflow_hitl_review.server.db.transactions import transaction
from airflow_hitl_review.server.db.xcoms import read_xcoms

log = logging.getLogger(__name__)


def keep_all() -> None:
    """Recover the reviews of all rescheduled task instances."""
    with transaction() as db:
        found = list_rescheduled(db)
    for key in found:
        try:
            keep(key)
        except UnreadableXComError as error:
            log.warning("It is not known yet whether %s goes on with its review; trying again. %s", key, error)


def keep_by_id(task_instance_id: str) -> None:
    """Recover the review of the task instance with that id, which is about to start.

    Raises:
        UnreadableXComError: its review, if any, cannot be read at the moment.
    """
    with transaction() as db:
        key = find_start_from_the_beginning(db, task_instance_id)
    if key is not None:
        keep(key)


def keep(key: TaskKey) -> bool:
    """Make a task instance continue its review, if that belongs to the current try; returns whether it does.

    Raises:
        UnreadableXComError: the review cannot be read at the moment.
    """
    with transaction() as db:
        task_instance = load_task_instance(db, key, lock=True)
        if task_instance is None or not task_instance.starts_from_the_beginning:
            return False
        session = read_session(read_xcoms(db, key, SESSION_KEY).get(SESSION_KEY))
        # A session of an earlier try exists until the new try runs; then the task must start from the beginning.
        if session is None or session.task_instance_id != task_instance.id:
            return False
        go_on_with_review(db, key)
    log.info("%s could not start when it was resumed, and was rescheduled: it goes on with its review.", key)
    return True
