"""Sends webhooks from the worker: builds the event, stores it in the outbox, makes the first delivery attempt.

Nothing here may fail or delay a review: a failed delivery is recorded and logged, and the API server's dispatcher
retries it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from airflow_hitl_review.core.airflow_sdk import MAY_USE_THREADS
from airflow_hitl_review.core.endpoint_lookup import resolve, why_unusable
from airflow_hitl_review.core.event_builder import announce
from airflow_hitl_review.core.options import WebhookSettings
from airflow_hitl_review.core.schema import WEBHOOKS_ENDED_KEY, WEBHOOKS_KEY, AgentSession, webhook_key
from airflow_hitl_review.core.site import Site
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.core.webhook_endpoints import ReviewWebhooks, WebhookTarget
from airflow_hitl_review.task.current_task import is_in_process
from airflow_hitl_review.task.delivery_outcome import tell_outcome
from airflow_hitl_review.task.task_xcoms import SECOND_TRIES, utcnow
from hitl_webhooks import (
    Attempt,
    DeliveryStatus,
    Endpoint,
    EndpointDelivery,
    Event,
    EventType,
    OutboxEntry,
    deliver_to_all,
)
from hitl_webhooks.send.delivery import DELIVERY_BOUND
from hitl_webhooks.send.formats import get_format

log = logging.getLogger(__name__)

_THREAD = "hitl-review-events"

LEASE = timedelta(seconds=30)
"""How long the dispatcher leaves an event to the worker: what the first delivery may take, and more."""


@dataclass
class _Outcome:
    failed: bool = False


class EventPublisher:
    """Sends the events of one task instance.

    Args:
        key: the task instance.
        task_instance_id: Airflow's id of it, a UUID.
        try_number: its current try number.
        targets: endpoints that get the events.
        settings: the webhook settings.
        site: URLs for the links.
        push: stores an XCom; may be called from another thread.
        delete: deletes an XCom.
        connection: looks up an Airflow connection; may be called from another thread.
    """

    def __init__(
        self,
        *,
        key: TaskKey,
        task_instance_id: str,
        try_number: int,
        targets: Sequence[WebhookTarget],
        settings: WebhookSettings,
        site: Site,
        push: Callable[[str, Any], None],
        delete: Callable[[str], None],
        connection: Callable[[str], Any],
    ) -> None:
        self._key = key
        self._webhooks = ReviewWebhooks(
            task_instance_id=task_instance_id, try_number=try_number, targets=list(targets)
        )
        self._settings = settings
        self._site = site
        self._push = push
        self._delete = delete
        self._connection = connection
        self._sending: list[threading.Thread] = []
        self._unkept: list[tuple[Event, OutboxEntry]] = []
        self._is_whole = True  # False once an event could not even be built

    def open(self) -> None:
        """Call before the session is stored: then the API server sends its final event if the worker cannot."""
        if self._webhooks.targets:
            with self._going_on("Preparing webhooks"):
                self._push(WEBHOOKS_KEY, self._stored_webhooks())

    def wants(self, type_: EventType) -> bool:
        """Whether any endpoint gets events of this type."""
        return bool(self._webhooks.wanting(type_.value))

    def tell(self, type_: EventType, session: AgentSession, *, at: datetime, **decision: Any) -> None:
        """Store an event in the outbox and start its delivery; further arguments as for ``announce``."""
        endpoints = self._webhooks.wanting(type_.value)
        if not endpoints:
            return
        with self._going_on(type_.value) as outcome:
            event = announce(
                type_,
                session,
                key=self._key,
                task_instance_id=self._webhooks.task_instance_id,
                try_number=self._webhooks.try_number,
                site=self._site,
                at=at,
                **decision,
            )
            self._unkept.append((event, OutboxEntry.of(event, endpoints)))
        self._is_whole = self._is_whole and not outcome.failed
        self.keep()

    def keep(self) -> bool:
        """Store events in the outbox that are not there yet, and start their delivery; return whether they are."""
        unkept = []
        for event, entry in self._unkept:
            in_process = is_in_process()
            is_sent_here = in_process or MAY_USE_THREADS  # else the dispatcher delivers it at once
            with self._going_on(event.type.value) as outcome:
                for delivery in entry.deliveries if is_sent_here else ():
                    delivery.claim(utcnow() + LEASE)
                # This row first: its new timestamp makes the dispatcher check, even if the worker is killed now.
                self._push(WEBHOOKS_KEY, self._stored_webhooks())
                self._push(webhook_key(event.id), entry.to_json())
                if not is_sent_here:  # the dispatcher may have looked between the two
                    self._push(WEBHOOKS_KEY, self._stored_webhooks())
            if outcome.failed:
                unkept.append((event, entry))
                continue
            if in_process:
                self._deliver(event, entry)
            if in_process or not is_sent_here:
                continue
            thread = threading.Thread(target=partial(self._deliver, event, entry), name=_THREAD, daemon=True)
            with self._going_on(event.type.value):  # if it fails, the dispatcher delivers when the claim ends
                thread.start()
                self._sending.append(thread)
        self._unkept = unkept
        return not unkept

    def finish(self, sleep: Callable[[float], None] = time.sleep) -> bool:
        """Wait, for a limited time, until started deliveries are done or left to the dispatcher.

        Returns:
            Whether every event is in the outbox.
        """
        for pause in SECOND_TRIES if self._unkept else ():
            sleep(pause)
            if self.keep():
                break
        for thread in self._sending:
            thread.join(2 * DELIVERY_BOUND)
        self._sending.clear()
        return self._is_whole and not self._unkept

    def close(self) -> None:
        """Call after the final event: from now on the outbox only contains undelivered events, if any."""
        if self._webhooks.targets:
            with self._going_on("Closing the outbox"):
                # This row first, so that the outbox always has one of the two.
                self._push(WEBHOOKS_ENDED_KEY, True)
                self._delete(WEBHOOKS_KEY)

    def _deliver(self, event: Event, entry: OutboxEntry) -> None:
        with self._going_on(event.type.value):
            claimed_until = min(
                (d.next_attempt_at for d in entry.deliveries if d.next_attempt_at), default=utcnow()
            )
            resolved = [(self._resolve(delivery), delivery) for delivery in entry.deliveries]
            targets = [(endpoint, delivery) for endpoint, delivery in resolved if endpoint is not None]
            if utcnow() + timedelta(seconds=DELIVERY_BOUND) > claimed_until:
                log.warning(
                    "Looking up the endpoints of %s took too long: the API server delivers it.", event.type.value
                )
                return
            deliver_to_all(event, targets, block_private_addresses=self._settings.block_private_addresses)
            self._store_outcome(event, entry)

    def _store_outcome(self, event: Event, entry: OutboxEntry) -> None:
        for delivery in entry.deliveries:
            if delivery.attempts:
                delivery.schedule_next(utcnow(), self._settings.schedule)
            else:
                delivery.next_attempt_at = utcnow()  # left to the dispatcher, see deliver_to_all
        self._push(webhook_key(event.id), entry.to_json())
        if entry.status is DeliveryStatus.PENDING:
            # The dispatcher has postponed its next check until the claim ends; now it is due earlier.
            self._push(WEBHOOKS_KEY, self._stored_webhooks())
        tell_outcome(event, entry, self._key)

    def _resolve(self, delivery: EndpointDelivery) -> Endpoint | None:
        try:
            endpoint = resolve(
                delivery.endpoint, delivery.format, connection=self._connection, settings=self._settings
            )
        except Exception as error:  # noqa: BLE001 - a secrets backend may raise anything
            delivery.record(Attempt(utcnow().isoformat(), 0, error=why_unusable(error)))
            return None
        delivery.format = endpoint.format
        if not endpoint.secrets and get_format(endpoint.format).signed:
            log.warning("Webhook endpoint %r has no secret: requests to it are unsigned.", endpoint.name)
        return endpoint

    def _stored_webhooks(self) -> dict[str, Any]:
        return self._webhooks.model_dump(mode="json")

    @contextmanager
    def _going_on(self, what: str) -> Iterator[_Outcome]:
        """Log an error of the block instead of raising it."""
        outcome = _Outcome()
        try:
            yield outcome
        except Exception:
            outcome.failed = True
            log.exception("%s for %s failed; the review goes on.", what, self._key)
