"""What Airflow's audit log keeps of a decision, and how a decision in XCom is compared with it. No Airflow.

XComs can be written by others than us: through Airflow's public API, by whoever may edit XComs of the DAG, and
that may be people who may not decide. The audit log cannot: ``decide()`` writes it in the transaction of the
decision. So a task is woken for a decision only if it is the last thing that the audit log has of the review: not
for one that was overwritten, and put back once the review was pending again. The task is told what was found, and
takes no other decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_hitl_review.core.schema import HumanAction, is_reviewer, sha256_of
from airflow_hitl_review.core.states import Action

REFUSED = "hitl_review.refused"
"""Entry in the audit log: a decision in XCom was not taken, since it is not in the audit log itself."""

EVENTS = (*(f"hitl_review.{action.value}" for action in Action), REFUSED)
"""The entries of which the last one counts."""

_COMPARED = ("action", "iteration", "user_id", "output_sha256", "feedback_sha256")


def event_of(action: Action) -> str:
    """Name of a decision's entry."""
    return f"hitl_review.{action.value}"


def record_of(action: HumanAction, output: str) -> dict[str, Any]:
    """What is kept: who decided what about which output; of the texts their digests.

    Args:
        action: the decision.
        output: the output that it is about, as the reviewer saw it.
    """
    return {
        "action": action.action.value,
        "iteration": action.iteration,
        "user_id": action.user.id if action.user else None,
        "output_sha256": sha256_of(output),
        "feedback_sha256": sha256_of(action.feedback),
        "channel": action.channel,
    }


def is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two records are of the same decision."""
    return all(one.get(field) == other.get(field) for field in _COMPARED)


def event_for(recorded: Mapping[str, Any] | None, action: HumanAction | None, output: str) -> dict[str, Any]:
    """What a task is resumed with: nobody can change that through XCom, so the worker goes by it.

    Args:
        recorded: what the audit log has of the decision; None where it need not have it.
        action: the decision, as it is in XCom when the task is woken.
        output: the current output, likewise.
    """
    seen = record_of(action, output) if action is not None else None
    return {"decided": True, "recorded": recorded, "seen": seen}


def confirms(event: Mapping[str, Any] | None, action: HumanAction, output: str, reviewers: Sequence[str]) -> bool:
    """Whether the event that a task was resumed with says that this decision was taken by one of ``reviewers``.

    Args:
        event: as ``event_for`` makes it.
        action: the decision, as it is in XCom.
        output: the current output, as it is in XCom.
        reviewers: ids of those who may decide; all if empty.
    """
    if event is None or "decided" not in event:
        return False
    found = event.get("recorded")
    if found is None and not reviewers:  # the AI provider's API decided, which writes no audit log
        if "seen" not in event:
            return True  # it was woken by version 0.1.0, which did not say what it saw
        found = event["seen"]
    if not isinstance(found, Mapping) or not is_same(found, record_of(action, output)):
        return False
    return is_reviewer(found.get("user_id"), reviewers)
