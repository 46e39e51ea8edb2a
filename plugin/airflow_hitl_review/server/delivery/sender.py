"""Sends due events: claims them, makes an attempt at each endpoint, records the results."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import httpx

from airflow_hitl_review.core.endpoint_lookup import resolve, why_unusable
from airflow_hitl_review.core.options import WebhookSettings
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.connections import load_connection
from airflow_hitl_review.server.db.locks import Exclusive
from airflow_hitl_review.server.db.outbox_queries import NextLook, due_looks
from airflow_hitl_review.server.db.transactions import transaction, utcnow
from airflow_hitl_review.server.delivery import outbox
from airflow_hitl_review.server.delivery.concurrency_limiter import MAX_QUEUED_AT_A_PACE, ConcurrencyLimiter
from airflow_hitl_review.server.delivery.outbox import Claimed
from hitl_webhooks import Attempt, Endpoint
from hitl_webhooks.send.delivery import attempt
from hitl_webhooks.send.formats import get_format

log = logging.getLogger(__name__)

T = TypeVar("T")

LONGEST_PAUSE = 60.0
"""Maximum backoff in seconds between failing polls, also of one outbox."""

MAX_LOCKS = 2
"""Maximum locks for rate-limited endpoints in a process: each takes one of Airflow's database connections."""

BATCH = 100
"""Maximum number of due outboxes that one query returns."""


class DatabaseThreads:
    """Threads for database work.

    The event loop's default threads resolve host names, and can all be busy with that for a long time.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(4, thread_name_prefix="hitl-outbox")

    async def run(self, function: Callable[[], T]) -> T:
        """Call ``function`` in one of them."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, function)

    def close(self) -> None:
        """Let running calls finish, and start no new ones."""
        self._executor.shutdown(wait=False, cancel_futures=True)


