"""How a task waits for its review without a worker slot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from typing import Any, NoReturn

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_hitl_review.core.airflow_sdk import TaskAwaitingInput, TaskDeferred
from airflow_hitl_review.core.schema import RESUME_METHOD

TRIGGER = "airflow_hitl_review.trigger.ReviewDeadlineTrigger"
"""Import path stored in Airflow's trigger table; do not change it, open reviews use it."""

_SHORTEST_PARK = timedelta(seconds=10)
"""Minimum timeout: the scheduler's timeout check must not resume a task before it knows that the task parked."""


def park(deadline: datetime | None, now: datetime) -> NoReturn:
    """Let the task wait without a worker slot; another process resumes it at ``resume_hitl_review``.

    It waits in the state ``awaiting_input``, or ``deferred`` before Airflow 3.3.

    Args:
        deadline: when it is resumed even without a decision; None for never.
        now: the current time.

    Raises:
        TaskAwaitingInput: Airflow's signal since 3.3.
        TaskDeferred: Airflow's signal before 3.3.
    """
    at = max(deadline, now + _SHORTEST_PARK) if deadline is not None else None
    arguments: dict[str, Any] = {"method_name": RESUME_METHOD, "kwargs": {}}
    if TaskAwaitingInput is not None:
        raise TaskAwaitingInput(**arguments, timeout=at - now if at is not None else None)
    # Without Airflow's own timeout, which would fail the task instead of resuming it.
    raise TaskDeferred(**arguments, trigger=ReviewDeadlineTrigger(at.isoformat() if at is not None else None))


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
