"""Tells of a review: in webhooks, in the DAG's callbacks, and in the OpenTelemetry span of its task.

There is a span since Airflow 3.2, with ``[traces] otel_on``; otherwise OpenTelemetry drops the span's events. They
have names and numbers only, never texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from airflow.sdk import Connection
from opentelemetry import trace

from airflow_hitl_review.core.airflow_sdk import option, site
from airflow_hitl_review.core.options import WebhookSettings
from airflow_hitl_review.core.schema import AgentSession, Decision, webhook_key
from airflow_hitl_review.core.states import SessionStatus
from airflow_hitl_review.core.webhook_endpoints import Webhook, all_targets
from airflow_hitl_review.task.callbacks import Callbacks
from airflow_hitl_review.task.event_publisher import EventPublisher
from airflow_hitl_review.task.task_xcoms import TaskXComs, utcnow
from hitl_webhooks import EventType
from hitl_webhooks.events import event_id

ITERATION = "hitl_review.iteration"
STATUS = "hitl_review.status"


class Announcer:
    """Tells of one review.

    Args:
        ti: the running task instance.
        webhooks: endpoints that get the events, besides those of the deployment.
        callbacks: the DAG's callbacks.
        try_number: the try number at the start of the review.
    """

    def __init__(self, ti: Any, webhooks: Sequence[Webhook], callbacks: Callbacks, try_number: int) -> None:
        self._task_instance_id = str(ti.id)
        self._xcoms = TaskXComs(ti)
        self._callbacks = callbacks
        settings = WebhookSettings.read(option)
        self._publisher = EventPublisher(
            key=self._xcoms.key,
            task_instance_id=self._task_instance_id,
            try_number=try_number,
            targets=all_targets(webhooks, settings),
            settings=settings,
            site=site(),
            push=self._xcoms.push_once,
            delete=self._xcoms.delete,
            connection=Connection.get,
        )

    def open(self) -> None:
        """Call before the session is stored, see ``EventPublisher``."""
        self._publisher.open()

    def output_ready(self, session: AgentSession) -> None:
        """Tell that an output waits for a decision."""
        self._tell(EventType.OUTPUT_READY, session, session.updated_at or utcnow())

    def output_ready_if_untold(self, session: AgentSession) -> None:
        """Tell of the current output of a resumed task, if the worker that stored it could not.

        That worker may not have known whether its last write succeeded: then it parked without telling.

        Raises:
            XComsAwayError: XComs cannot be read just now.
        """
        if session.status is not SessionStatus.PENDING_REVIEW:
            return
        if not self._publisher.wants(EventType.OUTPUT_READY):
            return
        id_ = event_id(self._task_instance_id, EventType.OUTPUT_READY, session.iteration)
        if self._xcoms.read(webhook_key(id_)) is None:
            self.output_ready(session)

    def changes_requested(self, session: AgentSession, decision: Decision, edited_output: str | None) -> None:
        """Tell that the reviewer requested changes, which are being made."""
        self._tell(EventType.CHANGES_REQUESTED, session, decision.at or utcnow(), decision, edited_output)

    def finalized(
        self, session: AgentSession, decision: Decision | None, edited_output: str | None, status: str | None
    ) -> None:
        """Tell that the review has ended; ``status`` is the event's, if it differs from the session's."""
        self._tell(EventType.FINALIZED, session, utcnow(), decision, edited_output, status)
        if self._publisher.finish():  # else the API server sends the final event, once the task has ended
            self._publisher.close()

    def finish(self) -> None:
        """Wait until the endpoints have answered, or the time limit is over."""
        self._publisher.finish()

    def keep(self) -> None:
        """Retry events that could not be stored because no API server answered."""
        self._publisher.keep()

    def _tell(
        self,
        type_: EventType,
        session: AgentSession,
        at: datetime,
        decision: Decision | None = None,
        edited_output: str | None = None,
        status: str | None = None,
    ) -> None:
        facts: dict[str, str | int] = {ITERATION: session.iteration, STATUS: status or session.status.value}
        trace.get_current_span().add_event(type_.value, facts)
        self._publisher.tell(
            type_,
            session,
            at=at,
            status=status,
            decision=decision,
            edited_output=edited_output,
        )
        self._callbacks.call(type_, session, status=status, decision=decision, edited_output=edited_output)
