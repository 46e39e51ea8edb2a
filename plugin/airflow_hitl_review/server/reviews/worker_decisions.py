"""Records decisions that nobody made: what a task's settings say at the deadline, or without a review.

The worker writes such a decision into the session, and cannot write Airflow's audit log. So the API server does,
once Airflow has stored the session. These entries have names of their own: no task is resumed for them.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from airflow_hitl_review.core.schema import AgentSession, Decision
from airflow_hitl_review.core.states import SessionStatus
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.core.telemetry import count_decision
from airflow_hitl_review.server.db.audit_log import read_last_audit_entry, write_audit_log
from airflow_hitl_review.server.db.stats import stats
from airflow_hitl_review.server.db.task_instances import load_task_instance
from airflow_hitl_review.server.db.transactions import after_commit, transaction

EVENTS = {"timeout": "hitl_review.timeout", "policy": "hitl_review.policy"}
"""Names of the audit log's entries, by the channel of the decision."""


def record(key: TaskKey, session: AgentSession) -> None:
    """Write an entry for the session's last decision, if the worker made it and has just written it.

    Args:
        key: the task instance.
        session: as the worker wrote it.
    """
    decision = session.decisions[-1] if session.decisions else None
    event = EVENTS.get(decision.channel) if decision is not None else None
    if decision is None or event is None or session.status is SessionStatus.PENDING_REVIEW:
        return
    extra = {
        "action": decision.action.value,
        "iteration": decision.iteration,
        "output_sha256": decision.output_sha256,
        "channel": decision.channel,
    }
    with transaction() as db:
        task_instance = load_task_instance(db, key, lock=True)
        if task_instance is None or task_instance.id != session.task_instance_id:
            return
        last = read_last_audit_entry(db, task_instance, EVENTS.values())
        if last is not None and last[1].items() >= extra.items():
            return  # the worker has repeated a write whose answer was lost
        write_audit_log(db, task_instance, event=event, user=None, extra=extra)
        after_commit(db, partial(count_decision, stats(), key, decision.action, _waited(session, decision)))


def _waited(session: AgentSession, decision: Decision) -> timedelta | None:
    """How long the review had waited, if it waited at all."""
    if decision.channel == "policy" or decision.at is None or session.created_at is None:
        return None
    return decision.at - session.created_at
