"""Resume a parked task once its review is decided: exactly once, and also after a crash.

``wake()`` is the only mechanism. The API calls it right after a decision; ``Resumer`` calls it again for tasks
that were not ready then, and for those that an earlier API server left behind. It also detects a decision that was
written into XCom without this API, see ``core.audit_record``, and a deadline that no triggerer has noticed.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from enum import Enum

from airflow_hitl_review.core import audit_record
from airflow_hitl_review.core.options import seconds
from airflow_hitl_review.core.required_action_form import answer_of
from airflow_hitl_review.core.resume_guard import is_settled
from airflow_hitl_review.core.review import is_active
from airflow_hitl_review.core.schema import ACTION_KEY, SESSION_KEY, AgentSession
from airflow_hitl_review.core.states import SessionStatus
from airflow_hitl_review.core.stored import UnreadableXComError, read_decision, read_session
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.audit_log import write_audit_log
from airflow_hitl_review.server.db.hitl_detail import close_required_action
from airflow_hitl_review.server.db.parked_reviews import (
    decided_but_parked,
    deferred_past_deadline,
    parked_without_session,
    written_since_the_park,
)
from airflow_hitl_review.server.db.task_instances import (
    TaskInstanceFacts,
    load_heartbeat,
    load_task_instance,
    park_anew,
    resume,
)
from airflow_hitl_review.server.db.transactions import Session, option, transaction, utcnow
from airflow_hitl_review.server.db.xcoms import read_xcoms, values_are_in_the_row, write_xcom
from airflow_hitl_review.server.reviews import reschedule_recovery
from airflow_hitl_review.server.reviews.resume_event import event_of
from airflow_hitl_review.server.reviews.scan_window import ScanWindow

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
"""Seconds between two checks of a decided task that is not parked yet."""


class Wake(str, Enum):
    """The result of ``wake()``."""

    WOKEN = "woken"
    LATER = "later"
    """Decided, but the task has not parked yet: try again."""
    NOTHING = "nothing"
    """Not decided, already woken, or ended."""
    REFUSED = "refused"
    """The decision in XCom was not made through this API: the review is pending again."""


def settle_time() -> timedelta:
    """The setting ``[hitl_review] park_settle_seconds``."""
    return timedelta(seconds=seconds("park_settle_seconds", option))


def wake(key: TaskKey) -> Wake:
    """Resume a task if it is parked and its review is decided or overdue, in a separate transaction.

    Raises:
        UnreadableXComError: the XComs cannot be read at the moment; nothing was done.
    """
    with transaction() as db:
        # Lock first: a second API server waits here, and then finds that the task is no longer parked.
        task_instance = load_task_instance(db, key, lock=True)
        if task_instance is None or not is_active(task_instance.state):
            return Wake.NOTHING
        session = read_session(read_xcoms(db, key, SESSION_KEY).get(SESSION_KEY))
        if session is None:
            return Wake.NOTHING
        is_missed = _has_missed_deadline(task_instance, session)
        if session.status is SessionStatus.PENDING_REVIEW and not is_missed:
            return Wake.NOTHING
        if not task_instance.is_parked:
            # The task is still parking, or already resumed and not running yet. The worker reads the decision
            # from the session, so checking again does no harm.
            return Wake.LATER if task_instance.state == "running" else Wake.NOTHING
        decision = read_decision(read_xcoms(db, key, ACTION_KEY).get(ACTION_KEY)) if not is_missed else None
        event = event_of(db, task_instance, session, decision) if not is_missed else {}
        if event is None:
            _refuse(db, task_instance, session)
            return Wake.REFUSED
        if decision is not None:
            # The required action is still open if the review was decided before the task parked.
            close_required_action(db, task_instance, answer_of(decision))
        settled = is_settled(
            parked_at=task_instance.updated_at,
            heartbeat=load_heartbeat(db, task_instance.queued_by_job_id),
            settle=settle_time(),
        )
        resume(db, key, event, as_next_try=not settled)
        log.info("Woke %s: its %s.", key, "deadline is over" if is_missed else "review is decided")
        return Wake.WOKEN


def _has_missed_deadline(task_instance: TaskInstanceFacts, session: AgentSession) -> bool:
    """Whether a deferred review waits after its deadline, because no triggerer runs; the worker looks for itself.

    Airflow's scheduler resumes tasks that wait as ``awaiting_input``.
    """
    waits = task_instance.is_deferred and session.status is SessionStatus.PENDING_REVIEW
    return waits and session.deadline_at is not None and session.deadline_at <= utcnow()


def _refuse(db: Session, task_instance: TaskInstanceFacts, session: AgentSession) -> None:
    """Set the review back to pending, and report that."""
    key = task_instance.key
    pending = session.model_copy(update={"status": SessionStatus.PENDING_REVIEW})
    write_xcom(db, key, SESSION_KEY, pending.model_dump(mode="json"))
    park_anew(db, key)  # this write, too, is later than the park time: the sweep would find it forever
    write_audit_log(
        db,
        task_instance,
        event=audit_record.REFUSED,
        user=None,
        extra={"status": session.status.value, "iteration": session.iteration},
    )
    log.error(
        "%s: its XComs say %s, but nobody decided that through this API. Somebody has written the XCom "
        "%r or %r by hand: see the audit log. The review is pending again.",
        key,
        session.status.value,
        SESSION_KEY,
        ACTION_KEY,
    )


def _tell_of_lost_sessions(db: Session) -> None:
    for key in parked_without_session(db):
        log.error(
            "%s waits for its review, but the review is gone from XCom: it was deleted by hand or by "
            "`airflow db clean`. Nobody can decide it any more. Clear the task to make and review its output "
            "again.",
            key,
        )


class Resumer:
    """Retries wakes that could not be done at once. One per API server process.

    Args:
        sweep_interval: seconds between two database queries for tasks that were left behind.
    """

    def __init__(self, sweep_interval: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = sweep_interval
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: dict[TaskKey, float] = {}  # key -> when to give up; then the sweep still finds it
        self._window = ScanWindow(clock)

    def wake_soon(self, key: TaskKey) -> None:
        """Wake a task now, or keep trying; call it right after a decision. Never raises."""
        if self._try(key) is Wake.LATER:
            self.wake_later(key)

    def wake_later(self, key: TaskKey) -> None:
        """Let ``run`` wake a task; for callers that must not use the database."""
        with self._lock:
            self._waiting[key] = self._clock() + 120.0

    def retry(self) -> None:
        """Retry the tasks that were not ready."""
        with self._lock:
            waiting = dict(self._waiting)
        for key, give_up in waiting.items():
            if self._try(key) is not Wake.LATER or self._clock() > give_up:
                with self._lock:
                    self._waiting.pop(key, None)

    def sweep(self) -> None:
        """Find tasks that are decided but still parked, whoever decided and whenever, and rescheduled ones.

        Also finds tasks whose XComs have a decision that nobody made, and, in a full scan, missed deadlines.
        """
        try:
            reschedule_recovery.keep_all()
            with self._window.look(utcnow()) as since, transaction() as db:
                found = decided_but_parked(db)
                found += [key for key in written_since_the_park(db, since) if key not in found]
                if since is None:
                    _tell_of_lost_sessions(db)
                    if values_are_in_the_row():
                        found += deferred_past_deadline(db, utcnow())
        except Exception:
            log.exception("Looking for decided but parked tasks failed; trying again later.")
            return
        for key in found:
            self._try(key)

    def _try(self, key: TaskKey) -> Wake:
        try:
            return wake(key)
        except UnreadableXComError as error:
            log.warning("%s cannot be woken yet; trying again. %s", key, error)
            return Wake.LATER
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
