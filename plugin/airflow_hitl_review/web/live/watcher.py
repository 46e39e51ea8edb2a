"""The watcher: detects changes and notifies all waiting pages. One per API server process.

However many pages are open, it makes one database query per poll for the reviews they show: only the database has
another API server process's decisions, and the worker's next output. A decision in this process triggers a poll
at once. With no page open, it does nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

LOOK_SECONDS = 1.0
"""Poll interval: another person's decision appears within two seconds."""

SHORTEST_PAUSE = 0.1
"""Minimum seconds between two polls, even if requested."""

LOAD_SHARE = 20
"""The pause after a slow database query is this many times as long as the query."""


@dataclass
class _Watched(Generic[T]):
    """The state of one subject.

    Attributes:
        stamp: the last stamp from the database; None before the first poll.
        value: the value loaded for it.
        changed: set, and replaced, when ``value`` changes.
        wanted_until: by the monotonic clock; for callers that poll instead of waiting.
    """

    stamp: str | None = None
    value: T | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    wanted_until: float = 0.0


class Watcher(Generic[K, T]):
    """Caches a value for each subject that somebody watches.

    Call all methods except ``nudge`` and ``expect`` in the event loop of ``run``.

    Args:
        look: returns the stamps of subjects with one database query for all; called in a thread. A subject missing
            from the result has the stamp ``""``.
        load: loads the value of a subject whose stamp has changed; called in a thread.
        look_seconds: poll interval.
    """

    def __init__(
        self,
        look: Callable[[Sequence[K]], Mapping[K, str]],
        load: Callable[[K], T],
        *,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._look = look
        self._load = load
        self._look_seconds = look_seconds
        self._subjects: dict[K, _Watched[T]] = {}
        self._waiting: Counter[K] = Counter()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._nudged = asyncio.Event()
        self._looking = asyncio.Lock()
        self._look_took = 0.0
        self._wanted: set[K] = set()  # subjects without a value yet
        self._idle = False

    # --- for callers

    @asynccontextmanager
    async def watching(self, subject: K) -> AsyncIterator[None]:
        """Register as a watcher of ``subject`` for the duration of the block."""
        self._waiting[subject] += 1
        self._wake()
        try:
            yield
        finally:
            self._waiting[subject] -= 1
            if not self._waiting[subject]:
                del self._waiting[subject]

    async def value(self, subject: K, *, keep_seconds: float = 0.0) -> T:
        """Return the current value, from memory while somebody watches the subject, else from the database.

        Args:
            subject: the subject.
            keep_seconds: keep watching the subject for this long, for callers that poll.
        """
        watched = self._subjects.get(subject)
        if watched is None or watched.value is None:
            watched = await self._first(subject)
        watched.wanted_until = max(watched.wanted_until, time.monotonic() + keep_seconds)
        assert watched.value is not None
        self._wake()
        return watched.value

    async def fresh(self, subject: K) -> T:
        """Return the value from the database: the one in memory can be as old as the poll interval."""
        async with self._looking:
            errors = await self._update([subject])
        if subject in errors:
            raise errors[subject]
        return await self.value(subject)

    async def change(self, subject: K, seen: T, timeout: float) -> T | None:
        """Wait until the value differs from ``seen``; None if that takes longer than ``timeout`` seconds.

        Call it only while ``watching`` the subject.
        """
        end = time.monotonic() + timeout
        while True:
            watched = self._subjects.get(subject)
            if watched is None or watched.value is None:
                watched = await self._first(subject)
            if watched.value != seen:
                return watched.value
            left = end - time.monotonic()
            if left <= 0:
                return None
            with suppress(TimeoutError, asyncio.TimeoutError):
                await asyncio.wait_for(watched.changed.wait(), left)

    def nudge(self) -> None:
        """Poll now; thread-safe."""
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # it has ended
                loop.call_soon_threadsafe(self._nudged.set)

    def expect(self, subject: K, seconds: float) -> None:
        """Watch ``subject`` for that many seconds; thread-safe."""
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # it has ended
                loop.call_soon_threadsafe(self._expect, subject, time.monotonic() + seconds)

    def _expect(self, subject: K, until: float) -> None:
        watched = self._subjects.setdefault(subject, _Watched())
        watched.wanted_until = max(watched.wanted_until, until)
        self._wake()

    @property
    def watched(self) -> int:
        """Number of cached subjects."""
        return len(self._subjects)

    # --- lifecycle

    async def run(self) -> None:
        """Poll until cancelled."""
        self._loop = asyncio.get_running_loop()
        while True:
            self._nudged.clear()  # before the poll: a change during it requests another one
            self._forget()
            if subjects := list(self._subjects.keys() | self._waiting.keys()):
                try:
                    async with self._looking:
                        await self._update(subjects)
                except Exception:
                    log.exception("Looking for changed reviews failed; trying again.")
            pause = max(self._look_seconds, self._look_took * LOAD_SHARE) if subjects else None
            self._idle = pause is None and not self._waiting
            if self._idle or pause is not None:
                with suppress(TimeoutError, asyncio.TimeoutError):
                    await asyncio.wait_for(self._nudged.wait(), pause)
            self._idle = False
            await asyncio.sleep(SHORTEST_PAUSE)

    def _wake(self) -> None:
        if self._idle:
            self._nudged.set()

    def _forget(self) -> None:
        now = time.monotonic()
        for subject in [s for s, w in self._subjects.items() if not self._waiting[s] and w.wanted_until < now]:
            del self._subjects[subject]

    async def _first(self, subject: K) -> _Watched[T]:
        """Load a subject that has no value yet; concurrent calls share one query."""
        self._wanted.add(subject)
        async with self._looking:
            watched = self._subjects.get(subject)
            if watched is None or watched.value is None:
                wanted, self._wanted = list(self._wanted | {subject}), set()
                errors = await self._update(wanted)
                if subject in errors:
                    raise errors[subject]
            return self._subjects[subject]

    async def _update(self, subjects: Sequence[K]) -> dict[K, Exception]:
        """Poll, and load changed values; returns the errors of values that could not be loaded."""
        errors: dict[K, Exception] = {}
        start = time.monotonic()
        stamps = await asyncio.to_thread(self._look, subjects)
        self._look_took = time.monotonic() - start
        for subject in subjects:
            stamp = stamps.get(subject, "")
            watched = self._subjects.setdefault(subject, _Watched(wanted_until=start + self._look_seconds))
            if watched.stamp == stamp:
                continue
            try:
                value = await asyncio.to_thread(self._load, subject)
            except Exception as error:
                log.exception("Reading %s failed; trying again.", subject)
                errors[subject] = error
                continue
            watched.stamp = stamp  # read before the value: the next poll finds a change between the two
            if value != watched.value:
                watched.value = value
                watched.changed.set()
                watched.changed = asyncio.Event()
        return errors
