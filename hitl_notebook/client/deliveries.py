"""API responses about webhooks as frozen dataclasses. Times are timezone-aware."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hitl_notebook.records import ReviewKey, read_time, read_time_or_none


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
    iteration = value.get("iteration")
    return Delivery(
        event_id=str(value["event_id"]),
        type=str(value["type"]),
        timestamp=read_time(value["timestamp"]),
        key=ReviewKey(str(value["dag_id"]), str(value["run_id"]), str(value["task_id"]), int(value["map_index"])),
        status=str(value["status"]),
        endpoints=tuple(_endpoint(item) for item in value["endpoints"]),
        iteration=int(iteration) if iteration is not None else None,
    )


def parse_webhook_test(value: dict[str, Any]) -> WebhookTest:
    """Parse the response of ``POST /webhooks/test``."""
    return WebhookTest(
        endpoint=str(value["endpoint"]),
        event_id=str(value["event_id"]),
        delivered=bool(value["delivered"]),
        attempt=_attempt(value["attempt"]),
    )


def _endpoint(value: dict[str, Any]) -> EndpointDelivery:
    return EndpointDelivery(
        endpoint=str(value["endpoint"]),
        format=_text_or_none(value["format"]),
        status=str(value["status"]),
        attempts=int(value["attempts"]),
        next_attempt_at=read_time_or_none(value["next_attempt_at"]),
        last_error=_text_or_none(value["last_error"]),
        log=tuple(_attempt(item) for item in value["log"]),
    )


def _attempt(value: dict[str, Any]) -> DeliveryAttempt:
    retry_after = value["retry_after"]
    return DeliveryAttempt(
        at=read_time(value["at"]),
        duration_ms=int(value["duration_ms"]),
        status_code=value["status_code"],
        error=_text_or_none(value["error"]),
        retry_after=float(retry_after) if retry_after is not None else None,
    )


def _text_or_none(value: Any) -> str | None:
    return str(value) if value is not None else None
