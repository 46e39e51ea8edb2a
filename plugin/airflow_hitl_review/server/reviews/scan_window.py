"""How far back a periodic database scan goes. No Airflow imports.

A scan of new rows is cheap, however many rows there are. But it would never find rows that a clock jump or an
outage has hidden from it, so a full scan runs from time to time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

FULL_SECONDS = 1800.0
"""Seconds between two full scans."""

OVERLAP = timedelta(minutes=10)
"""Allowed clock skew between writers, plus the time that they may need to commit."""


class ScanWindow:
    """The scans of one process.

    Args:
        clock: a monotonic clock in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked_at: datetime | None = None
        self._next_full = 0.0

    @contextmanager
    def look(self, now: datetime) -> Iterator[datetime | None]:
        """Yield the start of the scan, None for a full one; the next scan repeats one that raises."""
        since = None
        if self._looked_at is not None and self._clock() < self._next_full:
            since = self._looked_at - OVERLAP
        yield since
        self._looked_at = now
        if since is None:
            self._next_full = self._clock() + FULL_SECONDS
