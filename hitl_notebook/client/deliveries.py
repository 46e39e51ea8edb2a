"""API responses about webhooks as frozen dataclasses. Times are timezone-aware."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from hitl_notebook.records import ReviewKey, parse_keyed


@dataclass(frozen=True)
class DeliveryAttempt:
    """One request to an endpoint.

    Attributes:
        at: when it started.
        status_code: HTTP status, or None if there was no response.
        error: message why the attempt failed; None if it succeeded.
        retry_after: ``Retry-After`` of the endpoint, in seconds.
    """

    at: datetime
    duration_ms: int
    status_code: int | None
    error: str | None
    retry_after: float | None


@dataclass(frozen=True)
class EndpointDelivery:
    """Delivery of one event to one endpoint.

    Attributes:
        endpoint: the connection id, or the URL of an endpoint given as a URL.
        format: ``"standard"``, ``"cloudevents"`` or ``"slack"``; None until it is known; a connection
            may define it.
        status: ``"pending"``, ``"delivered"``, ``"gone"`` (the endpoint returned 410) or ``"failed"`` (given up).
        attempts: number of attempts.
        next_attempt_at: time of the next attempt; None if there is none.
        last_error: message why the last attempt failed; None if it succeeded.
        log: the latest attempts, oldest first.
    """

    endpoint: str
    format: str | None
    status: str
    attempts: int
    next_attempt_at: datetime | None
    last_error: str | None
    log: tuple[DeliveryAttempt, ...]


@dataclass(frozen=True)
class Delivery:
    """One webhook event and its deliveries.

    Attributes:
        event_id: never changes, even if the event is resent: receivers detect duplicates by it.
        type: ``"hitl_review.output_ready"``, ``"hitl_review.changes_requested"`` or
            ``"hitl_review.finalized"``.
        timestamp: when it happened.
        key: the review of the event.
        status: ``"pending"`` while any endpoint is; else ``"failed"`` if one failed or is gone; else
            ``"delivered"``.
        iteration: number of the output; None if the server does not say.
    """

    event_id: str
    type: str
    timestamp: datetime
    key: ReviewKey
    status: str
    endpoints: tuple[EndpointDelivery, ...]
    iteration: int | None = None


@dataclass(frozen=True)
class DeliveryPage:
    """One page of webhook events, newest first, and the total count."""

    deliveries: tuple[Delivery, ...]
    total_entries: int

    def __iter__(self) -> Iterator[Delivery]:
        return iter(self.deliveries)

    def __len__(self) -> int:
        return len(self.deliveries)


@dataclass(frozen=True)
class WebhookTest:
    """Result of a test event: it is sent once and not retried."""

    endpoint: str
    event_id: str
    delivered: bool
    attempt: DeliveryAttempt


def parse_delivery_page(value: dict[str, Any]) -> DeliveryPage:
    """Parse the response of ``GET /deliveries``."""
    return DeliveryPage(tuple(parse_delivery(item) for item in value["deliveries"]), int(value["total_entries"]))


def parse_delivery(value: dict[str, Any]) -> Delivery:
    """Parse one event with its endpoints."""
    return parse_keyed(value, Delivery)


def parse_webhook_test(value: dict[str, Any]) -> WebhookTest:
    """Parse the response of ``POST /webhooks/test``."""
    return msgspec.convert(value, WebhookTest)
