"""The gauge ``hitl_review.pending``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from airflow_hitl_review.core.telemetry import Stats, show_pending
from airflow_hitl_review.server.reviews.inbox_counts import Totals

log = logging.getLogger(__name__)

INTERVAL = 30.0
"""Seconds between two values sent."""


async def run(stats: Stats, totals: Callable[[], Totals], interval: float = INTERVAL) -> None:
    """Send the number of pending reviews until cancelled; each API server process sends the same number.

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
