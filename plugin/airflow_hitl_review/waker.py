"""Wake a parked task once its review is decided: exactly once, and also after a crash.

``wake()`` is the one mechanism. The API calls it right after a decision; ``Waker`` calls it again for what
was not ready then, and for what an earlier API server left behind.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from enum import Enum

from pydantic import ValidationError

from airflow_hitl_review import internals
from airflow_hitl_review.required_action import answer_of
from airflow_hitl_review.review import is_active, parse_session
from airflow_hitl_review.schema import ACTION_KEY, SESSION_KEY, HumanAction, TaskKey
from airflow_hitl_review.settling import is_settled
from airflow_hitl_review.states import SessionStatus

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
"""How often a decided task that is not settled yet is looked at again."""


class Wake(str, Enum):
    """What ``wake()`` did."""

    WOKEN = "woken"
    LATER = "later"
    """Decided, but its worker has not parked yet or the park has not settled: try again."""
    NOTHING = "nothing"
    """Not decided, already woken, or ended."""


def settle_time() -> timedelta:
    """The setting ``[hitl_review] park_settle_seconds``."""
    return timedelta(seconds=float(internals.option("park_settle_seconds", "10")))


def wake(key: TaskKey) -> Wake:
    """Resume a task if it is parked, settled, and its review is decided; in a transaction of its own."""
    with internals.transaction() as db:
        # The lock comes first: a second API server waits here, and then finds the task no longer parked.
        task_instance = internals.load_task_instance(db, key, lock=True)
        if task_instance is None or not is_active(task_instance.state):
            return Wake.NOTHING
        stored = internals.read_xcoms(db, key, SESSION_KEY).get(SESSION_KEY)
        if stored is None or parse_session(stored).status is SessionStatus.PENDING_REVIEW:
            return Wake.NOTHING
        if task_instance.state != internals.AWAITING_INPUT:
            # Still on its way into the park; or woken already and not running yet. The worker takes the
            # decision up from the session, so another look costs nothing.
            return Wake.LATER if task_instance.state == "running" else Wake.NOTHING
        if not is_settled(
            parked_at=task_instance.updated_at,
            now=internals.utcnow(),
            scheduler=internals.load_scheduler(db, task_instance.queued_by_job_id),
            settle=settle_time(),
        ):
            return Wake.LATER
        _close_required_action(db, task_instance)
        internals.resume(db, key, {"decided": True})
        log.info("Woke %s: its review is decided.", key)
        return Wake.WOKEN


def _close_required_action(db: internals.Session, task_instance: internals.TaskInstanceFacts) -> None:
    """It is still open if the review was decided before the task parked."""
    stored = internals.read_xcoms(db, task_instance.key, ACTION_KEY).get(ACTION_KEY)
    try:
        action = HumanAction.model_validate(stored.value) if stored is not None else None
    except ValidationError:
        return  # somebody wrote something else there; that must not keep the task from going on
    if action is not None:
        internals.close_required_action(db, task_instance, answer_of(action))


class Waker:
    """Carries on with wakes that could not be done at once. One per API server process.

    Args:
        sweep_interval: seconds between two looks at the database for what was left behind.
    """

    def __init__(self, sweep_interval: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = sweep_interval
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: dict[TaskKey, float] = {}  # key -> when to give up; the sweep still finds it then

    def wake_soon(self, key: TaskKey) -> None:
        """Wake a task now, or keep trying; for use right after a decision. Never raises."""
        if self._try(key) is Wake.LATER:
            self.wake_later(key)

    def wake_later(self, key: TaskKey) -> None:
        """Leave it to ``run`` to wake a task; for where the database must not be touched."""
        with self._lock:
            self._waiting[key] = self._clock() + 120.0

    def retry(self) -> None:
        """Try those again that were not ready."""
        with self._lock:
            waiting = dict(self._waiting)
        for key, give_up in waiting.items():
            if self._try(key) is not Wake.LATER or self._clock() > give_up:
                with self._lock:
                    self._waiting.pop(key, None)

    def sweep(self) -> None:
        """Look for tasks that are decided but parked, whoever decided them and whenever."""
        try:
            with internals.transaction() as db:
                found = internals.decided_but_parked(db)
        except Exception:
            log.exception("Looking for decided but parked tasks failed; trying again later.")
            return
        for key in found:
            self._try(key)

    def _try(self, key: TaskKey) -> Wake:
        try:
            return wake(key)
        except Exception:
            log.warning("Waking %s failed; trying again.", key, exc_info=True)
            return Wake.LATER

    async def run(self) -> None:
        """Retry and sweep until cancelled."""
        next_sweep = self._clock()
        while True:
            if self._clock() >= next_sweep:
                await asyncio.to_thread(self.sweep)
                next_sweep = self._clock() + self._interval
            if self._waiting:
                await asyncio.to_thread(self.retry)
            await asyncio.sleep(RETRY_SECONDS)
