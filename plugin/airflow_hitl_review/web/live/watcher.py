"""The watcher: sees what changed, and tells all who wait for it. One per API server process.

However many pages are open, it asks the database once per look for the reviews that are on the screens: a decision
by another API server process, or the worker's next output, can be seen nowhere else. What was decided in this
process is looked at without delay. With no page open it does nothing.
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
"""Between two looks: another person's decision is on the screen within two."""

SHORTEST_PAUSE = 0.1
"""Seconds between two looks that were asked for."""

LOAD_SHARE = 20
"""A question to the database that takes long is followed by a pause so many times as long."""


@dataclass
class _Watched(Generic[T]):
    """What is known of one subject.

    Attributes:
        stamp: what the database said last; None before the first look.
        value: what was made of it.
        changed: set, and replaced, when ``value`` becomes another one.
        wanted_until: by the monotonic clock; for those who ask now and then instead of waiting.
    """

    stamp: str | None = None
    value: T | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    wanted_until: float = 0.0


class Watcher(Generic[K, T]):
    """Keeps a value for each subject that somebody looks at.

    All methods but ``nudge`` and ``expect`` belong to the event loop that ``run`` runs in.

    Args:
        look: stamps of subjects, by one question to the database for all; in a thread. A subject that is missing
            from the answer has the stamp ``""``.
        load: makes the value of a subject whose stamp is another one than before; in a thread.
        look_seconds: between two looks.
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
        self._wanted: set[K] = set()  # nothing is known of them yet
        self._idle = False

    # --- for those who look

    @asynccontextmanager
    async def watching(self, subject: K) -> AsyncIterator[None]:
        """Count as one who waits for changes of ``subject``."""
        self._waiting[subject] += 1
        self._wake()
        try:
            yield
        finally:
            self._waiting[subject] -= 1
            if not self._waiting[subject]:
                del self._waiting[subject]

    async def value(self, subject: K, *, keep_seconds: float = 0.0) -> T:
        """The value now; from memory while somebody watches the subject, else by a look of its own.

        Args:
            subject: what.
            keep_seconds: count as one who watches for so long, for those who ask again soon.
        """
        watched = self._subjects.get(subject)
        if watched is None or watched.value is None:
            watched = await self._first(subject)
        watched.wanted_until = max(watched.wanted_until, time.monotonic() + keep_seconds)
        assert watched.value is not None
        self._wake()
        return watched.value

    async def fresh(self, subject: K) -> T:
        """The value by a look of its own: what is in memory can be as old as the time between two looks."""
        async with self._looking:
            errors = await self._update([subject])
        if subject in errors:
            raise errors[subject]
        return await self.value(subject)

    async def change(self, subject: K, seen: T, timeout: float) -> T | None:
        """Wait until the value is another one than ``seen``; None if that takes longer than ``timeout`` seconds.

        Only while ``watching`` the subject.
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
        """Look now; from any thread."""
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # it has ended
                loop.call_soon_threadsafe(self._nudged.set)

    def expect(self, subject: K, seconds: float) -> None:
        """Count as one who looks at ``subject`` for so long; from any thread."""
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
        """How many subjects are kept."""
        return len(self._subjects)

    # --- its own life

    async def run(self) -> None:
        """Look until cancelled."""
        self._loop = asyncio.get_running_loop()
        while True:
            self._nudged.clear()  # before the look: what happens during it asks for another one
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
        """Look at a subject of which nothing is known; together with those who want the same at the same time."""
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
        """Look, and load what changed; returns what could not be loaded."""
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
            watched.stamp = stamp  # read before the value: a change between the two is seen at the next look
            if value != watched.value:
                watched.value = value
                watched.changed.set()
                watched.changed = asyncio.Event()
        return errors
