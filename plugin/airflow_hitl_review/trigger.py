"""The trigger of a parked review where Airflow has no state ``awaiting_input``, which is before 3.3."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

_LONGEST_SLEEP = 60.0
"""Seconds; the clock that the deadline is compared with may be set."""


class ReviewDeadlineTrigger(BaseTrigger):
    """Fires at the deadline of a review, if it has one.

    It asks nobody anything: the API server resumes a task whose review is decided, and Airflow's triggerer then
    drops this. So a pending review costs the triggerer one coroutine that sleeps.

    Args:
        deadline: ISO 8601 with a time zone; None for never.
    """

    def __init__(self, deadline: str | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.deadline = deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """As Airflow stores it."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {"deadline": self.deadline}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait; the event has the shape of the one with which Airflow 3.3 ends such a wait."""
        deadline = datetime.fromisoformat(self.deadline) if self.deadline is not None else None
        while deadline is None or (left := _seconds_until(deadline)) > 0:  # noqa: ASYNC110 - see _LONGEST_SLEEP
            await asyncio.sleep(_LONGEST_SLEEP if deadline is None else min(left, _LONGEST_SLEEP))
        yield TriggerEvent({"error": "Nobody decided in time.", "error_type": "timeout"})  # type: ignore[no-untyped-call]


def _seconds_until(at: datetime) -> float:
    return (at - datetime.now(timezone.utc)).total_seconds()
