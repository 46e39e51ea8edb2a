"""Orphaned reviews: sends the final event of a review whose worker is gone.

A task can be marked failed or successful, cleared, or killed while its review is open. Then no worker is left to
send the final event, or the event of an output that was just shown, but ``WEBHOOKS_KEY`` still has the recipients.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from pydantic import ValidationError

from airflow_hitl_review.core.conversation import edited_output_of
from airflow_hitl_review.core.event_builder import ABANDONED, announce
from airflow_hitl_review.core.schema import (
    ACTION_KEY,
    SESSION_KEY,
    WEBHOOKS_ENDED_KEY,
    WEBHOOKS_KEY,
    AgentSession,
    Decision,
    edited_output_key,
    webhook_key,
)
from airflow_hitl_review.core.states import Action, SessionStatus
from airflow_hitl_review.core.stored import UnreadableXComError, parse_session, read_decision
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.core.webhook_endpoints import ReviewWebhooks
from airflow_hitl_review.server.db.outbox_queries import rows_without_worker
from airflow_hitl_review.server.db.task_instances import load_task_instance
from airflow_hitl_review.server.db.transactions import Session, site, transaction, utcnow
from airflow_hitl_review.server.db.xcoms import delete_xcom, read_xcoms, write_xcom
from hitl_webhooks import EventType, OutboxEntry

log = logging.getLogger(__name__)

RETRY_SECONDS = 60.0
"""Delay before the next attempt for a review whose final event failed."""

WAIT_SECONDS = 10.0
"""Delay before the next check of a task that is about to resume, or whose review is temporarily unreadable."""

LIMIT = 200
"""Maximum number of reviews in one sweep; the next sweep takes the others."""


class Ends:
    """Puts the final event of each review that lost its worker into its outbox."""

    def __init__(self) -> None:
        self._later: dict[TaskKey, float] = {}  # when to check again

    def announce(self) -> None:
        """Put the final events of all orphaned reviews into their outboxes."""
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
                log.warning("The end of the review of %s will be announced later. %s", key, error)
            except Exception:
                self._later[key] = now + RETRY_SECONDS
                log.exception("Announcing the end of the review of %s failed; trying again later.", key)


def announce_end(key: TaskKey) -> bool:
    """Put the final event of one task instance's review into its outbox, if the review has lost its worker.

    It has not while the task instance has the same id and has not ended. A resumed task whose worker died before it
    could start waits for another try under that id, or has no state while Airflow takes it back from a dead
    scheduler; then it continues its review (see ``reschedule_recovery``).

    Returns:
        True if nothing is left to do; False if the task is about to resume.
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
    """The events that the worker could no longer store; none if the review was never shown.

    These are the final event and, if the worker was killed after showing an output and before its event, that one.
    """
    xcoms = read_xcoms(db, key, SESSION_KEY) | read_xcoms(db, key, ACTION_KEY)
    if SESSION_KEY not in xcoms:
        return []
    try:
        session = parse_session(xcoms[SESSION_KEY])
    except ValidationError as error:
        log.warning(
            "The end of the review of %s is not announced: somebody has overwritten its XComs (%s).",
            key,
            error.title,
        )
        return []
    decided = _decision_of(session, read_decision(xcoms.get(ACTION_KEY)))
    edited = edited_output_of(decided, read_xcoms(db, key, edited_output_key(session.iteration)))
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
        decision=decided,
        edited_output=edited,
        **of_try,
    )
    return [
        OutboxEntry.of(event, endpoints)
        for event in (shown, ended)
        if not (event is shown and decided is not None and decided.channel == "policy")  # nobody need look
        if (endpoints := webhooks.wanting(event.type.value)) and not read_xcoms(db, key, webhook_key(event.id))
    ]


def _decision_of(session: AgentSession, stored: Decision | None) -> Decision | None:
    """The decision that ended the review, if one did; what ``review_when`` decided is only in the session."""
    last = session.decisions[-1] if session.decisions and session.decisions[-1].is_nobodys else stored
    ends = session.status in (SessionStatus.APPROVED, SessionStatus.REJECTED)
    return last if ends and last is not None and last.action is not Action.CHANGES_REQUESTED else None
