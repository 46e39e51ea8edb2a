"""Records a review's events in the OpenTelemetry span of its task, since Airflow 3.2, with ``[traces] otel_on``.

Otherwise there is no span, and OpenTelemetry drops them. They have names and numbers only, never texts.
"""

from __future__ import annotations

from opentelemetry import trace

from airflow_hitl_review.core.schema import AgentSession
from hitl_webhooks import EventType

ITERATION = "hitl_review.iteration"
STATUS = "hitl_review.status"


def add_span_event(type_: EventType, session: AgentSession, status: str | None) -> None:
    """Add an event of a review to the current span.

    Args:
        type_: also the name of the span's event.
        session: the review.
        status: the event's status, if it differs from the session's.
    """
    attributes: dict[str, str | int] = {ITERATION: session.iteration, STATUS: status or session.status.value}
    trace.get_current_span().add_event(type_.value, attributes)
