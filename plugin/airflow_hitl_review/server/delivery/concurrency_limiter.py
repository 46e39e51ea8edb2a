"""How much one process sends at once, and to whom. No Airflow."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime, timedelta

from hitl_webhooks.formats import format_names, get_format

MAX_IN_FLIGHT = 64
MAX_IN_FLIGHT_PER_ENDPOINT = 16
"""Attempts under way at once; one endpoint that hangs must not take all places."""

MAX_IN_FLIGHT_IF_SILENT = 2
"""Likewise, for an endpoint whose last attempt had no answer: thirty such leave places for the others."""

MAX_QUEUED_AT_A_PACE = 3
"""Likewise, for an endpoint that takes one message after the other: so few that none outlasts its claim."""

FULL_PAUSE = 0.05
"""Seconds between those that ask again at an endpoint that is full."""


class ConcurrencyLimiter:
    """Says whether an endpoint can take one more message now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # places are taken in a database thread, and given back in the loop's
        self._in_flight: Counter[str] = Counter()
        self._silent: set[str] = set()
        self._tail: dict[str, datetime] = {}

    def admit(self, endpoint: str, format_: str | None, now: datetime) -> datetime | None:
        """None to send now, which takes a place until ``leave``; or the time at which to ask again."""
        # A format that this process does not know is said when the endpoint is resolved, and written down.
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
        # Each is told another time, or a long queue would ask for its turn all at once, again and again.
        pause = timedelta(seconds=interval or FULL_PAUSE)
        first = now + (places * pause if interval else timedelta(seconds=1))
        self._tail[endpoint] = max(self._tail.get(endpoint, now), first) + pause
        return self._tail[endpoint]

    def leave(self, endpoint: str, *, answered: bool | None = None) -> None:
        """Give the place back; ``answered`` tells whether the endpoint did, if it was asked."""
        with self._lock:
            self._in_flight[endpoint] -= 1
            if answered:
                self._silent.discard(endpoint)
            elif answered is False:
                self._silent.add(endpoint)
