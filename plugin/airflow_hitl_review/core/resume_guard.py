"""When a parked task can be resumed as the same try. No Airflow.

Why it matters: of a task that is queued or runs, Airflow takes an executor's event that its process has ended for a
failure; and a task that is resumed soon after its park can be queued before the scheduler has read that event
(apache/airflow #66374, #67287, #72716). The event names the try number. So what is not settled yet goes on under
the next one (``server.db.task_instances.resume``). Measured with Airflow 3.3.2, PostgreSQL and LocalExecutor,
decisions 0 to 0.5 s after the park: as the same try 7 of 12 tasks failed, as the next one none of 30.

What is settled stays the same try, with one log and one number for what people see as one run. The scheduler
leaves no trace of an event in the database, but reads them in each of its loops before it may write its heartbeat.
So a task counts as settled once its scheduler has a heartbeat that is ``park_settle_seconds`` younger than the
park. That span must cover the end of the worker's process, with the upload of its log, and one loop of the
scheduler; Airflow gives a process 20 s for its end (``[core] task_success_overtime``). Hence a minute. Nobody waits
for it.
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
    """Whether a task parked at ``parked_at`` can be resumed as the same try without Airflow failing it.

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
