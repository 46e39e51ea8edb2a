"""Tell a repeat: deliveries can repeat, the work must not.

A sender repeats what was not answered with 2xx in time, and cannot know whether it was handled all the same.
The id of the event tells. When it counts as known matters most::

    guard = DuplicateGuard("handled.sqlite3")

    with guard.claim(event.id) as new:
        if new:
            handle(event)
    # answer 2xx

If ``handle`` raises, the id is forgotten, the answer is an error, and the sender's repeat is handled.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Protocol

MAX_AGE = timedelta(days=4)
"""How long an id is known. The sender's schedule spans about 3 days and 4 hours; jitter adds 8 hours at most."""

MAX_IDS = 100_000
"""How many ids are known at most; about 20 MB in memory, 14 MB in a file (measured with UUIDs)."""

WAIT = timedelta(seconds=4)
"""How long a repeat waits for the delivery that is being handled: a little less than the sender waits (5 s)."""

LEASE = timedelta(minutes=2)
"""How long another process has for handling. Shorter than the sender's pause of 5 minutes (after its quick
repeats), so that what a process was handling when it was killed is handled then."""

_POLL = 0.02
_LOCKED = 5.0


class DuplicateGuard:
    """Remembers the ids of events that were handled.

    An id counts as handled only once the block of its claim has ended without an exception. A second delivery
    that arrives meanwhile waits for the first: it is a repeat if that succeeds, and new if that fails. So no
    event is handled twice at once, and none is answered with 2xx that then fails.

    What remains is the crash between handling and remembering: the event then comes once more. Handling that
    must not even then happen twice has to be safe to repeat.

    Safe to use from several threads; with a file also from several processes on one machine.

    Args:
        path: an SQLite file, made if needed, so that a restart still knows repeats. In memory if not given.
        max_ids: how many ids are known; beyond, the oldest are forgotten.
        max_age: how long an id is known. A longer one is needed where events are sent anew by hand after days.
        wait: how long a repeat waits for the delivery that is being handled.
        lease: with a file: how long a claim of another process holds. After that the process is taken for
            dead and the event for not handled. Must be longer than handling can take.
        clock: current time, timezone-aware.

    Raises:
        ValueError: ``max_ids`` is less than one.
        sqlite3.Error: the file cannot be opened or is none of SQLite's.
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
        self._store: _Store
        if path is None:
            self._store = _Memory(max_ids, max_age.total_seconds())
        else:
            self._store = _File(Path(path).absolute(), max_ids, max_age.total_seconds(), lease.total_seconds())
        self._wait = wait.total_seconds()
        self._clock = clock
        self._lock = threading.Lock()
        self._active: set[str] = set()

    @contextmanager
    def claim(self, event_id: str) -> Iterator[bool]:
        """Claim an event for the time of a ``with`` block, in which it is handled.

        Yields:
            True: handle it now; nobody else does. False: it was handled before.

        Raises:
            TimeoutError: another delivery of it is still being handled. Answer with an error (500, 503): the
                sender will ask again.
            RuntimeError: that is so, and this is the thread of an event loop, which must not be held up.
                Use ``claim_async`` there.
            sqlite3.Error: the file cannot be used. If raised at the end of the block, the event was handled
                but is not known: answer with an error, and it comes again.
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
        """As ``claim``, for ``async with``: others go on while a repeat waits."""
        owner, end = uuid.uuid4().hex, time.monotonic() + self._wait
        while (new := self._take(event_id, owner)) is None:
            _check_deadline(event_id, end)
            await asyncio.sleep(_POLL)
        with self._settled(event_id, owner, new=new):
            yield new

    def _take(self, event_id: str, owner: str) -> bool | None:
        """True: it is ours now. False: it was handled. None: it is being handled."""
        with self._lock:
            if event_id in self._active:  # also beyond the lease: within this process nothing is in doubt
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
        except BaseException:  # KeyboardInterrupt and CancelledError too: it was not handled to its end
            # If even this fails, the lease ends it; what went wrong first is what must be seen.
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
    # The delivery that is waited for may be a task of this very loop.
    raise RuntimeError("Waiting here would hold up the event loop: use `async with guard.claim_async(...)`.")


