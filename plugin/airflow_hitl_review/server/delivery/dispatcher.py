"""The dispatcher: delivers events that the workers could not deliver. One per API server process.

It runs in a thread with its own event loop: a DNS server that does not answer, or hundreds of slow endpoints, must
not block the API.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from airflow_hitl_review.core.options import WebhookSettings
from airflow_hitl_review.core.schema import BEGUN_CALLS_KEY
from airflow_hitl_review.core.stored import UnreadableXComError
from airflow_hitl_review.server.db.task_instances import find_new_try
from airflow_hitl_review.server.db.transactions import transaction
from airflow_hitl_review.server.db.xcoms import xcom_times
from airflow_hitl_review.server.delivery import orphaned_reviews
from airflow_hitl_review.server.delivery.outbox_backup import OutboxBackup
from airflow_hitl_review.server.delivery.sender import LONGEST_PAUSE, DatabaseThreads, Sender
from hitl_webhooks.send.delivery import open_client

log = logging.getLogger(__name__)


class Dispatcher:
    """Looks for due events, and for reviews that lost their task, until it is stopped.

    Args:
        settings: the webhook settings.
    """

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings
        self._sender = Sender(settings)
        self._ends = orphaned_reviews.Ends()
        self._backup = OutboxBackup()
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._look_now: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._main: asyncio.Task[None] | None = None

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
            # What an agent was allowed to do, its next reviewer must know.
            kept = xcom_times(db, key, (BEGUN_CALLS_KEY,)) if key is not None else {}
        if key is None:
            return frozenset()
        try:
            orphaned_reviews.announce_end(key)
        except UnreadableXComError:
            raise
        except Exception:  # events already in the outbox must be saved all the same
            log.exception("Announcing the end of the review of %s failed.", key)
        return self._backup.back_up(key).union(kept)

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
                    "Looking for undelivered webhooks", look_now, partial(self._sender.look, database, client)
                )
            finally:
                await self._sender.drop()
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
