"""What the worker side takes from Airflow's Task SDK, on every Airflow from 3.1 on.

Each branch says which version needs it; it goes when that version does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_hitl_review.core.options import reader
from airflow_hitl_review.core.site import Site
from airflow_hitl_review.core.telemetry import Stats

if TYPE_CHECKING:
    from airflow.sdk.bases.decorator import determine_kwargs
    from airflow.sdk.configuration import conf
    from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowTaskTimeout, TaskDeferred
else:
    try:
        from airflow.sdk.configuration import conf
        from airflow.sdk.exceptions import (
            AirflowException,
            AirflowFailException,
            AirflowTaskTimeout,
            TaskDeferred,
        )
    except ImportError:  # Airflow 3.1: the Task SDK has neither of its own
        from airflow.configuration import conf
        from airflow.exceptions import AirflowException, AirflowFailException, AirflowTaskTimeout, TaskDeferred

    try:
        from airflow.sdk.bases.decorator import determine_kwargs
    except ImportError:  # Airflow 3.1
        from airflow.utils.operator_helpers import determine_kwargs

try:
    from airflow.sdk.exceptions import TaskAwaitingInput
except ImportError:  # Airflow 3.1 and 3.2: no state awaiting_input
    TaskAwaitingInput = None  # type: ignore[assignment, misc]

try:
    from airflow.sdk.observability.stats import Stats as _Stats
except ImportError:  # Airflow 3.1
    from airflow.stats import Stats as _Stats

MAY_READ_AFTER_FORM = TaskAwaitingInput is not None
"""Whether a task may read XComs after it has shown its form in Required Actions. Airflow 3.1.0 answers that request
twice, so that each later one gets the answer of the one before; where tasks are deferred, the form comes last."""

FAILURES = (Exception, SystemExit, AirflowTaskTimeout)
"""How code of a DAG author ends that did not do what it should. ``execution_timeout`` raises the last one, which is
no ``Exception``: it is the usual guard against a model that hangs."""

__all__ = [
    "FAILURES",
    "MAY_READ_AFTER_FORM",
    "AirflowException",
    "AirflowFailException",
    "AirflowTaskTimeout",
    "TaskAwaitingInput",
    "TaskDeferred",
    "conf",
    "determine_kwargs",
    "option",
    "site",
    "stats",
]

option = reader(conf)
"""A setting of Airflow's ``[hitl_review]`` section."""


def site() -> Site:
    """Where this Airflow and our app are found."""
    return Site.read(conf.get("api", "base_url", fallback=""), option)


def stats() -> Stats:
    """Where measures go."""
    return _Stats
