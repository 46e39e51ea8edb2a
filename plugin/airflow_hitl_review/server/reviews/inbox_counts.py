"""The number of reviews: counted for each request, or periodically where there are very many.

To count the open reviews, the database must read each of them. The list itself needs only its first rows. So from
``MANY`` reviews on, an API server process counts in a background thread, and requests get the last count. The
number of pending reviews is also a metric.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from airflow_hitl_review.core.telemetry import Stats, show_pending
from airflow_hitl_review.server.db.review_queries import ActiveCount
from airflow_hitl_review.server.db.transactions import Session
from airflow_hitl_review.server.reviews.open_reviews import OpenReviews

log = logging.getLogger(__name__)

MANY = 5_000
"""Maximum number of sessions in XCom, including ended ones, at which each request counts."""

LOAD_SHARE = 100
"""A count is used for this many times as long as counting took, so counting takes at most 1 % of a CPU."""

ROOM = 10
"""The next count may take this many times as long as the last one before a request has to wait for it."""

OLDEST_SECONDS = 60.0
"""Maximum age of a count that a request gets."""

GAUGE_SECONDS = 30.0
"""Seconds between two values of the gauge."""


@dataclass(frozen=True)
class Totals:
    """The counts of one moment.

    Attributes:
        counted_at: when counting began, by ``time.monotonic()``; later changes may be missing.
        sessions: number of sessions in XCom, including ended ones, by DAG.
        active: number of those whose task has not ended, and of those that wait for a decision; None where XCom
            values are not in the database, so that it cannot count them.
        open_reviews: what lists are filtered and sorted with, where there are many.
    """

    counted_at: float
    sessions: Mapping[str, int]
    active: Mapping[str, ActiveCount] | None
    open_reviews: OpenReviews | None = None

    @property
    def are_many(self) -> bool:
        """Whether counting takes too long to do it for each request."""
        return sum(self.sessions.values()) > MANY


class Counter:
    """Caches the totals; one per API server process.

    Args:
        count: counts, in a transaction of its own if it gets None; may take long.
        clock: the clock of ``Totals.counted_at``, in seconds.
        beside: calls a function in a thread, without waiting.
    """

    def __init__(
        self,
        count: Callable[[Session | None], Totals],
        clock: Callable[[], float] = time.monotonic,
        beside: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._count = count
        self._clock = clock
        self._beside = beside or _in_a_thread
        self._lock = threading.Lock()
        self._last: Totals | None = None
        self._used_until = 0.0
        self._counting = False

    def totals(self, db: Session | None = None) -> Totals:
        """Return the current totals, or slightly older ones if there are many reviews.

        Args:
            db: the caller's open session, used if counting must be done now.
        """
        now = self._clock()
        with self._lock:
            last = self._last
            serves = last is not None and last.are_many and now - last.counted_at <= OLDEST_SECONDS
            begin = serves and now > self._used_until and not self._counting
            if begin:
                self._counting = True
        if last is None or not serves:
            return self._count_and_keep(db)
        if begin:
            self._beside(self._refresh)
        return last

    def _refresh(self) -> None:
        try:
            self._count_and_keep(None)
        except Exception:
            log.exception("Counting the reviews failed; trying again.")
        finally:
            with self._lock:
                self._counting = False

    def _count_and_keep(self, db: Session | None) -> Totals:
        totals = self._count(db)
        end = self._clock()
        with self._lock:
            took = end - totals.counted_at
            used_seconds = min(LOAD_SHARE * took, max(OLDEST_SECONDS - ROOM * took, OLDEST_SECONDS / 2))
            self._last, self._used_until = totals, end + used_seconds
        return totals


def _in_a_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="hitl-review-totals", daemon=True).start()


async def send_pending(stats: Stats, totals: Callable[[], Totals], interval: float = GAUGE_SECONDS) -> None:
    """Send the gauge ``hitl_review.pending`` until cancelled; each API server process sends the same number.

    Where XCom values are not in the database, they cannot be counted, and nothing is sent.

    Args:
        stats: the metrics client.
        totals: counts the reviews; called in a thread.
        interval: seconds between two values.
    """
    while True:
        try:
            active = (await asyncio.to_thread(totals)).active
            if active is not None:
                show_pending(stats, sum(count.in_status for count in active.values()))
        except Exception:
            log.warning("Counting the reviews that wait failed; trying again.", exc_info=True)
        await asyncio.sleep(interval)
