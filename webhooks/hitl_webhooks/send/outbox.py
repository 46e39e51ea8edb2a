"""The outbox entry: an event, its endpoints, and the delivery results.

One entry per event, stored as JSON. It contains the body and everything that a later delivery needs except
the secret and the URL of a connection, which are looked up again at each attempt.

A sender first moves ``next_attempt_at`` into the future: that is a claim. If the sender dies, the claim
expires and another one sends; so an event can arrive twice, but none is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from enum import Enum
from typing import Any, TypeVar

from hitl_webhooks.events import Event
from hitl_webhooks.send.schedule import RetrySchedule

_T = TypeVar("_T")

MAX_LOGGED_ATTEMPTS = 20

MAX_ERROR_LENGTH = 300
"""Maximum length of an error: the endpoint writes part of it, and it is stored with each attempt."""


class DeliveryStatus(str, Enum):
    """Delivery status of one event at one endpoint, or at all of them."""

    PENDING = "pending"
    """Not delivered yet; another attempt follows."""
    DELIVERED = "delivered"
    """The endpoint returned 2xx."""
    GONE = "gone"
    """The endpoint returned 410: this event is not sent there again."""
    FAILED = "failed"
    """Given up: all attempts of the schedule failed."""


@dataclass(frozen=True)
class Attempt:
    """One HTTP request and its result.

    Attributes:
        at: start of the attempt, ISO 8601 UTC.
        duration_ms: milliseconds until the response headers arrived, or until it failed.
        status_code: HTTP status, or None if there was no response.
        error: message why the attempt failed; None if it succeeded.
        retry_after: ``Retry-After`` of the endpoint in seconds (429 and 503 only).
    """

    at: str
    duration_ms: int
    status_code: int | None = None
    error: str | None = None
    retry_after: float | None = None


@dataclass
class EndpointDelivery:
    """Delivery of one event to one endpoint.

    Attributes:
        endpoint: the connection id, or the URL for an endpoint given as one.
        format: name of the body's format; None until it is known; a connection may define it.
        attempts: number of attempts.
        step: number of waits of the schedule used up.
        next_attempt_at: earliest time of the next attempt; only while pending. Also the end of a claim.
        last_error: message of the last error; None once delivered.
        log: the last ``MAX_LOGGED_ATTEMPTS`` attempts, oldest first.
    """

    endpoint: str
    format: str | None = None
    status: DeliveryStatus = DeliveryStatus.PENDING
    attempts: int = 0
    step: int = 0
    next_attempt_at: datetime | None = None
    last_error: str | None = None
    log: list[Attempt] = field(default_factory=list)

    def is_due(self, now: datetime) -> bool:
        """Whether an attempt is due now."""
        return self.status is DeliveryStatus.PENDING and (
            self.next_attempt_at is None or self.next_attempt_at <= now
        )

    def claim(self, until: datetime) -> None:
        """Prevent others from sending until then."""
        self.next_attempt_at = until

    def record(self, attempt: Attempt) -> None:
        """Record an attempt and update the status."""
        if attempt.error is not None:
            attempt = replace(attempt, error=attempt.error[:MAX_ERROR_LENGTH])
        self.attempts += 1
        self.log = [*self.log, attempt][-MAX_LOGGED_ATTEMPTS:]
        if attempt.error is None:
            self.status = DeliveryStatus.DELIVERED
        elif attempt.status_code == 410 and self.status is DeliveryStatus.PENDING:
            self.status = DeliveryStatus.GONE
        if self.status is DeliveryStatus.DELIVERED:
            # Also if another sender, whose claim had expired, failed after this one succeeded.
            self.last_error = None
        else:
            self.last_error = attempt.error
        if self.status is not DeliveryStatus.PENDING:
            self.next_attempt_at = None

    def schedule_next(self, now: datetime, schedule: RetrySchedule) -> None:
        """Schedule the next attempt after a failed one, or give up."""
        if self.status is not DeliveryStatus.PENDING:
            return
        wait = schedule.wait(self.step, self.log[-1].retry_after if self.log else None)
        self.step += 1
        if wait is None:
            self.status, self.next_attempt_at = DeliveryStatus.FAILED, None
        else:
            self.next_attempt_at = now + wait

    def send_again(self, now: datetime) -> None:
        """Make it due at once, whatever its status; the schedule restarts."""
        self.status, self.step, self.next_attempt_at = DeliveryStatus.PENDING, 0, now


@dataclass
class OutboxEntry:
    """One event and its deliveries, as stored."""

    event_id: str
    type: str
    timestamp: str
    body: str
    deliveries: list[EndpointDelivery]

    @classmethod
    def of(cls, event: Event, endpoints: Sequence[tuple[str, str | None]]) -> OutboxEntry:
        """Create an entry for endpoints given as name and format: no attempts yet, all due."""
        return cls(
            event_id=event.id,
            type=event.type.value,
            timestamp=event.timestamp.isoformat(),
            body=event.body.decode(),
            deliveries=[EndpointDelivery(endpoint=name, format=format_) for name, format_ in endpoints],
        )

    @property
    def status(self) -> DeliveryStatus:
        """Overall status: pending while any endpoint is; then failed if any did not accept it; else delivered."""
        found = {delivery.status for delivery in self.deliveries}
        if DeliveryStatus.PENDING in found:
            return DeliveryStatus.PENDING
        return DeliveryStatus.DELIVERED if found <= {DeliveryStatus.DELIVERED} else DeliveryStatus.FAILED

    @property
    def next_attempt_at(self) -> datetime | None:
        """The earliest time of a next attempt; None if there is none."""
        pending = [d for d in self.deliveries if d.status is DeliveryStatus.PENDING]
        if not pending:
            return None
        return min(d.next_attempt_at or datetime.min.replace(tzinfo=timezone.utc) for d in pending)

    def delivery_to(self, endpoint: str) -> EndpointDelivery | None:
        """Return the delivery to an endpoint, by its name."""
        return next((d for d in self.deliveries if d.endpoint == endpoint), None)

    def to_json(self) -> dict[str, Any]:
        """Return the entry as plain JSON values; ``status`` is included for searching."""
        value = asdict(self) | {"status": self.status.value}
        for delivery in value["deliveries"]:
            delivery["status"] = delivery["status"].value
            at = delivery["next_attempt_at"]
            delivery["next_attempt_at"] = at.isoformat() if at else None
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> OutboxEntry:
        """Parse the output of ``to_json``, possibly edited by hand: times without an offset are UTC.

        Raises:
            KeyError, TypeError, ValueError: ``value`` is not an outbox entry.
        """
        return cls(
            event_id=_text(value["event_id"]),
            type=_text(value["type"]),
            timestamp=_time(value["timestamp"]).isoformat(),
            body=_text(value["body"]),
            deliveries=[_delivery(delivery) for delivery in value["deliveries"]],
        )


def _delivery(value: Mapping[str, Any]) -> EndpointDelivery:
    return EndpointDelivery(
        endpoint=_text(value["endpoint"]),
        format=_if_there(_text, value["format"]),
        status=DeliveryStatus(value["status"]),
        attempts=_number(value["attempts"]),
        step=_number(value["step"]),
        next_attempt_at=_if_there(_time, value["next_attempt_at"]),
        last_error=_if_there(_text, value["last_error"]),
        log=[_attempt(attempt) for attempt in value["log"]],
    )


def _attempt(value: Mapping[str, Any]) -> Attempt:
    # By name: a later version may store more fields.
    return Attempt(
        at=_time(value["at"]).isoformat(),
        duration_ms=_number(value["duration_ms"]),
        status_code=_if_there(_number, value["status_code"]),
        error=_if_there(_text, value["error"]),
        retry_after=_if_there(_seconds, value["retry_after"]),
    )


def _if_there(read: Callable[[object], _T], value: object) -> _T | None:
    return read(value) if value is not None else None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"not a text: {value!r}")
    return value.encode("utf-8", "replace").decode()  # as in a body: replace lone surrogates with question marks


def _number(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"not a whole number: {value!r}")
    return value


def _seconds(value: object) -> float:
    if not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise ValueError(f"not a number of seconds: {value!r}")
    return value


def _time(value: object) -> datetime:
    at = datetime.fromisoformat(_text(value))
    try:
        return at.astimezone(timezone.utc) if at.tzinfo else at.replace(tzinfo=timezone.utc)
    except OverflowError:
        raise ValueError(f"not in UTC: {value!r}") from None
