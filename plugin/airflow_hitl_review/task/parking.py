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
"""Its path in Airflow's trigger table: open reviews have it there, so it stays."""

_SHORTEST_PARK = timedelta(seconds=10)
"""The scheduler's timeout sweep must not resume a task whose park it has not taken note of."""


def park(deadline: datetime | None, now: datetime) -> NoReturn:
    """Let the task wait without a worker slot; another process resumes it at ``resume_hitl_review``.

    On Airflow 3.3 and newer it waits in the state ``awaiting_input``, before in ``deferred``.

    Args:
        deadline: when it is resumed though nobody has decided; None for never.
        now: the current time.

    Raises:
        TaskAwaitingInput: Airflow's signal, from 3.3 on.
        TaskDeferred: Airflow's signal, before.
    """
    at = max(deadline, now + _SHORTEST_PARK) if deadline is not None else None
    arguments: dict[str, Any] = {"method_name": RESUME_METHOD, "kwargs": {}}
    if TaskAwaitingInput is not None:
        raise TaskAwaitingInput(**arguments, timeout=at - now if at is not None else None)
    # No timeout of Airflow's own: it would fail the task instead of resuming it.
    raise TaskDeferred(**arguments, trigger=ReviewDeadlineTrigger(at.isoformat() if at is not None else None))


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
        return TRIGGER, {"deadline": self.deadline}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait; the event has the shape of the one with which Airflow 3.3 ends such a wait."""
        deadline = datetime.fromisoformat(self.deadline) if self.deadline is not None else None
        while deadline is None or (left := _seconds_until(deadline)) > 0:  # noqa: ASYNC110 - see _LONGEST_SLEEP
            await asyncio.sleep(_LONGEST_SLEEP if deadline is None else min(left, _LONGEST_SLEEP))
        yield TriggerEvent({"error": "Nobody decided in time.", "error_type": "timeout"})  # type: ignore[no-untyped-call]


def _seconds_until(at: datetime) -> float:
    return (at - datetime.now(timezone.utc)).total_seconds()