class _Store(Protocol):
    """Where ids are. Times are seconds since 1970."""

    def take(self, event_id: str, owner: str, now: float) -> bool | None:
        """True: claimed. False: it was handled. None: another process has claimed it."""

    def keep(self, event_id: str, now: float) -> None:
        """It was handled."""

    def forget(self, event_id: str, owner: str) -> None:
        """It was not handled; does nothing if the claim is no longer that of ``owner``."""


class _Memory:
    def __init__(self, max_ids: int, max_age: float) -> None:
        self._max_ids, self._max_age = max_ids, max_age
        self._handled: OrderedDict[str, float] = OrderedDict()

    def take(self, event_id: str, owner: str, now: float) -> bool | None:
        self._prune(now)
        return event_id not in self._handled

    def keep(self, event_id: str, now: float) -> None:
        self._handled[event_id] = now
        self._prune(now)

    def forget(self, event_id: str, owner: str) -> None:
        pass  # claims that are open are known to the guard

    def _prune(self, now: float) -> None:
        while self._handled:
            oldest = next(iter(self._handled.values()))
            if len(self._handled) <= self._max_ids and now - oldest <= self._max_age:
                return
            self._handled.popitem(last=False)


class _File:
    """``owner`` is null for what was handled (at ``at``), and says who has claimed it (since ``at``) otherwise."""

    def __init__(self, path: Path, max_ids: int, max_age: float, lease: float) -> None:
        self._path, self._max_ids, self._max_age, self._lease = path, max_ids, max_age, lease
        with self._transaction() as file:
            file.execute("CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, owner TEXT, at REAL NOT NULL)")
            file.execute("CREATE INDEX IF NOT EXISTS events_by_age ON events (owner, at)")

    def take(self, event_id: str, owner: str, now: float) -> bool | None:
        with self._transaction() as file:
            file.execute("DELETE FROM events WHERE owner IS NULL AND at < ?", (now - self._max_age,))
            # Claims of the dead whose events never came again.
            given_up = now - max(self._max_age, self._lease)
            file.execute("DELETE FROM events WHERE owner IS NOT NULL AND at < ?", (given_up,))
            row = file.execute("SELECT owner, at FROM events WHERE id = ?", (event_id,)).fetchone()
            if row is not None:
                holder, since = row
                if holder is None:
                    return False
                # abs: after the clock was set back, a claim from the future must not hold for long.
                if abs(now - since) < self._lease:
                    return None
            file.execute("INSERT OR REPLACE INTO events VALUES (?, ?, ?)", (event_id, owner, now))
            return True

    def keep(self, event_id: str, now: float) -> None:
        with self._transaction() as file:
            # Whoever has claimed it since the lease ended: it was handled.
            file.execute("INSERT OR REPLACE INTO events VALUES (?, NULL, ?)", (event_id, now))
            file.execute(
                "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE owner IS NULL "
                "ORDER BY at, rowid LIMIT max(0, (SELECT count(*) FROM events WHERE owner IS NULL) - ?))",
                (self._max_ids,),
            )

    def forget(self, event_id: str, owner: str) -> None:
        with self._transaction() as file:
            file.execute("DELETE FROM events WHERE id = ? AND owner = ?", (event_id, owner))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        # A connection per use costs a fraction of a millisecond. A lasting one would belong to one thread, would
        # not survive a fork (which is how many servers start their workers), and would have to be closed.
        try:
            with closing(sqlite3.connect(self._path, timeout=_LOCKED, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")  # left out after an exception: closing then takes all of it back
        except sqlite3.Error as error:
            raise type(error)(f"{self._path}: {error}") from error
