"""Limits the concurrent deliveries of one process, in total and by endpoint. No Airflow imports."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime, timedelta

from hitl_webhooks.send.formats import format_names, get_format

MAX_IN_FLIGHT = 64
MAX_IN_FLIGHT_PER_ENDPOINT = 16
"""Maximum number of concurrent attempts; one endpoint that hangs must not take all slots."""

MAX_IN_FLIGHT_IF_SILENT = 2
"""Likewise, for an endpoint that did not answer the last attempt: thirty of them leave slots for the others."""

MAX_QUEUED_AT_A_PACE = 3
"""Likewise, for a rate-limited endpoint: so few that none waits longer than its claim lasts."""

FULL_PAUSE = 0.05
"""Seconds between the retries of deliveries to an endpoint that is at its limit."""


class ConcurrencyLimiter:
    """Decides whether an endpoint can take one more message now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # slots are taken in a database thread, and released in the event loop's
        self._in_flight: Counter[str] = Counter()
        self._silent: set[str] = set()
        self._tail: dict[str, datetime] = {}

    def admit(self, endpoint: str, format_: str | None, now: datetime) -> datetime | None:
        """Return None to send now, which takes a slot until ``leave``; or the time at which to ask again."""
        # An unknown format is reported and recorded when the endpoint is resolved.
        interval = get_format(format_).min_interval if format_ in format_names() else 0.0
        with self._lock:
            places = MAX_IN_FLIGHT_PER_ENDPOINT
            if interval:
                places = MAX_QUEUED_AT_A_PACE
            elif endpoint in self._silent:
                places = MAX_IN_FLIGHT_IF_SILENT
            if self._in_flight[endpoint] < places and self._in_flight.total() < MAX_IN_FLIGHT:
                self._in_flight[endpoint] += 1
                return None
        # Each caller gets a different time, or a long queue would ask again all at once, over and over.
        pause = timedelta(seconds=interval or FULL_PAUSE)
        first = now + (places * pause if interval else timedelta(seconds=1))
        self._tail[endpoint] = max(self._tail.get(endpoint, now), first) + pause
        return self._tail[endpoint]

    def leave(self, endpoint: str, *, answered: bool | None = None) -> None:
        """Release the slot; ``answered`` tells whether the endpoint answered, None if nothing was sent."""
        with self._lock:
            self._in_flight[endpoint] -= 1
            if answered:
                self._silent.discard(endpoint)
            elif answered is False:
                self._silent.add(endpoint)
