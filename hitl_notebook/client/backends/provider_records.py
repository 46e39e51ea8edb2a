"""What the AI provider's API and Airflow's public API return, as records.

What neither returns is derived: times are those of the XComs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from hitl_notebook.records import PENDING, Review, ReviewKey, ReviewSummary, Turn
from hitl_rendering.one_line import excerpt_of

XCOM_PREFIX = "airflow_hitl_review_"
"""Beginning of the keys of the provider's XComs."""

SESSION_XCOM = f"{XCOM_PREFIX}agent_session"
"""Key of the XCom that each review has."""

_ACTIVE = ("running", "deferred", "awaiting_input", "queued", "scheduled")
_PROMPT_LENGTH = 300


def active_states(version: str) -> tuple[str, ...]:
    """Return the active task states of this Airflow version, which rejects unknown ones."""
    release = tuple(int(part) for part in version.split(".")[:2])
    return _ACTIVE if release >= (3, 3) else tuple(state for state in _ACTIVE if state != "awaiting_input")


def key_in(item: Mapping[str, Any]) -> ReviewKey:
    """Return the key in a task instance or an XCom, as Airflow's API returns them."""
    run_id = item.get("dag_run_id") or item["run_id"]
    return ReviewKey(item["dag_id"], run_id, item["task_id"], int(item["map_index"]))


def review_from(
    key: ReviewKey, value: Mapping[str, Any], state: str | None, times: Mapping[str, datetime]
) -> Review:
    """Return the review.

    Args:
        key: which review.
        value: the provider's response to ``GET /sessions/find``.
        state: state of the task instance.
        times: XCom key -> when it was written, for the provider's XComs of the task instance.
    """
    output, iteration, status = value["current_output"], int(value["iteration"]), value["status"]
    updated = times[SESSION_XCOM]
    # The provider's turns have the time when they were read, not when they were written.
    turns = tuple(_turn(turn, times, updated) for turn in value["conversation"])
    decided = times.get(f"{XCOM_PREFIX}human_action") if status != PENDING else None
    return Review(
        key=key,
        status=status,
        iteration=iteration,
        max_iterations=int(value["max_iterations"]),
        prompt=value["prompt"],
        task_state=state,
        task_completed=state not in _ACTIVE,
        created_at=times.get(f"{XCOM_PREFIX}agent_output_1", updated),
        updated_at=updated,
        deadline_at=None,
        last_error=None,
        decided_by=None,
        decided_at=decided,
        reviewers=(),
        output_sha256=hashlib.sha256(output.encode("utf-8", "replace")).hexdigest(),
        output_excerpt=excerpt_of(output, "json" if output.lstrip().startswith(("{", "[")) else "text"),
        current_output=output,
        output_format="text",
        conversation=turns,
    )


def _turn(turn: Mapping[str, Any], times: Mapping[str, datetime], otherwise: datetime) -> Turn:
    by_agent, iteration = turn["role"] == "assistant", int(turn["iteration"])
    name = f"{XCOM_PREFIX}{'agent_output' if by_agent else 'human_feedback'}_{iteration}"
    kind = "output" if by_agent else "feedback"
    return Turn(turn["role"], kind, turn["content"], iteration, times.get(name, otherwise), None)


def summary_of(review: Review) -> ReviewSummary:
    """Return the review as a row of the list."""
    values = {field.name: getattr(review, field.name) for field in fields(ReviewSummary)}
    return ReviewSummary(**{**values, "prompt": review.prompt[:_PROMPT_LENGTH]})
