"""What happens to a review, as events in the span of its task: from Airflow 3.2 on, with ``[traces] otel_on``.

Elsewhere there is no span, and OpenTelemetry drops them. Names and numbers only, never the text.
"""

from __future__ import annotations

from opentelemetry import trace

from airflow_hitl_review.core.schema import AgentSession
from hitl_webhooks import EventType

ITERATION = "hitl_review.iteration"
STATUS = "hitl_review.status"


def add_span_event(type_: EventType, session: AgentSession, status: str | None) -> None:
    """Note an event of a review in the current span.

    Args:
        type_: also the name of the span's event.
        session: the review.
        status: the event's status where it is none of the session's.
    """
    attributes: dict[str, str | int] = {ITERATION: session.iteration, STATUS: status or session.status.value}
    trace.get_current_span().add_event(type_.value, attributes)
