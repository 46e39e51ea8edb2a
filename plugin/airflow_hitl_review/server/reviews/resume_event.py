"""The event that resumes a task: the decision in XCom, and what the audit log has of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from airflow_hitl_review.core import audit_record
from airflow_hitl_review.core.ai_provider import bundle_folder
from airflow_hitl_review.core.schema import AgentSession, Decision, edited_output_key
from airflow_hitl_review.core.states import SessionStatus, advance
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.audit_log import read_last_audit_entry
from airflow_hitl_review.server.db.task_instances import TaskInstanceFacts
from airflow_hitl_review.server.db.transactions import Session, site, utcnow
from airflow_hitl_review.server.db.xcoms import read_xcoms


def event_of(
    db: Session, task_instance: TaskInstanceFacts, session: AgentSession, decision: Decision | None
) -> dict[str, Any] | None:
    """The event for a parked task whose review is decided; None if nobody decided so through this API.

    Raises:
        UnreadableXComError: the edit cannot be read at the moment.
    """
    edited = _edited_output(db, task_instance.key, decision)
    recorded = _recorded(db, task_instance, decision, session, edited) if decision is not None else None
    # Decided by the clock, and the worker parked before it could end the review: it decides again.
    is_own = audit_record.is_decided_by_clock(session, utcnow())
    if recorded is None and not is_own and not _others_decide():
        return None
    return {} if is_own else audit_record.event_for(recorded, decision, session.current_output, edited)


def _edited_output(db: Session, key: TaskKey, decision: Decision | None) -> str | None:
    """The text of the decision's edit as it is in XCom, whoever wrote it."""
    if decision is None or not decision.is_edited:
        return None
    name = edited_output_key(decision.iteration)
    stored = read_xcoms(db, key, name).get(name)
    return str(stored.value) if stored is not None else None


def _recorded(
    db: Session, task_instance: TaskInstanceFacts, decision: Decision, session: AgentSession, edited: str | None
) -> dict[str, Any] | None:
    """The audit log's record of the decision in XCom; None if it is not the last entry."""
    before = replace(session.state, status=SessionStatus.PENDING_REVIEW)
    if advance(before, decision.action).status is not session.status:
        return None
    wanted = audit_record.record_of(decision, session.current_output, edited)
    event, record = read_last_audit_entry(db, task_instance, audit_record.EVENTS) or ("", {})
    is_last = event == audit_record.event_of(decision.action) and audit_record.is_same(record, wanted)
    return record if is_last else None


def _others_decide() -> bool:
    """Whether the AI provider's API is served, too: it makes decisions without an audit log entry."""
    return site().is_moved and bundle_folder() is not None
