"""Tell outside systems, from the worker: build the event, keep it in the outbox, make the first attempt.

Nothing here may fail or delay a review: what cannot be delivered is noted and logged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from airflow_hitl_review.endpoints import Webhook, resolve
from airflow_hitl_review.schema import AgentSession, TaskKey, User, webhook_key
from hitl_webhooks import (
    DeliveryStatus,
    Endpoint,
    EndpointDelivery,
    Event,
    EventType,
    OutboxEntry,
    Person,
    ReviewFacts,
    build_event,
    deliver_to_all,
)

log = logging.getLogger(__name__)


class Notifier:
    """Sends the events of one task instance.

    Args:
        key: the task instance.
        task_instance_id: Airflow's id of it, a UUID.
        try_number: its current try.
        webhooks: where events go.
        url_secret: signing secret of plain URLs; empty for none.
        base_url: address of Airflow's API server, for links.
        push: stores an XCom.
    """

    def __init__(
        self,
        *,
        key: TaskKey,
        task_instance_id: str,
        try_number: int,
        webhooks: Sequence[Webhook],
        url_secret: str,
        base_url: str,
        push: Callable[[str, Any], None],
    ) -> None:
        self._key = key
        self._task_instance_id = task_instance_id
        self._try_number = try_number
        self._webhooks = webhooks
        self._url_secret = url_secret
        self._links = links_of(key, base_url)
        self._push = push

    def output_ready(self, session: AgentSession, *, at: datetime) -> None:
        """An output waits for a review."""
        self._send(EventType.OUTPUT_READY, session, session.status.value, at)

    def finalized(
        self,
        session: AgentSession,
        *,
        at: datetime,
        status: str | None = None,
        feedback: str | None = None,
        decided_by: User | None = None,
        decided_at: datetime | None = None,
    ) -> None:
        """The review has ended; ``status`` only where it is none of the session's (``"failed"``)."""
        self._send(
            EventType.FINALIZED,
            session,
            status or session.status.value,
            at,
            feedback=feedback,
            decided_by=Person(decided_by.id, decided_by.name) if decided_by else None,
            decided_at=decided_at,
        )

    def _send(self, type_: EventType, session: AgentSession, status: str, at: datetime, **decision: Any) -> None:
        webhooks = [webhook for webhook in self._webhooks if webhook.wants(type_)]
        if not webhooks:
            return
        try:
            facts = ReviewFacts(
                task_instance_id=self._task_instance_id,
                dag_id=self._key.dag_id,
                run_id=self._key.run_id,
                task_id=self._key.task_id,
                map_index=self._key.map_index,
                try_number=self._try_number,
                status=status,
                iteration=session.iteration,
                max_iterations=session.max_iterations,
                prompt=session.prompt,
                output=session.current_output,
                created_at=session.created_at,
                deadline_at=session.deadline_at,
                links=self._links,
                **decision,
            )
            self._deliver(build_event(type_, facts, at=at), webhooks)
        except Exception:
            log.exception("Sending %s for %s failed; the review goes on.", type_.value, self._key)

    def _deliver(self, event: Event, webhooks: Sequence[Webhook]) -> None:
        entry = OutboxEntry.of(event, [webhook.name for webhook in webhooks])
        self._push(webhook_key(event.id), entry.to_json())
        targets: list[tuple[Endpoint, EndpointDelivery]] = []
        for webhook, delivery in zip(webhooks, entry.deliveries, strict=True):
            try:
                endpoint = resolve(webhook, url_secret=self._url_secret)
            except Exception as error:  # noqa: BLE001 - a secrets backend may raise anything
                delivery.last_error = f"{type(error).__name__}: {error}"
                log.error("Webhook endpoint %r cannot be used: %s", webhook.name, delivery.last_error)
                continue
            if not endpoint.secrets:
                log.warning("Webhook endpoint %r has no secret: requests to it are unsigned.", webhook.name)
            targets.append((endpoint, delivery))
        deliver_to_all(event, targets)
        self._push(webhook_key(event.id), entry.to_json())
        for delivery in entry.deliveries:
            if delivery.status is DeliveryStatus.DELIVERED:
                log.info("Delivered %s to %r.", event.type.value, delivery.endpoint)
            else:
                log.warning(
                    "%s was not delivered to %r after %d attempts: %s",
                    event.type.value,
                    delivery.endpoint,
                    delivery.attempts,
                    delivery.last_error,
                )


def links_of(key: TaskKey, base_url: str) -> dict[str, str]:
    """Where a person and a program find the review.

    Returns:
        ``review``: the task instance's page in Airflow; ``api``: the review over REST.
    """
    base = base_url.rstrip("/")
    path = [quote(part, safe="") for part in (key.dag_id, key.run_id, key.task_id)]
    mapped = f"/mapped/{key.map_index}" if key.map_index >= 0 else ""
    query = urlencode(
        {"dag_id": key.dag_id, "run_id": key.run_id, "task_id": key.task_id, "map_index": key.map_index}
    )
    return {
        "review": f"{base}/dags/{path[0]}/runs/{path[1]}/tasks/{path[2]}{mapped}",
        "api": f"{base}/hitl-review/sessions/find?{query}",
    }
