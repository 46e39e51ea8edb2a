"""Deliveries as the API shows them, and resending events."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from airflow_hitl_review.core.schema import webhook_key
from airflow_hitl_review.core.stored import UnreadableXComError
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.auth import BaseUser
from airflow_hitl_review.server.db.outbox_queries import (
    OutboxRow,
    dags_with_outbox,
    find_outbox_entries,
    list_outbox_entries,
)
from airflow_hitl_review.server.db.readable_dags import readable_dags
from airflow_hitl_review.server.db.transactions import Session, utcnow
from airflow_hitl_review.server.db.xcoms import values_are_in_the_row
from airflow_hitl_review.server.delivery import outbox
from hitl_webhooks import Attempt, DeliveryStatus, OutboxEntry

ListedStatus = Literal["pending", "delivered", "failed"]


class AttemptRecord(BaseModel):
    """One HTTP request: when (UTC), how long until the answer or the failure, and what came of it."""

    at: datetime
    duration_ms: int
    status_code: int | None
    error: str | None
    retry_after: float | None

    @classmethod
    def of(cls, attempt: Attempt) -> AttemptRecord:
        """The record of an attempt."""
        return cls(
            at=datetime.fromisoformat(attempt.at),
            duration_ms=attempt.duration_ms,
            status_code=attempt.status_code,
            error=attempt.error,
            retry_after=attempt.retry_after,
        )


class EndpointRecord(BaseModel):
    """One event at one endpoint; ``log`` has the last 20 attempts, oldest first."""

    endpoint: str
    format: str | None
    status: DeliveryStatus
    attempts: int
    next_attempt_at: datetime | None
    last_error: str | None
    log: list[AttemptRecord]


class DeliveryRecord(BaseModel):
    """One event and how its delivery stands.

    ``status`` is ``pending`` while any endpoint waits for an attempt, then ``failed`` if any did not take it,
    else ``delivered``. ``iteration`` is the number of the output that the event is about.
    """

    event_id: str
    type: str
    timestamp: datetime
    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    iteration: int | None
    status: DeliveryStatus
    endpoints: list[EndpointRecord]


class DeliveryList(BaseModel):
    """A page of deliveries, and how many the filters leave in all."""

    deliveries: list[DeliveryRecord]
    total_entries: int


class EventNotFoundError(Exception):
    """No outbox has that event."""


class EndpointNotFoundError(Exception):
    """The event was not meant for that endpoint."""


def list_deliveries(
    db: Session,
    user: BaseUser,
    *,
    key: TaskKey | None,
    dag_id: str | None,
    status: ListedStatus | None,
    limit: int,
    offset: int,
) -> DeliveryList:
    """The deliveries that ``user`` may read, the newest event first."""
    if key is not None:
        dag_ids = [key.dag_id]
    else:
        dag_ids = [found for found in dags_with_outbox(db) if dag_id in (None, found)]
    dag_ids = readable_dags(db, user, dag_ids)
    if not dag_ids:
        return DeliveryList(deliveries=[], total_entries=0)
    # As in the inbox: with a custom XCom backend, SQL cannot read the status.
    in_sql = status is None or values_are_in_the_row()
    rows, total = list_outbox_entries(
        db,
        dag_ids=dag_ids,
        key=key,
        status=status if in_sql else None,
        limit=limit if in_sql else None,
        offset=offset if in_sql else 0,
    )
    found = [record for row in rows if (record := _record_of_row(row)) is not None]
    if not in_sql:
        found = [record for record in found if record.status.value == status]
        total = len(found)
        found = found[offset : offset + limit]
    return DeliveryList(deliveries=found, total_entries=total)


def find_event(db: Session, event_id: str, may: Callable[[TaskKey], bool]) -> OutboxRow:
    """Find the outbox entry of an event; if somebody wrote others with its key, one that the caller may handle.

    Args:
        db: an open session.
        event_id: the event's id.
        may: whether the caller may handle events of a task instance.

    Raises:
        EventNotFoundError: there is no such entry.
        UnreadableXComError: there may be one that cannot be read at the moment.
    """
    try:
        found = find_outbox_entries(db, webhook_key(str(uuid.UUID(event_id))))
    except ValueError:
        found = []
    entries: list[OutboxRow] = []
    unreadable: UnreadableXComError | None = None
    for row in found:
        try:
            if outbox.parse_entry(row.key, row.name, row.stored) is not None:
                entries.append(row)
        except UnreadableXComError as error:
            unreadable = error
    allowed = [row for row in entries if may(row.key)]
    if not allowed and unreadable is not None:
        raise unreadable
    if not entries:
        raise EventNotFoundError(f"There is no webhook event {event_id!r}. Its run may have been deleted.")
    return (allowed or entries)[0]


def resend(row: OutboxRow, endpoint: str | None) -> DeliveryRecord:
    """Make an event due at once, at one endpoint or at all of its endpoints.

    Raises:
        EventNotFoundError: the event was deleted in the meantime.
        EndpointNotFoundError: the event was not meant for that endpoint.
    """
    before = outbox.parse_entry(row.key, row.name, row.stored)
    if before is not None and endpoint is not None and before.delivery_to(endpoint) is None:
        known = ", ".join(delivery.endpoint for delivery in before.deliveries)
        raise EndpointNotFoundError(f"This event does not go to {endpoint!r}, but to: {known}.")
    after = outbox.send_again(row.key, before.event_id, endpoint, now=utcnow()) if before is not None else None
    if after is None:
        raise EventNotFoundError("The event was deleted, probably with its run.")
    return _record(row.key, after)


def _record_of_row(row: OutboxRow) -> DeliveryRecord | None:
    try:
        entry = outbox.parse_entry(row.key, row.name, row.stored)
        return _record(row.key, entry) if entry is not None else None
    except UnreadableXComError:  # it must not hide the others
        return None


def _record(key: TaskKey, entry: OutboxEntry) -> DeliveryRecord:
    iteration = outbox.session_of(entry).get("iteration")
    return DeliveryRecord(
        event_id=entry.event_id,
        type=entry.type,
        timestamp=datetime.fromisoformat(entry.timestamp),
        dag_id=key.dag_id,
        run_id=key.run_id,
        task_id=key.task_id,
        map_index=key.map_index,
        iteration=iteration if isinstance(iteration, int) else None,
        status=entry.status,
        endpoints=[
            EndpointRecord(
                endpoint=d.endpoint,
                format=d.format,
                status=d.status,
                attempts=d.attempts,
                next_attempt_at=d.next_attempt_at,
                last_error=d.last_error,
                log=[AttemptRecord.of(one) for one in d.log],
            )
            for d in entry.deliveries
        ],
    )
