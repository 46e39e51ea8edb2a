"""The outbox entry: what is stored comes back."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from hitl_webhooks import Attempt, DeliveryStatus, EndpointDelivery, Event, EventType, OutboxEntry
from hitl_webhooks.outbox import MAX_LOGGED_ATTEMPTS

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc)
EVENT = Event(id="some-id", type=EventType.FINALIZED, timestamp=AT, body='{"a":"é🎉\u2028"}'.encode())


def an_attempt(status_code: int | None, error: str | None = None, number: int = 0) -> Attempt:
    return Attempt(at=AT.isoformat(), duration_ms=number, status_code=status_code, error=error)


def test_new_entry_has_tried_nothing() -> None:
    entry = OutboxEntry.of(EVENT, ["one", "two"])
    assert entry.body.encode() == EVENT.body
    assert (entry.event_id, entry.type) == ("some-id", "hitl_review.finalized")
    assert datetime.fromisoformat(entry.timestamp) == AT
    assert [d.endpoint for d in entry.deliveries] == ["one", "two"]
    assert all(d.status is DeliveryStatus.PENDING and not d.attempts for d in entry.deliveries)


def test_entry_survives_json() -> None:
    entry = OutboxEntry.of(EVENT, ["one", "two", "three"])
    entry.deliveries[0].record(Attempt(AT.isoformat(), 12, 503, "answered 503", retry_after=2.5))
    entry.deliveries[0].record(an_attempt(204))
    entry.deliveries[1].record(an_attempt(410, "answered 410 Gone"))
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
def test_record(attempts: list[Attempt], status: DeliveryStatus, last_error: str | None) -> None:
    delivery = EndpointDelivery("one")
    for attempt in attempts:
        delivery.record(attempt)
    assert (delivery.status, delivery.last_error) == (status, last_error)
    assert (delivery.attempts, delivery.log) == (len(attempts), attempts)


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
def test_what_is_no_entry_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        OutboxEntry.from_json(OutboxEntry.of(EVENT, ["one"]).to_json() | change)
