"""The trigger of a parked review before Airflow 3.3. Triggerers import nothing else of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

TRIGGER = "airflow_hitl_review.trigger.ReviewDeadlineTrigger"
"""Import path stored in Airflow's trigger table; do not change it, open reviews use it."""

_LONGEST_SLEEP = 60.0
"""In seconds; limited because the system clock may be changed during the sleep."""


class ReviewDeadlineTrigger(BaseTrigger):
    """Fires at the deadline of a review, if it has one.

    It does not poll: the API server resumes a task when its review is decided, and Airflow's triggerer then
    cancels this trigger. So a pending review costs the triggerer only one sleeping coroutine.

    Args:
        deadline: ISO 8601 with a time zone; None for never.
    """

    def __init__(self, deadline: str | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.deadline = deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, as Airflow stores them."""
        return TRIGGER, {"deadline": self.deadline}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for the deadline; the event has the same format as that of a timeout in Airflow 3.3."""
        deadline = datetime.fromisoformat(self.deadline) if self.deadline is not None else None
        while deadline is None or (left := _seconds_until(deadline)) > 0:  # noqa: ASYNC110 - see _LONGEST_SLEEP
            await asyncio.sleep(_LONGEST_SLEEP if deadline is None else min(left, _LONGEST_SLEEP))
        yield TriggerEvent({"error": "Nobody decided in time.", "error_type": "timeout"})  # type: ignore[no-untyped-call]


def _seconds_until(at: datetime) -> float:
    return (at - datetime.now(timezone.utc)).total_seconds()
