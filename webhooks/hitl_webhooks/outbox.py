"""The outbox entry: what was to be delivered, to whom, and how that went.

One entry per event, kept as JSON. It holds the body and all that a later delivery needs except the secret
and the address behind a connection, which are looked up again at each attempt.

Whoever is about to send moves ``next_attempt_at`` into the future first: that is a claim. If the sender dies,
the time comes and another one sends; so an event can arrive twice, and none is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from enum import Enum
from typing import Any, TypeVar

from hitl_webhooks.events import Event
from hitl_webhooks.schedule import RetrySchedule

_T = TypeVar("_T")

MAX_LOGGED_ATTEMPTS = 20

MAX_ERROR_LENGTH = 300
"""Characters kept of an error: the other side writes part of it, and it is stored with each attempt."""


class DeliveryStatus(str, Enum):
    """State of one event at one endpoint, or at all of them."""

    PENDING = "pending"
    """Not delivered yet; another attempt follows."""
    DELIVERED = "delivered"
    """The endpoint answered 2xx."""
    GONE = "gone"
    """The endpoint answered 410: nothing more is sent there for this event."""
    FAILED = "failed"
    """Given up: no attempt of the schedule was accepted."""


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
        format: name of the body's format; None until it is known, which a connection may decide.
        attempts: how often it was tried.
        step: how many waits of the schedule are used up.
        next_attempt_at: not before then; only while pending. Also the end of a claim.
        last_error: in words; None once delivered.
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
        """Whether an attempt is to be made now."""
        return self.status is DeliveryStatus.PENDING and (
            self.next_attempt_at is None or self.next_attempt_at <= now
        )

    def claim(self, until: datetime) -> None:
        """Keep others from sending until then."""
        self.next_attempt_at = until

    def record(self, attempt: Attempt) -> None:
        """Note an attempt and what it means."""
        if attempt.error is not None:
            attempt = replace(attempt, error=attempt.error[:MAX_ERROR_LENGTH])
        self.attempts += 1
        self.log = [*self.log, attempt][-MAX_LOGGED_ATTEMPTS:]
        if attempt.error is None:
            self.status = DeliveryStatus.DELIVERED
        elif attempt.status_code == 410 and self.status is DeliveryStatus.PENDING:
            self.status = DeliveryStatus.GONE
        if self.status is DeliveryStatus.DELIVERED:
            # Also where another sender, whose claim had run out, failed after this one had succeeded.
            self.last_error = None
        else:
            self.last_error = attempt.error
        if self.status is not DeliveryStatus.PENDING:
            self.next_attempt_at = None

    def schedule_next(self, now: datetime, schedule: RetrySchedule) -> None:
        """After an attempt that failed: when the next one is made, or that none is."""
        if self.status is not DeliveryStatus.PENDING:
            return
        wait = schedule.wait(self.step, self.log[-1].retry_after if self.log else None)
        self.step += 1
        if wait is None:
            self.status, self.next_attempt_at = DeliveryStatus.FAILED, None
        else:
            self.next_attempt_at = now + wait

    def send_again(self, now: datetime) -> None:
        """Make it due at once, whatever came of it before; the schedule starts over."""
        self.status, self.step, self.next_attempt_at = DeliveryStatus.PENDING, 0, now


@dataclass
class OutboxEntry:
    """One event and its deliveries, in the shape that is stored."""

    event_id: str
    type: str
    timestamp: str
    body: str
    deliveries: list[EndpointDelivery]

    @classmethod
    def of(cls, event: Event, endpoints: Sequence[tuple[str, str | None]]) -> OutboxEntry:
        """A new entry for endpoints given as name and format: nothing tried yet, all due."""
        return cls(
            event_id=event.id,
            type=event.type.value,
            timestamp=event.timestamp.isoformat(),
            body=event.body.decode(),
            deliveries=[EndpointDelivery(endpoint=name, format=format_) for name, format_ in endpoints],
        )

    @property
    def status(self) -> DeliveryStatus:
        """Pending while any endpoint is; then failed if any did not take it; else delivered."""
        found = {delivery.status for delivery in self.deliveries}
        if DeliveryStatus.PENDING in found:
            return DeliveryStatus.PENDING
        return DeliveryStatus.DELIVERED if found <= {DeliveryStatus.DELIVERED} else DeliveryStatus.FAILED

    @property
    def next_attempt_at(self) -> datetime | None:
        """The earliest time at which something is to be done; None if nothing is."""
        pending = [d for d in self.deliveries if d.status is DeliveryStatus.PENDING]
        if not pending:
            return None
        return min(d.next_attempt_at or datetime.min.replace(tzinfo=timezone.utc) for d in pending)

    def delivery_to(self, endpoint: str) -> EndpointDelivery | None:
        """The delivery to an endpoint, by its name."""
        return next((d for d in self.deliveries if d.endpoint == endpoint), None)

    def to_json(self) -> dict[str, Any]:
        """The entry as plain JSON values; ``status`` is there for those who search."""
        value = asdict(self) | {"status": self.status.value}
        for delivery in value["deliveries"]:
            delivery["status"] = delivery["status"].value
            at = delivery["next_attempt_at"]
            delivery["next_attempt_at"] = at.isoformat() if at else None
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> OutboxEntry:
        """Read what ``to_json`` wrote, or what somebody wrote in its place: times without an offset are UTC.

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
    # By name: a later version may know more of an attempt.
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
    return value.encode("utf-8", "replace").decode()  # as in a body: a lone surrogate becomes a question mark


def _number(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"not a whole number: {value!r}")
    return value


def _seconds(value: object) -> float:
    if not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise ValueError(f"no seconds: {value!r}")
    return value


def _time(value: object) -> datetime:
    at = datetime.fromisoformat(_text(value))
    try:
        return at.astimezone(timezone.utc) if at.tzinfo else at.replace(tzinfo=timezone.utc)
    except OverflowError:
        raise ValueError(f"not in UTC: {value!r}") from None
