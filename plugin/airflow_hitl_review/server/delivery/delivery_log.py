"""Deliveries as the API shows them; resending events; testing an endpoint."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from airflow_hitl_review.core.endpoint_lookup import resolve, why_unusable
from airflow_hitl_review.core.options import WebhookSettings
from airflow_hitl_review.core.schema import TaskKey, webhook_key
from airflow_hitl_review.core.stored import UnreadableXComError
from airflow_hitl_review.core.webhook_endpoints import Webhook
from airflow_hitl_review.server.db.auth import BaseUser
from airflow_hitl_review.server.db.connections import load_connection
from airflow_hitl_review.server.db.outbox_queries import (
    OutboxRow,
    dags_with_outbox,
    find_outbox_entries,
    list_outbox_entries,
)
from airflow_hitl_review.server.db.readable_dags import readable_dags
from airflow_hitl_review.server.db.transactions import Session, site, transaction, utcnow
from airflow_hitl_review.server.db.xcoms import values_are_in_the_row
from airflow_hitl_review.server.delivery import outbox
from hitl_webhooks import (
    Attempt,
    DeliveryStatus,
    Endpoint,
    HITLWebhookError,
    InvalidEndpointError,
    OutboxEntry,
)
from hitl_webhooks.events import build_test_event
from hitl_webhooks.send.delivery import attempt, open_client

TEST_TIMEOUT = 10.0
"""Timeout of a test in seconds: somebody waits for its result."""

ListedStatus = Literal["pending", "delivered", "failed"]


class AttemptRecord(BaseModel):
    """One HTTP request: when (UTC), how long until the answer or the failure, and what came of it."""

    at: datetime
    duration_ms: int
    status_code: int | None
    error: str | None
    retry_after: float | None


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


class TestResult(BaseModel):
    """What came of a test event."""

    endpoint: str
    event_id: str
    delivered: bool
    attempt: AttemptRecord


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


def try_out(webhook: Webhook, settings: WebhookSettings) -> TestResult:
    """Send a test event to an endpoint, once, and wait for the answer.

    Raises:
        HITLWebhookError: the address or a secret cannot be used, or the connection cannot be read.
        LookupError: there is no such connection.
    """
    endpoint = _endpoint_of(webhook, settings)
    event = build_test_event(at=utcnow(), address=site().base_url)
    done = asyncio.run(_one_attempt(endpoint, event.id, event.body, settings))
    return TestResult(
        endpoint=webhook.name, event_id=event.id, delivered=done.error is None, attempt=_attempt_record(done)
    )


def _endpoint_of(webhook: Webhook, settings: WebhookSettings) -> Endpoint:
    try:
        with transaction() as db:
            return resolve(
                webhook.name,
                webhook.format,
                connection=lambda conn_id: load_connection(db, conn_id, None),
                settings=settings,
            )
    except Exception as error:
        if isinstance(error, HITLWebhookError) or type(error) is LookupError:
            raise
        # Not chained: the log would contain everything that the error quotes.
        raise InvalidEndpointError(f"{why_unusable(error)}.") from None


async def _one_attempt(endpoint: Endpoint, event_id: str, body: bytes, settings: WebhookSettings) -> Attempt:
    async with open_client(block_private_addresses=settings.block_private_addresses) as client:
        return await attempt(client, endpoint, event_id, body, timeout=TEST_TIMEOUT)


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
                log=[_attempt_record(one) for one in d.log],
            )
            for d in entry.deliveries
        ],
    )


def _attempt_record(one: Attempt) -> AttemptRecord:
    return AttemptRecord(
        at=datetime.fromisoformat(one.at),
        duration_ms=one.duration_ms,
        status_code=one.status_code,
        error=one.error,
        retry_after=one.retry_after,
    )
