"""Orphaned reviews: the final event of a review that ended without its worker.

A task can be marked failed or successful, cleared, or killed under an open review. Nobody is left to send the
final event then, or that of an output that was just being shown, but ``WEBHOOKS_KEY`` still says whom to tell.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from pydantic import ValidationError

from airflow_hitl_review.core.event_builder import ABANDONED, announce
from airflow_hitl_review.core.review import UnreadableXComError, parse_session, read_action
from airflow_hitl_review.core.schema import (
    ACTION_KEY,
    SESSION_KEY,
    WEBHOOKS_ENDED_KEY,
    WEBHOOKS_KEY,
    ReviewWebhooks,
    TaskKey,
    webhook_key,
)
from airflow_hitl_review.core.states import Action, SessionStatus
from airflow_hitl_review.server.db.outbox_queries import rows_without_worker
from airflow_hitl_review.server.db.task_instances import load_task_instance
from airflow_hitl_review.server.db.transactions import Session, site, transaction, utcnow
from airflow_hitl_review.server.db.xcoms import delete_xcom, read_xcoms, write_xcom
from hitl_webhooks import EventType, OutboxEntry

log = logging.getLogger(__name__)

RETRY_SECONDS = 60.0
"""Before another try with a review whose end could not be told."""

WAIT_SECONDS = 10.0
"""Before another look at a task that is about to go on, or whose review cannot be read just now."""

LIMIT = 200
"""At most so many ends are told in one sweep; the next one takes the others."""


class Ends:
    """Puts the final event of each review that lost its worker into its outbox."""

    def __init__(self) -> None:
        self._later: dict[TaskKey, float] = {}  # when to look again

    def announce(self) -> None:
        """Do so for all that are found."""
        now = time.monotonic()
        self._later = {key: at for key, at in self._later.items() if at > now}
        with transaction() as db:
            keys = rows_without_worker(db, LIMIT + len(self._later))
        for key in keys:
            if key in self._later:
                continue
            try:
                if not announce_end(key):
                    self._later[key] = now + WAIT_SECONDS
            except UnreadableXComError as error:
                self._later[key] = now + WAIT_SECONDS
                log.warning("That the review of %s has ended is told later. %s", key, error)
            except Exception:
                self._later[key] = now + RETRY_SECONDS
                log.exception("Telling that the review of %s has ended failed; trying again later.", key)


def announce_end(key: TaskKey) -> bool:
    """Do so for one task instance, if its review has indeed lost its worker.

    It has not while the task instance has the same id and is not over. A task that was resumed, and whose worker
    died before it could start, waits for another try under that id, or has no state at all while Airflow takes it
    back from a dead scheduler; then it goes on with its review (see ``reschedule_recovery``).

    Returns:
        Whether that is settled; else the task is about to go on.
    """
    with transaction() as db:
        task_instance = load_task_instance(db, key, lock=True)
        if task_instance is None:
            return True
        xcoms = read_xcoms(db, key, WEBHOOKS_KEY)
        stored = xcoms.get(WEBHOOKS_KEY)
        if stored is None:
            return True
        try:
            webhooks = ReviewWebhooks.model_validate(stored.value)
        except ValidationError:
            delete_xcom(db, key, WEBHOOKS_KEY)
            log.warning("XCom %r of %s was not ours: deleted.", WEBHOOKS_KEY, key)
            return True
        if task_instance.id == webhooks.task_instance_id and not task_instance.has_ended:
            return False
        for entry in _untold(db, key, webhooks):
            write_xcom(db, key, webhook_key(entry.event_id), entry.to_json())
        write_xcom(db, key, WEBHOOKS_ENDED_KEY, True)
        delete_xcom(db, key, WEBHOOKS_KEY)
    return True


def _untold(db: Session, key: TaskKey, webhooks: ReviewWebhooks) -> list[OutboxEntry]:
    """The events that the worker could not keep any more; none if the review was never shown.

    The final one, and, if the worker was killed between showing an output and telling of it, that one.
    """
    xcoms = read_xcoms(db, key, SESSION_KEY) | read_xcoms(db, key, ACTION_KEY)
    if SESSION_KEY not in xcoms:
        return []
    try:
        session = parse_session(xcoms[SESSION_KEY])
    except ValidationError as error:
        log.warning(
            "The end of the review of %s is not told: somebody wrote over its XComs (%s).", key, error.title
        )
        return []
    action = read_action(xcoms.get(ACTION_KEY))
    decided = (
        action if session.status.is_final and action and action.action is not Action.CHANGES_REQUESTED else None
    )
    if session.status is SessionStatus.PENDING_REVIEW:
        log.info("The review of %s was abandoned: its task has ended or was cleared.", key)
    of_try: dict[str, Any] = {
        "key": key,
        "task_instance_id": webhooks.task_instance_id,
        "try_number": webhooks.try_number,
        "site": site(),
        "at": utcnow(),
    }
    shown = announce(EventType.OUTPUT_READY, session, status=SessionStatus.PENDING_REVIEW.value, **of_try)
    ended = announce(
        EventType.FINALIZED,
        session,
        status=None if session.status.is_final else ABANDONED,
        feedback=decided.feedback or None if decided else None,
        decided_by=decided.user if decided else None,
        decided_at=decided.at if decided else None,
        **of_try,
    )
    return [
        OutboxEntry.of(event, endpoints)
        for event in (shown, ended)
        if (endpoints := webhooks.wanting(event.type.value)) and not read_xcoms(db, key, webhook_key(event.id))
    ]
