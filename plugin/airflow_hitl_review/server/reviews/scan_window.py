"""How far back a repeated look at the database goes. No Airflow.

A look at what is new is cheap, however much there is. But what a clock that jumps, or an outage, has hidden from it
would never be found; so now and then one goes through all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

FULL_SECONDS = 1800.0
"""From one look at all to the next."""

OVERLAP = timedelta(minutes=10)
"""Allowed clock skew between those who write, and the time that they may need to commit."""


class ScanWindow:
    """The looks of one process.

    Args:
        clock: seconds; it does not jump.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked_at: datetime | None = None
        self._next_full = 0.0

    @contextmanager
    def look(self, now: datetime) -> Iterator[datetime | None]:
        """Since when to look, None for all. A look that raises does not count: the next one makes up for it."""
        since = None
        if self._looked_at is not None and self._clock() < self._next_full:
            since = self._looked_at - OVERLAP
        yield since
        self._looked_at = now
        if since is None:
            self._next_full = self._clock() + FULL_SECONDS
