"""Queries on the outboxes of all task instances.

Marker rows make them cheap, see ``NextLook``: delivered events are never read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import and_, func, not_, or_, select
from sqlalchemy.orm import Session

from airflow_hitl_review.core.review import ACTIVE_STATES
from airflow_hitl_review.core.schema import WEBHOOK_PREFIX, WEBHOOKS_ENDED_KEY, WEBHOOKS_KEY
from airflow_hitl_review.core.stored import StoredValue
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.mysql import sorted_with_values
from airflow_hitl_review.server.db.xcoms import (
    delete_xcom,
    field_in,
    is_of,
    same_task,
    set_xcom_time,
    stored_value,
    values_are_in_the_row,
    write_xcom,
    xcom_times,
)


@dataclass(frozen=True)
class NextLook:
    """When the dispatcher looks at an outbox next: the timestamp of the outbox's marker row.

    Attributes:
        key: the task instance whose outbox it is.
        row: key of the marker row: ``WEBHOOKS_KEY`` while the review is open, ``WEBHOOKS_ENDED_KEY`` while events
            of an ended review are undelivered.
        at: when; whoever adds an event writes the row, and so makes it now.
    """

    key: TaskKey
    row: str
    at: datetime

    def move(self, db: Session, at: datetime) -> None:
        """Look at another time, unless somebody has written the row since it was read: they added something."""
        set_xcom_time(db, self.key, self.row, at, was=self.at)

    def end(self, db: Session) -> None:
        """Never look again, unless somebody has written the row since it was read."""
        delete_xcom(db, self.key, self.row, was=self.at)


@dataclass(frozen=True)
class OutboxRow:
    """One outbox entry's XCom."""

    key: TaskKey
    name: str
    stored: StoredValue


_AT_ONCE = datetime(2000, 1, 1, tzinfo=timezone.utc)

_MOST_OF_A_NAME = 100
"""Maximum number of XComs read for one key: an event id occurs once, unless somebody copies it."""

_task_key = (XComModel.dag_id, XComModel.run_id, XComModel.task_id, XComModel.map_index)

# A task that resumes is scheduled and queued too, but then its next_method is set.
_starts_anew = and_(TaskInstance.state.in_(("scheduled", "queued")), TaskInstance.next_method.is_(None))

_entries = sorted_with_values(select(*_task_key, XComModel.key, XComModel.value, XComModel.timestamp))

_is_outbox_entry = and_(
    # The range condition can use the index on the key, which LIKE cannot under most collations. Event ids are
    # lower-case hexadecimal, so "z" sorts after all of them in every collation.
    XComModel.key >= WEBHOOK_PREFIX,
    XComModel.key < f"{WEBHOOK_PREFIX}z",
    XComModel.key.startswith(WEBHOOK_PREFIX, autoescape=True),
)


def due_looks(db: Session, now: datetime, limit: int) -> list[NextLook]:
    """The looks that are due, longest overdue first."""
    rows = db.execute(
        select(*_task_key, XComModel.key, XComModel.timestamp)
        .where(XComModel.key.in_((WEBHOOKS_KEY, WEBHOOKS_ENDED_KEY)), XComModel.timestamp <= now)
        .order_by(XComModel.timestamp)
        .limit(limit)
    ).all()
    return [NextLook(TaskKey(*row[:4]), row[4], row[5]) for row in rows]


def next_look(db: Session, key: TaskKey) -> NextLook | None:
    """The next look at one outbox; None if there is nothing to look for."""
    times = xcom_times(db, key, (WEBHOOKS_KEY, WEBHOOKS_ENDED_KEY))
    row = next((row for row in (WEBHOOKS_KEY, WEBHOOKS_ENDED_KEY) if row in times), None)
    return NextLook(key, row, times[row]) if row is not None else None


def look_by(db: Session, key: TaskKey, at: datetime | None) -> None:
    """Look at an outbox by then, unless a look is due earlier; None means at once, if only to clean up.

    The task instance's row must be locked.
    """
    look, by = next_look(db, key), at or _AT_ONCE
    if look is not None:
        if by < look.at:
            look.move(db, by)
    elif at is not None:
        write_xcom(db, key, WEBHOOKS_ENDED_KEY, True)
        set_xcom_time(db, key, WEBHOOKS_ENDED_KEY, at)


def rows_without_worker(db: Session, limit: int) -> list[TaskKey]:
    """Task instances whose review is open in the outbox, though the task has ended or starts a new try."""
    rows = db.execute(
        select(*_task_key)
        .join(TaskInstance, same_task())
        .where(
            XComModel.key == WEBHOOKS_KEY,
            or_(TaskInstance.state.is_(None), not_(TaskInstance.state.in_(ACTIVE_STATES)), _starts_anew),
        )
        .limit(limit)
    ).all()
    return [TaskKey(*row) for row in rows]


def rows_about_to_be_cleared(db: Session) -> list[TaskKey]:
    """Task instances with undelivered events whose XComs Airflow will soon delete for a new try."""
    rows = db.execute(
        select(*_task_key)
        .join(TaskInstance, same_task())
        .where(
            XComModel.key == WEBHOOKS_ENDED_KEY,
            or_(
                TaskInstance.state.is_(None),
                TaskInstance.state.in_(("up_for_retry", "restarting")),
                _starts_anew,
            ),
        )
    ).all()
    return [TaskKey(*row) for row in rows]


def dags_with_outbox(db: Session) -> list[str]:
    """Ids of the DAGs that have an outbox entry."""
    return list(db.scalars(select(XComModel.dag_id).where(_is_outbox_entry).distinct()))


def find_outbox_entries(db: Session, name: str) -> list[OutboxRow]:
    """The XComs with that key, oldest first: the outbox entry, and any that others wrote under the same key."""
    query = _entries.where(XComModel.key == name).order_by(XComModel.timestamp).limit(_MOST_OF_A_NAME)
    return [_outbox_row(row) for row in db.execute(query).all()]


def list_outbox_entries(
    db: Session,
    *,
    dag_ids: Sequence[str],
    key: TaskKey | None,
    status: str | None,
    limit: int | None,
    offset: int,
) -> tuple[list[OutboxRow], int]:
    """List outbox entries, newest first, and their total number.

    Args:
        db: an open session.
        dag_ids: only entries of these DAGs.
        key: only entries of this task instance.
        status: only entries in this status; needs ``values_are_in_the_row()``.
        limit: maximum number of entries; None for all.
        offset: number of entries to skip.
    """
    where: list[Any] = [_is_outbox_entry, XComModel.dag_id.in_(dag_ids)]
    if key is not None:
        where.append(is_of(key))
    if status is not None:
        assert values_are_in_the_row()
        where.append(field_in(XComModel, "status") == status)
    total = db.scalar(select(func.count()).select_from(XComModel).where(*where)) or 0
    query = _entries.where(*where).order_by(XComModel.timestamp.desc(), XComModel.key).offset(offset)
    rows = db.execute(query.limit(limit) if limit is not None else query).all()
    return [_outbox_row(row) for row in rows], total


def _outbox_row(row: Any) -> OutboxRow:
    return OutboxRow(TaskKey(*row[:4]), row.key, stored_value(row))
