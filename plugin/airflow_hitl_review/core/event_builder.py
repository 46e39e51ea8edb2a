"""Builds a webhook event from a review session. No Airflow imports."""

from __future__ import annotations

from datetime import datetime

from airflow_hitl_review.core.schema import AgentSession, Decision, User
from airflow_hitl_review.core.site import Site
from airflow_hitl_review.core.task_key import TaskKey
from hitl_webhooks import Event, EventType, Person, ReviewFacts, build_event

ABANDONED = "abandoned"
"""Status in the final event of a review that was undecided when its task ended or was cleared."""


def announce(
    type_: EventType,
    session: AgentSession,
    *,
    key: TaskKey,
    task_instance_id: str,
    try_number: int,
    site: Site,
    at: datetime,
    status: str | None = None,
    decision: Decision | None = None,
    edited_output: str | None = None,
) -> Event:
    """Make an event about a review.

    Args:
        type_: what happened.
        session: the review as it is stored.
        key: its task instance.
        task_instance_id: Airflow's id of the try, a UUID.
        try_number: number of the try, from 1.
        site: URLs for the links.
        at: when it happened, timezone-aware.
        status: the event's status, if it differs from the session's.
        decision: what was decided, if anything.
        edited_output: the output as the reviewer edited it; None if they did not.

    Raises:
        ValueError: the ids alone are too long for an event; ids that Airflow accepts are not.
    """
    facts = ReviewFacts(
        task_instance_id=task_instance_id,
        dag_id=key.dag_id,
        run_id=key.run_id,
        task_id=key.task_id,
        map_index=key.map_index,
        try_number=try_number,
        status=status or session.status.value,
        session_status=session.status.value,
        iteration=session.iteration,
        max_iterations=session.max_iterations,
        prompt=session.prompt,
        output=session.current_output,
        created_at=session.created_at,
        deadline_at=session.deadline_at,
        links=site.links_of(key),
        feedback=decision.feedback or None if decision else None,
        decided_by=_person(decision.user) if decision else None,
        acting_for=_person(decision.acting_for) if decision else None,
        decided_at=decision.at if decision else None,
        channel=decision.channel if decision else None,
        request_kind=session.request.kind if session.request else None,
        edited_output=edited_output,
        occurrence=_earlier_requests(session) if type_ is EventType.CHANGES_REQUESTED else 0,
    )
    return build_event(type_, facts, at=at)


def _earlier_requests(session: AgentSession) -> int:
    """How often changes to the current output were announced, and could not be made."""
    failures = (one for one in session.failures if one.iteration == session.iteration)
    return sum(one.kind == "regeneration" for one in failures)


def _person(user: User | None) -> Person | None:
    return Person(user.id, user.name) if user is not None else None
