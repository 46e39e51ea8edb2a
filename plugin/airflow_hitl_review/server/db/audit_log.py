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
"""In ``extra`` of an entry; those that version 0.1.0 wrote have only the number of the try."""

_APP = "hitl_review"
"""Owner, in the audit log, of what no person has done."""


class Person(Protocol):
    """Somebody who does something: Airflow's ``BaseUser``, or who it says has done it."""

    def get_id(self) -> str:
        """As the auth manager knows them."""

    def get_name(self) -> str:
        """For people."""


def write_audit_log(
    db: Session, task_instance: TaskInstanceFacts, *, event: str, user: Person | None, extra: Mapping[str, Any]
) -> None:
    """Add an entry to Airflow's audit log; it stays when a retry clears the XComs. No ``user``: it was this app."""
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
    """Event and ``extra`` of the last of these entries about a task instance, if it is about this id of it.

    Not by the number of the try: a task whose worker died before it could start goes on under the same id and the
    next number, with a decision that was taken before.
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
