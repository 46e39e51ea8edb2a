"""Put undelivered events into the outboxes of reviews that ``tests.support.seed`` has made.

Of the kind

- ``due``: the reviews have ended, and their final events are due now at each endpoint;
- ``open``: the reviews are open, and the endpoints are to hear of their end;
- ``lost``: as ``open``, and their tasks have failed;
- ``untold``: as ``open``, and the endpoints are to hear of all: the worker was killed before it could tell of the
  output.
"""

from __future__ import annotations

from collections.abc import Sequence

from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import TaskInstanceState
from sqlalchemy import select

from airflow_hitl_review.core.event_builder import announce
from airflow_hitl_review.core.schema import SESSION_KEY, WEBHOOKS_ENDED_KEY, WEBHOOKS_KEY, webhook_key
from airflow_hitl_review.core.stored import parse_session
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.core.webhook_endpoints import ReviewWebhooks, WebhookTarget
from airflow_hitl_review.server.db.transactions import site, transaction, utcnow
from airflow_hitl_review.server.db.xcoms import read_xcoms, write_xcom
from hitl_webhooks import EventType, OutboxEntry


def seed_outbox(run_id: str, kind: str, endpoints: Sequence[str]) -> None:
    """Fill the outboxes of a run's reviews; an endpoint is ``name`` or ``name=format``."""
    named = [(name, format_ or None) for name, _, format_ in (given.partition("=") for given in endpoints)]
    with transaction() as db:
        found = db.scalars(
            select(TaskInstance).where(TaskInstance.run_id == run_id, TaskInstance.map_index >= 0)
        ).all()
        for ti in found:
            key = TaskKey(ti.dag_id, ti.run_id, ti.task_id, ti.map_index)
            if kind == "due":
                session = parse_session(read_xcoms(db, key, SESSION_KEY)[SESSION_KEY])
                event = announce(
                    EventType.FINALIZED,
                    session,
                    key=key,
                    task_instance_id=str(ti.id),
                    try_number=1,
                    site=site(),
                    at=utcnow(),
                    status="approved",
                )
                write_xcom(db, key, webhook_key(event.id), OutboxEntry.of(event, named).to_json())
                write_xcom(db, key, WEBHOOKS_ENDED_KEY, True)
                continue
            events = () if kind == "untold" else (EventType.FINALIZED.value,)
            targets = [WebhookTarget(endpoint=name, format=format_, events=events) for name, format_ in named]
            webhooks = ReviewWebhooks(task_instance_id=str(ti.id), try_number=1, targets=targets)
            write_xcom(db, key, WEBHOOKS_KEY, webhooks.model_dump(mode="json"))
            if kind == "lost":
                ti.state = TaskInstanceState.FAILED
