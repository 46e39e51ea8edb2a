"""The outbox entry: what was to be delivered, to whom, and how that went.

One entry per event, kept as JSON. It holds the body and all that a later delivery needs except the secret
and the address behind a connection, which are looked up again at each attempt.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from hitl_webhooks.events import Event

MAX_LOGGED_ATTEMPTS = 20


class DeliveryStatus(str, Enum):
    """State of one event at one endpoint."""

    PENDING = "pending"
    """Not delivered yet; another attempt may follow."""
    DELIVERED = "delivered"
    """The endpoint answered 2xx."""
    GONE = "gone"
    """The endpoint answered 410: nothing more is sent there for this event."""


@dataclass(frozen=True)
class Attempt:
    """One HTTP request and what came of it.

    Attributes:
        at: start of the attempt, ISO 8601 UTC.
        duration_ms: until the answer's headers were there, or until it failed; milliseconds.
        status_code: HTTP status, or None where no answer came.
        error: why it did not count as delivered, in words; None if it did.
        retry_after: seconds that the endpoint asked us to wait (429 and 503 only).
    """

    at: str
    duration_ms: int
    status_code: int | None = None
    error: str | None = None
    retry_after: float | None = None


@dataclass
class EndpointDelivery:
    """One event at one endpoint.

    Attributes:
        endpoint: the connection id, or the URL for an endpoint given as one.
        attempts: how often it was tried.
        log: the last ``MAX_LOGGED_ATTEMPTS`` attempts, oldest first.
        last_error: in words; None once delivered.
    """

    endpoint: str
    status: DeliveryStatus = DeliveryStatus.PENDING
    attempts: int = 0
    last_error: str | None = None
    log: list[Attempt] = field(default_factory=list)

    def record(self, attempt: Attempt) -> None:
        """Note an attempt and what it means for the delivery."""
        self.attempts += 1
        self.log = [*self.log, attempt][-MAX_LOGGED_ATTEMPTS:]
        self.last_error = attempt.error
        if attempt.error is None:
            self.status = DeliveryStatus.DELIVERED
        elif attempt.status_code == 410:
            self.status = DeliveryStatus.GONE


@dataclass
class OutboxEntry:
    """One event and its deliveries, in the shape that is stored."""

    event_id: str
    type: str
    timestamp: str
    body: str
    deliveries: list[EndpointDelivery]

    @classmethod
    def of(cls, event: Event, endpoints: list[str]) -> OutboxEntry:
        """A new entry: nothing tried yet."""
        return cls(
            event_id=event.id,
            type=event.type.value,
            timestamp=event.timestamp.isoformat(),
            body=event.body.decode(),
            deliveries=[EndpointDelivery(endpoint=name) for name in endpoints],
        )

    def to_json(self) -> dict[str, Any]:
        """The entry as plain JSON values."""
        value = asdict(self)
        for delivery in value["deliveries"]:
            delivery["status"] = delivery["status"].value
        return value

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> OutboxEntry:
        """Read what ``to_json`` wrote.

        Raises:
            KeyError, TypeError, ValueError: ``value`` is not an outbox entry.
        """
        deliveries = [
            EndpointDelivery(
                endpoint=d["endpoint"],
                status=DeliveryStatus(d["status"]),
                attempts=d["attempts"],
                last_error=d["last_error"],
                log=[Attempt(**a) for a in d["log"]],
            )
            for d in value["deliveries"]
        ]
        return cls(
            event_id=value["event_id"],
            type=value["type"],
            timestamp=value["timestamp"],
            body=value["body"],
            deliveries=deliveries,
        )
