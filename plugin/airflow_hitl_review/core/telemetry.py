"""Our metrics and their names, sent through Airflow's ``Stats`` to the backend set in ``[metrics]``.

StatsD has no tags, so the last part of a name tells cases apart; Datadog and OpenTelemetry also get the DAG and the
task as tags. No Airflow imports: callers pass in ``Stats``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Literal, Protocol

from airflow_hitl_review.core.states import Action
from airflow_hitl_review.core.task_key import TaskKey
from hitl_webhooks import DeliveryStatus

log = logging.getLogger(__name__)

PENDING = "hitl_review.pending"
DECISIONS = "hitl_review.decisions"
DECISION_LATENCY = "hitl_review.decision_latency"
DELIVERIES = "hitl_review.deliveries"
DELIVERY_LATENCY = "hitl_review.delivery_latency"

Outcome = Literal["delivered", "retried", "failed"]


class Stats(Protocol):
    """The part of Airflow's ``Stats`` that is used here."""

    def incr(self, stat: str, *, tags: dict[str, Any] | None = None) -> None:
        """Add one to a counter."""

    def gauge(self, stat: str, value: float) -> None:
        """Set a gauge."""

    def timing(self, stat: str, dt: timedelta, *, tags: dict[str, Any] | None = None) -> None:
        """Record a duration."""


@dataclass(frozen=True)
class Metric:
    """One metric as the documentation names it.

    Attributes:
        name: the full name, without the prefix ``[metrics] statsd_prefix``.
        kind: as in Airflow's list of metrics.
        sender: which part of Airflow sends it.
        about: description.
    """

    name: str
    kind: Literal["counter", "gauge", "timer"]
    sender: str
    about: str


_OUTCOMES: Mapping[Outcome, str] = {
    "delivered": "Webhooks that an endpoint has accepted",
    "retried": "Attempts that failed and will be retried",
    "failed": "Webhooks that were given up: after the last attempt, or because the endpoint is gone (410)",
}
_WITH_TAGS = "tags `dag_id` and `task_id`"

METRICS = (
    Metric(
        PENDING,
        "gauge",
        "API server",
        "Reviews that wait for a decision; every 30 s, then up to a minute old where there are thousands",
    ),
    *(
        Metric(f"{DECISIONS}.{action.value}", "counter", "API server", f"Decisions of that kind; {_WITH_TAGS}")
        for action in Action
    ),
    Metric(
        DECISION_LATENCY,
        "timer",
        "API server",
        f"From the moment when an output is ready for review until somebody decides; {_WITH_TAGS}",
    ),
    *(
        Metric(f"{DELIVERIES}.{outcome}", "counter", "worker, API server", f"{about}; {_WITH_TAGS}")
        for outcome, about in _OUTCOMES.items()
    ),
    Metric(
        DELIVERY_LATENCY,
        "timer",
        "worker, API server",
        f"From an event to its delivery at an endpoint; {_WITH_TAGS}",
    ),
)


def show_pending(stats: Stats, count: int) -> None:
    """Report the number of pending reviews."""
    _safely(partial(stats.gauge, PENDING, count))


def count_decision(stats: Stats, key: TaskKey, action: Action, waited: timedelta | None) -> None:
    """Report a decision, and how long its output had ``waited`` for it, if known."""
    _safely(partial(stats.incr, f"{DECISIONS}.{action.value}", tags=_tags(key)))
    if waited is not None:
        _safely(partial(stats.timing, DECISION_LATENCY, max(waited, timedelta(0)), tags=_tags(key)))


def count_attempt(stats: Stats, key: TaskKey, status: DeliveryStatus, since_event: timedelta) -> None:
    """Report the outcome of a delivery attempt, and the time since its event."""
    outcome: Outcome = "failed"
    if status is DeliveryStatus.DELIVERED:
        outcome = "delivered"
        _safely(partial(stats.timing, DELIVERY_LATENCY, max(since_event, timedelta(0)), tags=_tags(key)))
    elif status is DeliveryStatus.PENDING:
        outcome = "retried"
    _safely(partial(stats.incr, f"{DELIVERIES}.{outcome}", tags=_tags(key)))


def _tags(key: TaskKey) -> dict[str, Any]:
    return {"dag_id": key.dag_id, "task_id": key.task_id}


def _safely(measure: Callable[[], None]) -> None:
    """Send a metric; a failure must not undo the measured action."""
    try:
        measure()
    except Exception:
        log.warning("A metric could not be sent.", exc_info=True)
