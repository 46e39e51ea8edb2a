"""How a task waits for its review without a worker slot: its form in Required Actions, and Airflow's signal."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NoReturn

from airflow.sdk.execution_time.hitl import upsert_hitl_detail

from airflow_hitl_review.core.airflow_sdk import (
    FAILURES,
    AirflowTaskTimeout,
    TaskAwaitingInput,
    TaskDeferred,
    option,
    site,
)
from airflow_hitl_review.core.options import is_on
from airflow_hitl_review.core.required_action_form import OPTIONS, form_of
from airflow_hitl_review.core.schema import RESUME_METHOD, AgentSession
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.task.remembered import Parked
from airflow_hitl_review.task.reviewed_operator import ReviewedOperator
from airflow_hitl_review.task.task_xcoms import XComsAwayError, utcnow

log = logging.getLogger(__name__)

LOOK_AGAIN = timedelta(minutes=2)
"""How long the task parks for an unconfirmed decision or unreadable XComs; usually the API server is faster."""

_SHORTEST_PARK = timedelta(seconds=10)
"""Minimum timeout: the scheduler's timeout check must not resume a task before it knows that the task parked."""


def require_action(ti: Any, key: TaskKey, session: AgentSession, reviewers: Sequence[str]) -> None:
    """Show the review as pending in Airflow's Required Actions; never raises: the review also works without.

    Args:
        ti: the running task instance.
        key: the same.
        session: the review.
        reviewers: ids of the only people who may decide; empty for all who may.
    """
    try:
        if not is_on("required_actions", option):
            return
        form = form_of(key, session, site())
        upsert_hitl_detail(
            ti_id=ti.id,
            options=list(OPTIONS),
            subject=form.subject,
            body=form.body,
            params=form.params,
            assigned_users=[{"id": one, "name": one} for one in reviewers] or None,
        )
    except FAILURES:
        log.exception(
            "The review cannot be shown in Airflow's Required Actions; it waits without being shown there."
        )


def park(resume_at: datetime | None, now: datetime, parked: Parked | None = None) -> NoReturn:
    """Let the task wait without a worker slot; another process resumes it at ``resume_hitl_review``.

    It waits in the state ``awaiting_input``, or ``deferred`` before Airflow 3.3.

    Args:
        resume_at: when it is resumed even without a decision; None for never.
        now: the current time.
        parked: argument for ``resume_hitl_review``, which nobody can change; None if the operator takes none.

    Raises:
        TaskAwaitingInput: Airflow's signal since 3.3.
        TaskDeferred: Airflow's signal before 3.3.
    """
    at = max(resume_at, now + _SHORTEST_PARK) if resume_at is not None else None
    kwargs = {"parked": parked} if parked is not None else {}
    arguments: dict[str, Any] = {"method_name": RESUME_METHOD, "kwargs": kwargs}
    if TaskAwaitingInput is not None:
        raise TaskAwaitingInput(**arguments, timeout=at - now if at is not None else None)
    from airflow_hitl_review.task.deadline_trigger import ReviewDeadlineTrigger

    # Without Airflow's own timeout, which would fail the task instead of resuming it.
    raise TaskDeferred(**arguments, trigger=ReviewDeadlineTrigger(at.isoformat() if at is not None else None))


@contextmanager
def parks_again(operator: ReviewedOperator) -> Iterator[None]:
    """Park and check later if XComs are unavailable, or ``execution_timeout`` expires outside regeneration.

    The review in XCom is unchanged. If the task failed now, it would be lost.
    """
    try:
        yield
    except (XComsAwayError, AirflowTaskTimeout) as error:
        if operator.hitl_wait != "park":
            raise
        log.warning("The review cannot go on at the moment; the task parks and tries again: %r", error)
        now = utcnow()
        park(now + LOOK_AGAIN, now, operator._hitl_parked)
