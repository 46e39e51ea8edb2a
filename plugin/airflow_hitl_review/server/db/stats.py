"""Airflow's metrics, as the API server sends them."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any

from airflow.configuration import conf

from airflow_hitl_review.core.telemetry import Stats

if TYPE_CHECKING:
    from airflow.observability.stats import Stats as _Stats
else:
    try:
        from airflow.observability.stats import Stats as _Stats
    except ImportError:  # Airflow 3.1
        from airflow.stats import Stats as _Stats

_BACKENDS = ("statsd_on", "statsd_datadog_enabled", "otel_on")


def stats() -> Stats:
    """The client that sends metrics."""
    return _Stats


def stats_are_sent() -> bool:
    """Whether ``[metrics]`` configures a backend; otherwise metrics are dropped, and need not be computed."""
    return any(conf.getboolean("metrics", name, fallback=False) for name in _BACKENDS)


def start_stats() -> None:
    """Set up metrics in this process, where Airflow's API server does not do so itself."""
    try:
        from airflow.observability.metrics import stats_utils
    except ImportError:  # Airflow 3.1: its stats read the setting on first use
        return
    make: Any = stats_utils.get_stats_factory
    if signature(make).parameters:  # Airflow 3.2: its API server does not do this
        sent: Any = _Stats
        sent.initialize(factory=make(sent))
