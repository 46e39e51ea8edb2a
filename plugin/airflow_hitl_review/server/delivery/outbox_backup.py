"""Keep undelivered events over the start of a new try.

When a task is tried again, Airflow deletes its XComs as the new try starts, and so what is undelivered of the
earlier one. ``web.execution_api.try_start`` prevents that where it can. Where it cannot, those entries are kept
before, and written again after; for that time, which is a few seconds, they are in memory alone.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import datetime

from airflow_hitl_review.core.schema import WEBHOOKS_ENDED_KEY, TaskKey, webhook_key
from airflow_hitl_review.server.db.outbox_queries import rows_about_to_be_cleared
from airflow_hitl_review.server.db.task_instances import BEFORE_A_TRY, load_task_instance
from airflow_hitl_review.server.db.transactions import Session, transaction, utcnow
from airflow_hitl_review.server.db.xcoms import write_xcom, xcom_times
from airflow_hitl_review.server.delivery import outbox
from hitl_webhooks import OutboxEntry

log = logging.getLogger(__name__)

REFRESH_SECONDS = 1.0
"""How old a copy of an entry in danger may get."""


@dataclass
class _Copy:
    """Entries, each with the time of its XCom; and when they were read, by ``time.monotonic()``."""

    entries: list[tuple[OutboxEntry, datetime]]
    read_at: float


class OutboxBackup:
    """Undelivered entries whose XComs are about to be deleted; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._aboard: dict[TaskKey, _Copy] = {}

    def back_up(self, key: TaskKey) -> frozenset[str]:
        """Copy what one task instance has undelivered; what was lost before and is not back yet stays aboard.

        Returns:
            Keys of what is undelivered and in XCom, or may be: also of what cannot be read, and so not be copied.
        """
        with self._lock:
            with transaction() as db:
                found = outbox.undelivered(db, key)
                earlier = self._aboard[key].entries if key in self._aboard else []
                stored_at = _stored_at(db, key, earlier)
                lost = [(e, at) for e, at in earlier if webhook_key(e.event_id) not in stored_at]
            if found.entries or lost:
                self._aboard[key] = _Copy([*found.entries, *lost], time.monotonic())
            else:
                self._aboard.pop(key, None)
        return found.keys

    def sweep(self) -> None:
        """Copy what is in danger, and write again what was deleted."""
        with self._lock:
            before = dict(self._aboard)
        with transaction() as db:
            in_danger = set(rows_about_to_be_cleared(db))
        for key in in_danger:
            if key not in before or time.monotonic() - before[key].read_at > REFRESH_SECONDS:
                try:
                    self.back_up(key)
                except Exception:
                    log.warning("The undelivered events of %s cannot be read.", key, exc_info=True)
        for key, copy in before.items():
            if key in in_danger:
                continue
            try:
                done = _put_back(key, copy.entries)
            except Exception:
                log.exception("Keeping the undelivered events of %s failed; trying again.", key)
                continue
            with self._lock:
                if done and self._aboard.get(key) is copy:
                    del self._aboard[key]


def _put_back(key: TaskKey, entries: list[tuple[OutboxEntry, datetime]]) -> bool:
    """Write what is lost; returns whether there is nothing left to do."""
    with transaction() as db:
        task_instance = load_task_instance(db, key, lock=True)
        if task_instance is None:
            return True  # the run was deleted, and with it all that was to be told
        marked = WEBHOOKS_ENDED_KEY in xcom_times(db, key, (WEBHOOKS_ENDED_KEY,))
        if task_instance.state is None or task_instance.state in BEFORE_A_TRY:
            return not marked  # nothing is deleted yet; without that row all was delivered
        there = _stored_at(db, key, entries)
        if any(there.get(webhook_key(entry.event_id), at) != at for entry, at in entries):
            return True  # another API server has written them again
        if task_instance.state == "running" and (there or marked):
            return False  # a worker deletes them one by one as it starts
        lost = [entry for entry, _ in entries if webhook_key(entry.event_id) not in there]
        for entry in lost:
            write_xcom(db, key, webhook_key(entry.event_id), entry.to_json())
            log.info("Kept an undelivered event of an earlier try of %s.", key)
        if lost:
            outbox.wake_at(db, key, utcnow())
        return True


def _stored_at(db: Session, key: TaskKey, entries: list[tuple[OutboxEntry, datetime]]) -> dict[str, datetime]:
    """When those of the entries were stored that are in XCom, by their keys."""
    return xcom_times(db, key, [webhook_key(entry.event_id) for entry, _ in entries])
