"""Airflow's audit log: who did what."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, Protocol

from airflow.models.log import Log
from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_hitl_review.server.db.task_instances import TaskInstanceFacts

_ID = "task_instance_id"
"""Key in an entry's ``extra``; entries written by version 0.1.0 have only the try number."""

_APP = "hitl_review"
"""Owner of audit log entries for actions that no person did."""


class Person(Protocol):
    """The user who acts: Airflow's ``BaseUser``, or the user that Airflow names."""

    def get_id(self) -> str:
        """The user's id in the auth manager."""

    def get_name(self) -> str:
        """The display name."""


def write_audit_log(
    db: Session, task_instance: TaskInstanceFacts, *, event: str, user: Person | None, extra: Mapping[str, Any]
) -> None:
    """Add an entry to Airflow's audit log, which survives clearing the XComs; no ``user`` means this app."""
    key = task_instance.key
    owner = user.get_name() if user is not None else _APP
    db.add(
        Log(
            event=event,
            owner=owner,
            owner_display_name=owner,
            extra=json.dumps({**extra, _ID: task_instance.id}),
            dag_id=key.dag_id,
            run_id=key.run_id,
            task_id=key.task_id,
            map_index=key.map_index,
            try_number=task_instance.try_number,
        )
    )


def read_last_audit_entry(
    db: Session, task_instance: TaskInstanceFacts, events: Collection[str]
) -> tuple[str, dict[str, Any]] | None:
    """Return event and ``extra`` of a task instance's last entry with one of these events, if the id matches.

    The try number does not count: a task whose worker died before it could start continues under the same id and
    the next try number, with a decision that was made before.
    """
    key = task_instance.key
    query = (
        select(Log.event, Log.extra, Log.try_number)
        .where(
            Log.event.in_(events),
            Log.dag_id == key.dag_id,
            Log.run_id == key.run_id,
            Log.task_id == key.task_id,
            Log.map_index == key.map_index,
        )
        .order_by(Log.id.desc())
        .limit(1)
    )
    row = db.execute(query).one_or_none()
    if row is None:
        return None
    extra = json.loads(row.extra or "{}")
    about = extra.get(_ID)
    is_this_one = about == task_instance.id if about is not None else row.try_number == task_instance.try_number
    return (row.event, extra) if is_this_one else None
