"""Detects duplicate deliveries, so that each event is handled once.

A sender retries if it gets no 2xx response in time, and cannot know whether the event was handled anyway.
The event id identifies duplicates. What matters most is when an id is recorded::

    guard = DuplicateGuard("handled.sqlite3")

    with guard.claim(event.id) as new:
        if new:
            handle(event)
    # respond with 2xx

If ``handle`` raises, the id is forgotten, the response is an error, and the sender's retry is handled.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

from hitl_webhooks.receive.id_store import FileStore, IdStore, MemoryStore

MAX_AGE = timedelta(days=4)
"""How long an id is kept. The sender's schedule spans about 3 days and 4 hours; jitter adds 8 hours at most."""

MAX_IDS = 100_000
"""Maximum number of ids kept; about 20 MB in memory, 14 MB in a file (measured with UUIDs)."""

WAIT = timedelta(seconds=4)
"""How long a duplicate waits for a delivery in progress: slightly less than the sender's timeout (5 s)."""

LEASE = timedelta(minutes=2)
"""Time limit for another process to handle an event. Shorter than the sender's pause of 5 minutes (after its
quick retries), so that the retry then handles the event of a killed process."""

_POLL = 0.02


class DuplicateGuard:
    """Remembers the ids of events that were handled.

    An id counts as handled only once the block of its claim has ended without an exception. A second delivery
    that arrives meanwhile waits for the first: it is a duplicate if that succeeds, and new if that fails. So no
    event is handled twice concurrently, and none that then fails gets a 2xx response.

    After a crash between handling an event and recording its id, the event arrives again. Handling that must
    not happen twice even then has to be idempotent.

    Thread-safe; with a file, also safe for several processes on one machine.

    Args:
        path: an SQLite file, created if missing, so that ids survive a restart. In memory if not given.
        max_ids: maximum number of ids; beyond that, the oldest are forgotten.
        max_age: how long an id is kept. Needs to be longer if events are resent manually after days.
        wait: how long a duplicate waits for a delivery in progress.
        lease: with a file: how long a claim of another process is valid. After that the process is considered
            dead and the event not handled. Must be longer than handling can take.
        clock: current time, timezone-aware.

    Raises:
        ValueError: ``max_ids`` is less than one.
        sqlite3.Error: the file cannot be opened or is not an SQLite file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        max_ids: int = MAX_IDS,
        max_age: timedelta = MAX_AGE,
        wait: timedelta = WAIT,
        lease: timedelta = LEASE,
        clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        if max_ids < 1:
            raise ValueError("max_ids must be at least 1")
        self._store: IdStore
        if path is None:
            self._store = MemoryStore(max_ids, max_age.total_seconds())
        else:
            self._store = FileStore(Path(path).absolute(), max_ids, max_age.total_seconds(), lease.total_seconds())
        self._wait = wait.total_seconds()
        self._clock = clock
        self._lock = threading.Lock()
        self._active: set[str] = set()

    @contextmanager
    def claim(self, event_id: str) -> Iterator[bool]:
        """Claim an event for the duration of a ``with`` block that handles it.

        Yields:
            True: handle it now; nobody else does. False: it was already handled.

        Raises:
            TimeoutError: another delivery of it is still being handled. Respond with an error (500, 503): the
                sender will retry.
            RuntimeError: as above, but in the thread of an event loop, which must not be blocked. Use
                ``claim_async`` there.
            sqlite3.Error: the file cannot be used. If raised at the end of the block, the event was handled
                but not recorded: respond with an error, and it arrives again.
        """
        owner, end = uuid.uuid4().hex, time.monotonic() + self._wait
        while (new := self._take(event_id, owner)) is None:
            _refuse_to_hold_up_a_loop()
            _check_deadline(event_id, end)
            time.sleep(_POLL)
        with self._settled(event_id, owner, new=new):
            yield new

    @asynccontextmanager
    async def claim_async(self, event_id: str) -> AsyncIterator[bool]:
        """Like ``claim``, for ``async with``: does not block the event loop while a duplicate waits."""
        owner, end = uuid.uuid4().hex, time.monotonic() + self._wait
        while (new := self._take(event_id, owner)) is None:
            _check_deadline(event_id, end)
            await asyncio.sleep(_POLL)
        with self._settled(event_id, owner, new=new):
            yield new

    def _take(self, event_id: str, owner: str) -> bool | None:
        """Try to claim. True: claimed. False: already handled. None: being handled."""
        with self._lock:
            if event_id in self._active:  # even after the lease: within this process the claim is certain
                return None
            new = self._store.take(event_id, owner, self._now())
            if new:
                self._active.add(event_id)
            return new

    @contextmanager
    def _settled(self, event_id: str, owner: str, *, new: bool) -> Iterator[None]:
        if not new:
            yield
            return
        try:
            yield
        except BaseException:  # KeyboardInterrupt and CancelledError too: handling did not finish
            # If this fails too, the lease ends the claim; the first error must not be hidden.
            with self._lock, suppress(sqlite3.Error):
                self._store.forget(event_id, owner)
            raise
        else:
            with self._lock:
                self._store.keep(event_id, self._now())
        finally:
            with self._lock:
                self._active.discard(event_id)

    def _now(self) -> float:
        return self._clock().timestamp()


def _check_deadline(event_id: str, end: float) -> None:
    if time.monotonic() >= end:
        raise TimeoutError(f"Another delivery of event {event_id} is still being handled.")


def _refuse_to_hold_up_a_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    # The delivery in progress may be a task of this same loop.
    raise RuntimeError("Waiting here would hold up the event loop: use `async with guard.claim_async(...)`.")
