"""Preserve undelivered events across the start of a new try.

When a new try starts, Airflow deletes the task's XComs, including the undelivered events of the earlier try.
``web.execution_api.try_start`` prevents that where it can. Where it cannot, this module copies those entries before
the start and writes them again afterwards; for those few seconds, they are only in memory.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import datetime

from airflow_hitl_review.core.schema import WEBHOOKS_ENDED_KEY, webhook_key
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.outbox_queries import look_by, rows_about_to_be_cleared
from airflow_hitl_review.server.db.task_instances import BEFORE_A_TRY, load_task_instance
from airflow_hitl_review.server.db.transactions import Session, transaction, utcnow
from airflow_hitl_review.server.db.xcoms import write_xcom, xcom_times
from airflow_hitl_review.server.delivery import outbox
from hitl_webhooks import OutboxEntry

log = logging.getLogger(__name__)

REFRESH_SECONDS = 1.0
"""Maximum age in seconds of the copy of an entry that may be deleted."""


@dataclass
class _Copy:
    """Entries, each with its XCom's timestamp, and when they were read, by ``time.monotonic()``."""

    entries: list[tuple[OutboxEntry, datetime]]
    read_at: float


class OutboxBackup:
    """Undelivered entries whose XComs are about to be deleted; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[TaskKey, _Copy] = {}

    def back_up(self, key: TaskKey) -> frozenset[str]:
        """Copy a task instance's undelivered entries; keeps copies of lost ones that are not restored yet.

        Returns:
            Keys of the undelivered entries in XCom, including unreadable ones, which cannot be copied.
        """
        with self._lock:
            with transaction() as db:
                found = outbox.undelivered(db, key)
                earlier = self._kept[key].entries if key in self._kept else []
                stored_at = _stored_at(db, key, earlier)
                lost = [(e, at) for e, at in earlier if webhook_key(e.event_id) not in stored_at]
            if found.entries or lost:
                self._kept[key] = _Copy([*found.entries, *lost], time.monotonic())
            else:
                self._kept.pop(key, None)
        return found.keys

    def sweep(self) -> None:
        """Copy entries that may be deleted soon, and restore deleted ones."""
        with self._lock:
            before = dict(self._kept)
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
                if done and self._kept.get(key) is copy:
                    del self._kept[key]


def _put_back(key: TaskKey, entries: list[tuple[OutboxEntry, datetime]]) -> bool:
    """Restore lost entries; returns whether nothing is left to do."""
    with transaction() as db:
        task_instance = load_task_instance(db, key, lock=True)
        if task_instance is None:
            return True  # the run was deleted, and its events with it
        marked = WEBHOOKS_ENDED_KEY in xcom_times(db, key, (WEBHOOKS_ENDED_KEY,))
        if task_instance.state is None or task_instance.state in BEFORE_A_TRY:
            return not marked  # nothing is deleted yet; without that row, everything was delivered
        there = _stored_at(db, key, entries)
        if any(there.get(webhook_key(entry.event_id), at) != at for entry, at in entries):
            return True  # another API server has restored them
        if task_instance.state == "running" and (there or marked):
            return False  # a worker deletes them one by one as it starts
        lost = [entry for entry, _ in entries if webhook_key(entry.event_id) not in there]
        for entry in lost:
            write_xcom(db, key, webhook_key(entry.event_id), entry.to_json())
            log.info("Kept an undelivered event of an earlier try of %s.", key)
        if lost:
            look_by(db, key, utcnow())
        return True


def _stored_at(db: Session, key: TaskKey, entries: list[tuple[OutboxEntry, datetime]]) -> dict[str, datetime]:
    """The timestamps of the entries that are in XCom, by key."""
    return xcom_times(db, key, [webhook_key(entry.event_id) for entry, _ in entries])
