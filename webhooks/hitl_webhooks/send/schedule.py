"""Retry schedule of undelivered events."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

STANDARD_WAITS: tuple[float, ...] = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
"""Seconds: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h. Standard Webhooks 1.0.0, "Retry schedule"."""

LONGEST_WAIT = 86400.0
"""Maximum ``Retry-After`` in seconds (one day)."""


@dataclass(frozen=True)
class RetrySchedule:
    """Waits between attempts.

    Attributes:
        waits: seconds before each further attempt; after the last one, delivery is given up.
        jitter: each wait is randomly lengthened or shortened by up to this fraction, so that attempts that
            failed together are not retried together.
    """

    waits: tuple[float, ...] = STANDARD_WAITS
    jitter: float = 0.1

    def wait(
        self,
        step: int,
        retry_after: float | None = None,
        *,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> timedelta | None:
        """Return the wait before the next attempt; None if there is none.

        Args:
            step: number of waits used up, from 0.
            retry_after: ``Retry-After`` in seconds; used if longer than the scheduled wait.
            uniform: source of randomness.
        """
        if step >= len(self.waits):
            return None
        scheduled = self.waits[step] * uniform(1 - self.jitter, 1 + self.jitter)
        return timedelta(seconds=max(scheduled, min(retry_after or 0.0, LONGEST_WAIT)))

    @classmethod
    def parse(cls, text: str) -> RetrySchedule:
        """Parse waits from a setting: comma-separated seconds; empty for no retries.

        Raises:
            ValueError: the text is invalid.
        """
        try:
            waits = tuple(float(part) for part in text.split(",") if part.strip())
        except ValueError:
            waits = (-1.0,)
        if not all(0 < wait <= 30 * LONGEST_WAIT for wait in waits):
            raise ValueError(f"A retry schedule is a list of seconds such as '5, 300, 1800', not {text!r}.")
        return cls(waits)
