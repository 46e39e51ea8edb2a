"""Deliver one event under a clock that jumps: ``python -m tests.support.clocked_dispatch RUN_ID URL``.

To be run in an Airflow's environment, for a review that ``tests.support.seed`` has made. The clock starts ten
years from now, so that the API server's own dispatchers leave the event alone. After each attempt it jumps to
the time of the next one; one second short of it, it is made sure that nothing is sent.

Prints a JSON list: for each attempt the seconds since the one before, and what the outbox says after it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime, timedelta
from typing import Any

from airflow.models.taskinstance import TaskInstance
from sqlalchemy import select

from airflow_hitl_review.core.event_builder import announce
from airflow_hitl_review.core.options import WebhookSettings
from airflow_hitl_review.core.schema import SESSION_KEY, WEBHOOKS_ENDED_KEY, webhook_key
from airflow_hitl_review.core.stored import parse_session
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.transactions import option, site, transaction, utcnow
from airflow_hitl_review.server.db.xcoms import read_xcoms, set_xcom_time, write_xcom
from airflow_hitl_review.server.delivery.sender import DatabaseThreads, Sender
from hitl_webhooks import DeliveryStatus, EventType, OutboxEntry
from hitl_webhooks.send.delivery import open_client

TIMEOUT = 2.0


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def prepare(run_id: str, url: str, now: datetime) -> tuple[TaskKey, str]:
    """Store the event; it is due at ``now``."""
    with transaction() as db:
        ti = db.scalars(
            select(TaskInstance).where(TaskInstance.run_id == run_id, TaskInstance.map_index >= 0)
        ).one()
        key = TaskKey(ti.dag_id, ti.run_id, ti.task_id, ti.map_index)
        event = announce(
            EventType.FINALIZED,
            parse_session(read_xcoms(db, key, SESSION_KEY)[SESSION_KEY]),
            key=key,
            task_instance_id=str(ti.id),
            try_number=1,
            site=site(),
            at=now,
            status="approved",
        )
        entry = OutboxEntry.of(event, [(url, None)])
        entry.deliveries[0].claim(now)
        name = webhook_key(event.id)
        write_xcom(db, key, name, entry.to_json())
        write_xcom(db, key, WEBHOOKS_ENDED_KEY, True)
        set_xcom_time(db, key, WEBHOOKS_ENDED_KEY, now)
        return key, name


async def deliver(key: TaskKey, name: str, clock: Clock) -> list[dict[str, Any]]:
    """Attempt until nothing is left to do, on the schedule that is the default."""
    settings = WebhookSettings(url_secrets=WebhookSettings.read(option).url_secrets, timeout=TIMEOUT)
    sender, database = Sender(settings, clock), DatabaseThreads()
    told: list[dict[str, Any]] = []
    last = clock.now

    def read() -> OutboxEntry:
        with transaction() as db:
            return OutboxEntry.from_json(read_xcoms(db, key, name)[name].value)

    async with open_client() as client:

        async def look() -> OutboxEntry:
            await sender.look(database, client)
            await sender.idle()
            return await database.run(read)

        entry = await look()
        while True:
            (delivery,) = entry.deliveries
            told.append(
                {
                    "after": (clock.now - last).total_seconds(),
                    "at": clock.now.timestamp(),
                    "attempts": delivery.attempts,
                    "status": delivery.status.value,
                    "error": delivery.last_error,
                }
            )
            last = clock.now
            if delivery.status is not DeliveryStatus.PENDING:
                break
            assert delivery.next_attempt_at is not None
            clock.now = delivery.next_attempt_at - timedelta(seconds=1)
            assert (await look()).deliveries[0].attempts == delivery.attempts, "sent too early"
            clock.now = delivery.next_attempt_at
            entry = await look()
            assert entry.deliveries[0].attempts == delivery.attempts + 1, "not sent in time"
        await look()
    database.close()
    return told


def main() -> None:
    """See above."""
    clock = Clock(utcnow() + timedelta(days=3650))
    key, name = prepare(sys.argv[1], sys.argv[2], clock.now)
    told = asyncio.run(deliver(key, name, clock))
    with transaction() as db:
        assert not read_xcoms(db, key, WEBHOOKS_ENDED_KEY), "the outbox is still marked"
    print(json.dumps(told))  # noqa: T201 - its result


if __name__ == "__main__":
    main()
