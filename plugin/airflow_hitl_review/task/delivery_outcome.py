"""What came of an event's first delivery attempts: for the task's log, and for Airflow's metrics."""

from __future__ import annotations

import logging
from datetime import datetime

from airflow_hitl_review.core.airflow_sdk import stats
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.core.telemetry import count_attempt
from airflow_hitl_review.task.task_xcoms import utcnow
from hitl_webhooks import DeliveryStatus, EndpointDelivery, Event, OutboxEntry

log = logging.getLogger(__name__)


def tell_outcome(event: Event, entry: OutboxEntry, key: TaskKey) -> None:
    """Log what came of each endpoint's attempts, and count them.

    Args:
        event: the event.
        entry: its deliveries.
        key: the task instance.
    """
    for delivery in entry.deliveries:
        _log_outcome(event, delivery)
        if delivery.attempts:
            since = utcnow() - datetime.fromisoformat(entry.timestamp)
            count_attempt(stats(), key, delivery.status, since)


def _log_outcome(event: Event, delivery: EndpointDelivery) -> None:
    if delivery.status is DeliveryStatus.DELIVERED:
        log.info("Delivered %s to %r.", event.type.value, delivery.endpoint)
    elif not delivery.attempts:
        log.info("%s goes to %r from the API server.", event.type.value, delivery.endpoint)
    else:
        log.warning(
            "%s was not delivered to %r after %d attempts: %s. %s",
            event.type.value,
            delivery.endpoint,
            delivery.attempts,
            delivery.last_error,
            f"The API server tries again from {delivery.next_attempt_at:%Y-%m-%d %H:%M:%S} UTC."
            if delivery.next_attempt_at
            else "It is not retried automatically.",
        )
