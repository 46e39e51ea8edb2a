"""Outbox entries: state, retries and storage."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from hitl_webhooks import Attempt, DeliveryStatus, EndpointDelivery, Event, EventType, OutboxEntry
from hitl_webhooks.send.outbox import MAX_LOGGED_ATTEMPTS
from hitl_webhooks.send.schedule import STANDARD_WAITS, RetrySchedule

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc)
EVENT = Event(id="some-id", type=EventType.FINALIZED, timestamp=AT, body='{"a":"é🎉\u2028"}'.encode())


def an_attempt(status_code: int | None, error: str | None = None, number: int = 0) -> Attempt:
    return Attempt(at=AT.isoformat(), duration_ms=number, status_code=status_code, error=error)


def test_new_entry_has_no_attempts() -> None:
    entry = OutboxEntry.of(EVENT, [("one", None), ("two", "slack")])
    assert entry.body.encode() == EVENT.body
    assert (entry.event_id, entry.type) == ("some-id", "hitl_review.finalized")
    assert datetime.fromisoformat(entry.timestamp) == AT
    assert [d.endpoint for d in entry.deliveries] == ["one", "two"]
    assert [d.format for d in entry.deliveries] == [None, "slack"]
    assert all(d.status is DeliveryStatus.PENDING and not d.attempts for d in entry.deliveries)


def test_entry_survives_json() -> None:
    entry = OutboxEntry.of(EVENT, [("one", None), ("two", None), ("three", None)])
    entry.deliveries[0].record(Attempt(AT.isoformat(), 12, 503, "answered 503", retry_after=2.5))
    entry.deliveries[0].record(an_attempt(204))
    entry.deliveries[1].record(an_attempt(410, "answered 410 Gone"))
    entry.deliveries[2].claim(AT)
    stored = json.dumps(entry.to_json(), allow_nan=False)
    again = OutboxEntry.from_json(json.loads(stored))
    assert again == entry
    assert [d.status for d in again.deliveries] == list(map(DeliveryStatus, ("delivered", "gone", "pending")))
    assert again.body.encode() == EVENT.body


@pytest.mark.parametrize(
    ("attempts", "status", "last_error"),
    [
        ([an_attempt(200)], DeliveryStatus.DELIVERED, None),
        ([an_attempt(500, "bad"), an_attempt(204)], DeliveryStatus.DELIVERED, None),
        ([an_attempt(500, "bad"), an_attempt(None, "worse")], DeliveryStatus.PENDING, "worse"),
        ([an_attempt(500, "bad"), an_attempt(410, "gone")], DeliveryStatus.GONE, "gone"),
        ([an_attempt(404, "no")], DeliveryStatus.PENDING, "no"),
    ],
)
def test_record_attempts(attempts: list[Attempt], status: DeliveryStatus, last_error: str | None) -> None:
    delivery = EndpointDelivery("one")
    for attempt in attempts:
        delivery.record(attempt)
    assert (delivery.status, delivery.last_error) == (status, last_error)
    assert (delivery.attempts, delivery.log) == (len(attempts), attempts)


def test_claim_is_exclusive_until_it_expires() -> None:
    delivery = EndpointDelivery("one")
    assert delivery.is_due(AT)
    delivery.claim(AT + timedelta(seconds=30))
    assert not delivery.is_due(AT + timedelta(seconds=29.9))
    assert delivery.is_due(AT + timedelta(seconds=30))
    delivery.record(an_attempt(204))
    assert not delivery.is_due(AT + timedelta(days=9))


def test_late_failure_does_not_undo_a_delivery() -> None:
    """Two concurrent senders: the claim of the slower one had expired."""
    delivery = EndpointDelivery("one")
    for attempt in (an_attempt(204), an_attempt(500, "bad"), an_attempt(410, "gone")):
        delivery.record(attempt)
        delivery.schedule_next(AT, RetrySchedule())
    assert (delivery.status, delivery.last_error, delivery.next_attempt_at) == (
        DeliveryStatus.DELIVERED,
        None,
        None,
    )
    assert delivery.attempts == 3


def test_retry_schedule() -> None:
    """The waits of Standard Webhooks with jitter; then it is given up until it is resent."""
    delivery, now, waits = EndpointDelivery("one"), AT, []
    while delivery.status is DeliveryStatus.PENDING:
        delivery.record(an_attempt(500, "bad"))
        delivery.schedule_next(now, RetrySchedule())
        if delivery.next_attempt_at is not None:
            waits.append((delivery.next_attempt_at - now).total_seconds())
            now = delivery.next_attempt_at
    assert len(waits) == len(STANDARD_WAITS) == 9
    for wait, scheduled in zip(waits, STANDARD_WAITS, strict=True):
        assert 0.9 * scheduled <= wait <= 1.1 * scheduled
    assert len({wait / scheduled for wait, scheduled in zip(waits, STANDARD_WAITS, strict=True)}) > 1
    assert (delivery.status, delivery.attempts, delivery.last_error) == (DeliveryStatus.FAILED, 10, "bad")
    delivery.send_again(now)
    assert delivery.is_due(now)
    delivery.record(an_attempt(500, "bad"))
    delivery.schedule_next(now, RetrySchedule(jitter=0))
    assert delivery.next_attempt_at == now + timedelta(seconds=5)


@pytest.mark.parametrize(("retry_after", "wait"), [(None, 5), (2, 5), (120, 120), (10**9, 86400)])
def test_retry_after_extends_the_wait(retry_after: float | None, wait: float) -> None:
    assert RetrySchedule(jitter=0).wait(0, retry_after) == timedelta(seconds=wait)


def test_parse_retry_schedule() -> None:
    assert RetrySchedule.parse(" 5, 0.5 ,60").waits == (5, 0.5, 60)
    assert RetrySchedule.parse("").wait(0) is None


@pytest.mark.parametrize("text", ["5; 6", "soon", "0", "-1", "nan", "inf"])
def test_invalid_retry_schedule(text: str) -> None:
    with pytest.raises(ValueError, match="list of seconds"):
        RetrySchedule.parse(text)


def test_status_of_an_entry() -> None:
    entry = OutboxEntry.of(EVENT, [("one", None), ("two", None)])
    one, two = entry.deliveries
    two.claim(AT)
    assert entry.next_attempt_at is not None
    assert entry.next_attempt_at < AT
    one.record(an_attempt(204))
    stored = entry.to_json()
    assert (stored["status"], entry.next_attempt_at) == ("pending", AT)
    two.record(an_attempt(410, "gone"))
    assert entry.next_attempt_at is None
    assert entry.to_json()["status"] == "failed"
    two.send_again(AT)
    two.record(an_attempt(200))
    assert entry.status is DeliveryStatus.DELIVERED


def test_error_is_truncated() -> None:
    delivery = EndpointDelivery("one")
    delivery.record(an_attempt(500, "x" * 90_000))
    assert delivery.last_error == delivery.log[0].error == "x" * 300


def test_log_keeps_the_last_attempts_but_counts_all() -> None:
    delivery = EndpointDelivery("one")
    for number in range(MAX_LOGGED_ATTEMPTS + 5):
        delivery.record(an_attempt(500, "bad", number))
    assert delivery.attempts == MAX_LOGGED_ATTEMPTS + 5
    assert [a.duration_ms for a in delivery.log] == list(range(5, MAX_LOGGED_ATTEMPTS + 5))


@pytest.mark.parametrize(
    "change",
    [
        {"deliveries": [{}]},
        {"deliveries": None},
        {"deliveries": [EndpointDelivery("one").__dict__ | {"status": "unknown"}]},
        {"deliveries": [EndpointDelivery("one").__dict__ | {"log": [{"unknown": 1}]}]},
    ],
)
def test_invalid_entry_is_rejected(change: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        OutboxEntry.from_json(OutboxEntry.of(EVENT, [("one", None)]).to_json() | change)
