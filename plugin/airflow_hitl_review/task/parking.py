"""How a task waits for its review without a worker slot."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NoReturn

from airflow_hitl_review.core.airflow_sdk import TaskAwaitingInput, TaskDeferred
from airflow_hitl_review.core.schema import RESUME_METHOD

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
    from airflow_hitl_review.task.deadline_trigger import ReviewDeadlineTrigger

    # Without Airflow's own timeout, which would fail the task instead of resuming it.
    raise TaskDeferred(**arguments, trigger=ReviewDeadlineTrigger(at.isoformat() if at is not None else None))
