"""When a parked task may be resumed. No Airflow.

Why it waits: Airflow 3.3 fails a task that is resumed before its scheduler has taken note that the run
which parked it has ended (apache/airflow #66374, #67287, #72716). The scheduler leaves no trace of that in
the database; but it takes note in each of its loops before it may write its heartbeat. So a task counts as
settled once its scheduler has a heartbeat that is ``park_settle_seconds`` younger than the park. That span
covers the end of the worker's process and one loop of the scheduler. Measured on 2 cores: 3 s were enough for
a scheduler by itself (100 of 100), and not enough beside a browser and JupyterLab (1 of 4 failed); hence 10 s.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class SchedulerFacts:
    """A scheduler job: whether it is alive, and its last heartbeat."""

    alive: bool
    latest_heartbeat: datetime | None


def is_settled(*, parked_at: datetime, now: datetime, scheduler: SchedulerFacts, settle: timedelta) -> bool:
    """Whether a task parked at ``parked_at`` can be resumed without Airflow failing it.

    Args:
        parked_at: when the task instance became ``awaiting_input``.
        now: the current time.
        scheduler: the scheduler job that queued the task. A dead one will never take note of anything.
        settle: how long the worker's end and one loop of the scheduler may take.
    """
    if now - parked_at < settle:
        return False
    if not scheduler.alive:
        return True
    heartbeat = scheduler.latest_heartbeat
    return heartbeat is not None and heartbeat - parked_at >= settle
