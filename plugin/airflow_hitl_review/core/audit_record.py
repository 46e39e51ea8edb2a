"""Audit log record of a decision, and its comparison with the decision in XCom. No Airflow imports.

Anybody who may edit XComs of the DAG can write XComs through Airflow's public API, even people who may not decide.
They cannot write the audit log: ``decide()`` writes it in the transaction of the decision. So a task is resumed for
a decision only if that is the review's latest entry in the audit log. A decision that was overwritten, and restored
once the review was pending again, does not resume it. The resume event tells the task what was found, and the task
accepts no other decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from airflow_hitl_review.core.schema import AgentSession, Decision, is_reviewer
from airflow_hitl_review.core.states import Action, SessionStatus
from airflow_hitl_review.core.texts import sha256_of

REFUSED = "hitl_review.refused"
"""Audit log entry: a decision in XCom was refused because the audit log does not have it."""

EVENTS = (*(f"hitl_review.{action.value}" for action in Action), REFUSED)
"""Audit log events of a review; the latest one counts."""

_COMPARED = (
    "action",
    "iteration",
    "user_id",
    "output_sha256",
    "feedback_sha256",
    "edited_output_sha256",
    "acting_for_id",
)


def event_of(action: Action) -> str:
    """Name of a decision's audit log event."""
    return f"hitl_review.{action.value}"


def record_of(decision: Decision, output: str, edited_output: str | None) -> dict[str, Any]:
    """The audit record: who decided what about which output, with digests instead of texts.

    Args:
        decision: the decision.
        output: the output that was decided about, as the reviewer saw it.
        edited_output: the output as the reviewer edited it, in XCom; counts only if the decision has one.
    """
    return {
        "action": decision.action.value,
        "iteration": decision.iteration,
        "user_id": decision.user.id if decision.user else None,
        "output_sha256": sha256_of(output),
        "feedback_sha256": sha256_of(decision.feedback),
        "edited_output_sha256": _digest(edited_output) if decision.is_edited else None,
        "channel": decision.channel,
        "acting_for_id": decision.acting_for.id if decision.acting_for else None,
    }


def _digest(edited_output: str | None) -> str:
    """Of an edit; a missing one is not an empty one."""
    return sha256_of(edited_output) if edited_output is not None else "missing"


def is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two records describe the same decision."""
    return all(one.get(field) == other.get(field) for field in _COMPARED)


def is_decided_by_clock(session: AgentSession, now: datetime) -> bool:
    """Whether a session says that its worker decided, as nobody had done so at the deadline, which is over.

    The audit log cannot confirm that, and the worker need not believe it: it looks at the clock again.
    """
    says_so = bool(session.decisions) and session.decisions[-1].channel == "timeout"
    return (
        says_so
        and session.status is not SessionStatus.PENDING_REVIEW
        and session.deadline_at is not None
        and session.deadline_at <= now
    )


def event_for(
    recorded: Mapping[str, Any] | None, decision: Decision | None, output: str, edited_output: str | None
) -> dict[str, Any]:
    """The event that resumes a task: nobody can change it through XCom, so the worker trusts it.

    Args:
        recorded: the decision's audit record; None where it need not have one.
        decision: the decision, as it is in XCom when the task is resumed.
        output: the current output, likewise.
        edited_output: the output as the reviewer edited it, likewise.
    """
    seen = record_of(decision, output, edited_output) if decision is not None else None
    return {"decided": True, "recorded": recorded, "seen": seen}


def confirms(
    event: Mapping[str, Any] | None,
    decision: Decision,
    output: str,
    edited_output: str | None,
    reviewers: Sequence[str],
) -> bool:
    """Whether the resume event confirms that one of ``reviewers`` took this decision.

    Args:
        event: as returned by ``event_for``.
        decision: the decision, as it is in XCom.
        output: the current output, as it is in XCom.
        edited_output: the output as the reviewer edited it, likewise.
        reviewers: ids of the users who may decide; everybody if empty.
    """
    if event is None or "decided" not in event:
        return False
    found = event.get("recorded")
    if found is None and not reviewers:  # decided through the AI provider's API, which writes no audit log
        if "seen" not in event:
            return True  # resumed by version 0.1.0, whose event lacks "seen"
        found = event["seen"]
    if not isinstance(found, Mapping) or not is_same(found, record_of(decision, output, edited_output)):
        return False
    return is_reviewer(found.get("user_id"), reviewers)
