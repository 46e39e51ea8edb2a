"""The API server's operations on the outbox: claim due deliveries, record the results.

Each function is one short transaction that locks the task instance, so several API servers can work in parallel.
Between claim and record, a process holds only the claim, which expires.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from airflow_hitl_review.core.schema import WEBHOOK_PREFIX, WEBHOOKS_ENDED_KEY, WEBHOOKS_KEY, webhook_key
from airflow_hitl_review.core.stored import StoredValue
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.core.telemetry import count_attempt
from airflow_hitl_review.server.db.outbox_queries import NextLook, look_by
from airflow_hitl_review.server.db.stats import stats
from airflow_hitl_review.server.db.task_instances import load_task_instance
from airflow_hitl_review.server.db.transactions import Session, transaction
from airflow_hitl_review.server.db.xcoms import read_xcoms, rewrite_xcom, xcom_times
from hitl_webhooks import Attempt, DeliveryStatus, EndpointDelivery, OutboxEntry
from hitl_webhooks.send.schedule import RetrySchedule

log = logging.getLogger(__name__)

WORKER_INTERVAL = timedelta(seconds=30)
"""Pause between looks while a worker runs: it may be killed between two of its steps."""

IDLE_INTERVAL = timedelta(days=1)
"""Pause between looks when nothing is due and no worker runs: whoever adds an event also sets the next look."""

UNREADABLE_INTERVAL = timedelta(seconds=10)
"""Pause between looks when an entry is temporarily unreadable."""

Admit = Callable[[str, "str | None", datetime], "datetime | None"]
"""Takes an endpoint's name, its format, and the time; returns None to send now, or the time to wait until."""


@dataclass(frozen=True)
class Claimed:
    """One delivery that this process is to attempt now.

    Attributes:
        until: when the claim expires; then another process may attempt it.
    """

    key: TaskKey
    event_id: str
    body: bytes
    endpoint: str
    format: str | None
    until: datetime


def parse_entry(key: TaskKey, name: str, stored: StoredValue) -> OutboxEntry | None:
    """Parse an outbox entry; an invalid one, or one about another task instance, is logged and ignored.

    Otherwise, anybody who may write XComs of one DAG could make us sign an event about another one.

    Raises:
        UnreadableXComError: it cannot be read at the moment.
    """
    try:
        entry = OutboxEntry.from_json(stored.value)
        about = session_of(entry)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        log.warning("XCom %r of %s is not an outbox entry (%r): ignored.", name, key, error)
        return None
    named = tuple(about.get(part) for part in ("dag_id", "run_id", "task_id", "map_index"))
    if name != webhook_key(entry.event_id) or named != (key.dag_id, key.run_id, key.task_id, key.map_index):
        log.warning("XCom %r of %s is an outbox entry about something else: ignored.", name, key)
        return None
    return entry


def session_of(entry: OutboxEntry) -> dict[str, Any]:
    """The session in an entry's body; empty if it has none.

    Raises:
        ValueError: the body is not an event.
    """
    body = json.loads(entry.body)
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict):
        raise ValueError("the body has no data")
    session = data.get("session")
    return session if isinstance(session, dict) else {}


def claim_due(due: NextLook, *, now: datetime, lease: timedelta, admit: Admit) -> list[Claimed]:
    """Claim the due deliveries of one outbox, and set the time of the next look.

    Args:
        due: the look that is due.
        now: the current time.
        lease: how long a claim lasts.
        admit: whether an endpoint can take one more message now.
    """
    key = due.key
    with transaction() as db:
        task_instance = load_task_instance(db, key, lock=True)
        look = _still_due(db, due, now) if task_instance is not None else None
        if task_instance is None or look is None:
            return []  # deleted, or another API server was here first
        claimed: list[Claimed] = []
        found = _read_entries(db, key)
        looks = [now + UNREADABLE_INTERVAL] if found.unreadable else []
        for entry, _ in found.entries:
            before = len(claimed)
            for delivery in entry.deliveries:
                if delivery.status is not DeliveryStatus.PENDING:
                    continue
                if not delivery.is_due(now):
                    looks.append(delivery.next_attempt_at or now)
                elif (wait_until := admit(delivery.endpoint, delivery.format, now)) is not None:
                    looks.append(wait_until)  # only the marker row changes, not the entry
                else:
                    delivery.claim(now + lease)
                    looks.append(now + lease)
                    body = entry.body.encode()
                    one = Claimed(key, entry.event_id, body, delivery.endpoint, delivery.format, now + lease)
                    claimed.append(one)
            if len(claimed) > before:
                rewrite_xcom(db, key, webhook_key(entry.event_id), entry.to_json())
        if looks or look.row == WEBHOOKS_KEY:
            if look.row == WEBHOOKS_KEY:
                looks.append(now + (WORKER_INTERVAL if task_instance.state == "running" else IDLE_INTERVAL))
            look.move(db, min(looks))
        else:
            look.end(db)
        return claimed