class Sender:
    """Makes the due attempts of one process, according to the settings.

    Args:
        settings: the webhook settings.
        clock: the current time.
    """

    def __init__(self, settings: WebhookSettings, clock: Callable[[], datetime] = utcnow) -> None:
        self._settings = settings
        self._clock = clock
        # How long a claim keeps other API servers away: the attempt, the wait for a rate-limited endpoint, and
        # the work before and after.
        self._lease = timedelta(seconds=settings.timeout * MAX_QUEUED_AT_A_PACE + 15)
        self._limiter = ConcurrencyLimiter()
        self._sending: set[asyncio.Task[None]] = set()
        self._one_by_one: dict[str, asyncio.Lock] = {}
        self._locks = asyncio.Semaphore(MAX_LOCKS)
        self._unreadable: dict[TaskKey, float] = {}  # seconds to wait before the next look

    async def look(self, database: DatabaseThreads, client: httpx.AsyncClient) -> bool:
        """Start the due attempts; returns whether there may be more of them."""
        looks = await database.run(lambda: _due(self._clock()))
        for look in looks:
            for claimed in await database.run(partial(self._claim, look)):
                task = asyncio.create_task(self._send(claimed, database, client))
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)
        return len(looks) == BATCH

    async def idle(self) -> None:
        """Wait until no attempt is in progress."""
        while self._sending:
            await asyncio.wait(self._sending)

    async def drop(self) -> None:
        """Cancel the attempts in progress."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    def _claim(self, look: NextLook) -> list[Claimed]:
        now, admitted = self._clock(), list[str]()

        def admit(endpoint: str, format_: str | None, at: datetime) -> datetime | None:
            wait_until = self._limiter.admit(endpoint, format_, at)
            if wait_until is None:
                admitted.append(endpoint)
            return wait_until

        try:
            claimed = outbox.claim_due(look, now=now, lease=self._lease, admit=admit)
        except Exception:
            for endpoint in admitted:
                self._limiter.leave(endpoint)
            # Most likely a conflict between two processes; back off exponentially if it persists.
            pause = self._unreadable[look.key] = min(2 * self._unreadable.get(look.key, 0.5), LONGEST_PAUSE)
            log.exception("Processing the outbox of %s failed; trying again in %g s.", look.key, pause)
            outbox.put_look_off(look, now, now + timedelta(seconds=pause))
            return []
        self._unreadable.pop(look.key, None)
        return claimed

    def _record(self, claimed: Claimed, done: Attempt, format_: str | None) -> None:
        outbox.record(claimed, done, format_, schedule=self._settings.schedule, now=self._clock())

    async def _send(self, claimed: Claimed, database: DatabaseThreads, client: httpx.AsyncClient) -> None:
        answered: bool | None = None
        try:
            endpoint, done = await database.run(partial(self._resolve, claimed))
            if endpoint is not None:
                done = await self._attempt_at_its_pace(claimed, endpoint, database, client)
                answered = done.status_code is not None if done is not None else None
            if done is not None:
                await database.run(partial(self._record, claimed, done, endpoint.format if endpoint else None))
        except Exception:
            log.exception("Delivering event %s to %r failed.", claimed.event_id, claimed.endpoint)
        finally:
            self._limiter.leave(claimed.endpoint, answered=answered)

    async def _attempt_at_its_pace(
        self, claimed: Claimed, endpoint: Endpoint, database: DatabaseThreads, client: httpx.AsyncClient
    ) -> Attempt | None:
        """Make an attempt; a format's minimum interval must pass before the next one."""
        interval = get_format(endpoint.format).min_interval
        if not interval:
            return await self._attempt(claimed, endpoint, client)
        # Sequential in this process, and across all API servers by a lock in the database.
        async with self._one_by_one.setdefault(endpoint.url, asyncio.Lock()), self._locks:
            exclusive = Exclusive(f"hitl_review {endpoint.url}")
            later = self._clock() + timedelta(seconds=interval)
            if not await database.run(exclusive.acquire):
                await database.run(partial(outbox.put_off, claimed, later, endpoint.format))
                return None
            try:
                done, _ = await asyncio.gather(self._attempt(claimed, endpoint, client), asyncio.sleep(interval))
                return done
            finally:
                await asyncio.shield(database.run(partial(_release, exclusive)))

    async def _attempt(self, claimed: Claimed, endpoint: Endpoint, client: httpx.AsyncClient) -> Attempt | None:
        """Make an attempt; None if the claim may expire during it: another process makes it, or it is due again."""
        if self._clock() + timedelta(seconds=self._settings.timeout) > claimed.until:
            return None
        done = await attempt(
            client, endpoint, claimed.event_id, claimed.body, timeout=self._settings.timeout, clock=self._clock
        )
        _log_outcome(claimed, done)
        return done

    def _resolve(self, claimed: Claimed) -> tuple[Endpoint | None, Attempt | None]:
        """Return the endpoint's current configuration, or a failed attempt with the reason."""
        try:
            with transaction() as db:
                return resolve(
                    claimed.endpoint,
                    claimed.format,
                    connection=lambda conn_id: load_connection(db, conn_id, claimed.key.dag_id),
                    settings=self._settings,
                ), None
        except Exception as error:  # noqa: BLE001 - a secrets backend may raise anything
            reason = why_unusable(error)
            log.error("Webhook endpoint %r cannot be used: %s", claimed.endpoint, reason)
            return None, Attempt(self._clock().isoformat(), 0, error=reason)


def _due(now: datetime) -> list[NextLook]:
    with transaction() as db:
        return due_looks(db, now, BATCH)


def _release(exclusive: Exclusive) -> None:
    try:
        exclusive.release()
    except Exception:
        # The database releases the lock when the connection ends. The attempt must be recorded all the same.
        log.warning("Releasing a webhook lock failed.", exc_info=True)


def _log_outcome(claimed: Claimed, done: Attempt) -> None:
    if done.error is None:
        log.info("Delivered event %s to %r.", claimed.event_id, claimed.endpoint)
    else:
        log.warning("Event %s was not delivered to %r: %s", claimed.event_id, claimed.endpoint, done.error)
