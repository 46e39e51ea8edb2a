"""The dispatcher: delivers events that the workers could not deliver. One per API server process.

It runs in a thread with its own event loop: a DNS server that does not answer, or hundreds of slow endpoints, must
not block the API.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import httpx

from airflow_hitl_review.core.endpoint_lookup import resolve, why_unusable
from airflow_hitl_review.core.options import WebhookSettings
from airflow_hitl_review.core.schema import TaskKey
from airflow_hitl_review.core.stored import UnreadableXComError
from airflow_hitl_review.server.db.connections import load_connection
from airflow_hitl_review.server.db.locks import Exclusive
from airflow_hitl_review.server.db.outbox_queries import NextLook, due_looks
from airflow_hitl_review.server.db.task_instances import find_new_try
from airflow_hitl_review.server.db.transactions import transaction, utcnow
from airflow_hitl_review.server.delivery import orphaned_reviews, outbox
from airflow_hitl_review.server.delivery.concurrency_limiter import MAX_QUEUED_AT_A_PACE, ConcurrencyLimiter
from airflow_hitl_review.server.delivery.outbox import Claimed
from airflow_hitl_review.server.delivery.outbox_backup import OutboxBackup
from hitl_webhooks import Attempt, Endpoint
from hitl_webhooks.send.delivery import attempt, open_client
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


class Dispatcher:
    """Delivers due events according to the settings.

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
        self._ends = orphaned_reviews.Ends()
        self._backup = OutboxBackup()
        self._sending: set[asyncio.Task[None]] = set()
        self._one_by_one: dict[str, asyncio.Lock] = {}
        self._locks = asyncio.Semaphore(MAX_LOCKS)
        self._unreadable: dict[TaskKey, float] = {}  # seconds to wait before the next look
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._look_now: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._main: asyncio.Task[None] | None = None

    # --- lifecycle

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="hitl-review-dispatcher", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Stop the thread. Drops attempts in progress: their claims expire, and another process makes them."""
        self._stopping.set()
        loop, main = self._loop, self._main
        if loop is not None and main is not None:
            with suppress(RuntimeError):  # the loop has already ended
                loop.call_soon_threadsafe(main.cancel)
        if self._thread is not None:
            self._thread.join(timeout)

    def nudge(self) -> None:
        """Poll now; thread-safe."""
        loop, event = self._loop, self._look_now
        if loop is not None and event is not None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(event.set)

    def on_try_start(self, task_instance_id: str) -> frozenset[str]:
        """Save the events that the start of this task instance's new try is about to delete; thread-safe.

        Returns:
            Keys of the XComs that must not be deleted, since they are still needed.

        Raises:
            UnreadableXComError: its review cannot be read at the moment, and could not be announced afterwards.
        """
        with transaction() as db:
            key = find_new_try(db, task_instance_id)
        if key is None:
            return frozenset()
        try:
            orphaned_reviews.announce_end(key)
        except UnreadableXComError:
            raise
        except Exception:  # events already in the outbox must be saved all the same
            log.exception("Telling that the review of %s has ended failed.", key)
        return self._backup.back_up(key)

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._look_now = asyncio.get_running_loop(), asyncio.Event()
        self._main = asyncio.current_task()
        # The sweep has its own threads: polling can wait long for a thread when endpoints hang.
        sweeping = DatabaseThreads()
        sweep = self._again_and_again(
            "Looking for reviews that lost their task", asyncio.Event(), partial(sweeping.run, self._sweep)
        )
        try:
            await asyncio.gather(sweep, self._deliver_again_and_again(self._look_now))
        finally:
            sweeping.close()

    async def _deliver_again_and_again(self, look_now: asyncio.Event) -> None:
        pause = self._settings.sweep_seconds
        while not self._stopping.is_set():
            try:
                await self._deliver_for_ever(look_now)
            except Exception:  # for example a wrong certificate file or proxy, so that the client cannot be created
                pause = min(2 * pause, LONGEST_PAUSE)
                log.exception("Delivering webhooks failed; starting again in %g s.", pause)
            await asyncio.sleep(pause)

    async def _deliver_for_ever(self, look_now: asyncio.Event) -> None:
        database = DatabaseThreads()
        async with open_client(block_private_addresses=self._settings.block_private_addresses) as client:
            try:
                await self._again_and_again(
                    "Looking for undelivered webhooks", look_now, partial(self.look, database, client)
                )
            finally:
                for task in self._sending:
                    task.cancel()
                await asyncio.gather(*self._sending, return_exceptions=True)
                database.close()

    async def _again_and_again(
        self, what: str, at_once: asyncio.Event, work: Callable[[], Awaitable[bool | None]]
    ) -> None:
        """Repeat ``work`` forever: at once if it returns that there is more, else after a pause."""
        pause = self._settings.sweep_seconds
        while not self._stopping.is_set():
            at_once.clear()
            more = None
            try:
                more = await work()
                pause = self._settings.sweep_seconds
            except Exception:  # most likely the database is unavailable, and will be for some time
                pause = min(2 * pause, LONGEST_PAUSE)
                log.exception("%s failed; trying again in %g s.", what, pause)
            if not more:
                with suppress(asyncio.TimeoutError, TimeoutError):
                    await asyncio.wait_for(at_once.wait(), pause)

    def _sweep(self) -> None:
        self._ends.announce()
        self._backup.sweep()

    # --- work

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
            log.exception("The outbox of %s cannot be worked on; trying again in %g s.", look.key, pause)
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
        log.warning("Giving a webhook lock back failed.", exc_info=True)


def _log_outcome(claimed: Claimed, done: Attempt) -> None:
    if done.error is None:
        log.info("Delivered event %s to %r.", claimed.event_id, claimed.endpoint)
    else:
        log.warning("Event %s was not delivered to %r: %s", claimed.event_id, claimed.endpoint, done.error)