def put_look_off(look: NextLook, now: datetime, until: datetime) -> None:
    """Postpone an outbox that cannot be processed, so that it does not block the others."""
    with transaction() as db:
        load_task_instance(db, look.key, lock=True)
        if (still := _still_due(db, look, now)) is not None:
            still.move(db, until)


def _still_due(db: Session, look: NextLook, now: datetime) -> NextLook | None:
    """The look as it is stored now, which a worker may have moved since; None if it is not due any more."""
    at = xcom_times(db, look.key, (look.row,)).get(look.row)
    return replace(look, at=at) if at is not None and at <= now else None


def record(
    claimed: Claimed, attempt: Attempt, format_: str | None, *, schedule: RetrySchedule, now: datetime
) -> None:
    """Record an attempt; does nothing if the run was deleted in the meantime.

    Args:
        claimed: the attempted delivery.
        attempt: the result.
        format_: the format that was used, now that it is known.
        schedule: when to retry.
        now: the current time.
    """

    def change(delivery: EndpointDelivery) -> None:
        delivery.format = format_ or delivery.format
        delivery.record(attempt)
        delivery.schedule_next(now, schedule)

    entry = _change(claimed.key, claimed.event_id, claimed.endpoint, change)
    delivery = entry.delivery_to(claimed.endpoint) if entry is not None else None
    if entry is not None and delivery is not None:
        since = now - datetime.fromisoformat(entry.timestamp)
        count_attempt(stats(), claimed.key, delivery.status, since)


def put_off(claimed: Claimed, until: datetime, format_: str | None) -> None:
    """Release a claim unused, to be retried at ``until``; ``format_`` is as for ``record``."""

    def change(delivery: EndpointDelivery) -> None:
        delivery.format = format_ or delivery.format
        delivery.claim(until)

    _change(claimed.key, claimed.event_id, claimed.endpoint, change)


def send_again(key: TaskKey, event_id: str, endpoint: str | None, *, now: datetime) -> OutboxEntry | None:
    """Make an event due at once, at one endpoint or at all of them; None if it no longer exists."""
    return _change(key, event_id, endpoint, lambda delivery: delivery.send_again(now))


def _change(
    key: TaskKey, event_id: str, endpoint: str | None, change: Callable[[EndpointDelivery], None]
) -> OutboxEntry | None:
    """Change the deliveries of one entry, and schedule the next look at its outbox."""
    name = webhook_key(event_id)
    with transaction() as db:
        if load_task_instance(db, key, lock=True) is None:
            return None
        stored = read_xcoms(db, key, name).get(name)
        entry = parse_entry(key, name, stored) if stored is not None else None
        if entry is None:
            return None
        for delivery in entry.deliveries:
            if endpoint is None or delivery.endpoint == endpoint:
                change(delivery)
        rewrite_xcom(db, key, name, entry.to_json())
        look_by(db, key, entry.next_attempt_at)
        return entry


@dataclass(frozen=True)
class Entries:
    """Entries of one outbox.

    Attributes:
        entries: the readable entries, each with its timestamp.
        unreadable: keys of entries that cannot be read at the moment; they may be undelivered.
    """

    entries: list[tuple[OutboxEntry, datetime]]
    unreadable: list[str]

    @property
    def keys(self) -> frozenset[str]:
        """Keys of the XComs that delivery needs: the entries, and their marker row."""
        names = [*(webhook_key(entry.event_id) for entry, _ in self.entries), *self.unreadable]
        return frozenset([*names, WEBHOOKS_ENDED_KEY] if names else ())


def undelivered(db: Session, key: TaskKey) -> Entries:
    """The entries of one outbox that wait for an attempt."""
    found = _read_entries(db, key)
    pending = [(entry, at) for entry, at in found.entries if entry.status is DeliveryStatus.PENDING]
    return Entries(pending, found.unreadable)


def _read_entries(db: Session, key: TaskKey) -> Entries:
    """All entries of one outbox, oldest first."""
    found = read_xcoms(db, key, WEBHOOK_PREFIX)
    readable = {name: stored for name, stored in found.items() if stored.unreadable is None}
    entries = [(parse_entry(key, name, stored), stored.timestamp) for name, stored in readable.items()]
    mine = sorted(((entry, at) for entry, at in entries if entry is not None), key=itemgetter(1))
    return Entries(mine, [name for name in found if name not in readable])
