"""Imports from Airflow's Task SDK for the worker side, compatible with Airflow 3.1 and newer.

Each branch names the version that needs it; remove it when support for that version ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from airflow.sdk.execution_time.comms import CommsDecoder

from airflow_hitl_review.core.options import reader
from airflow_hitl_review.core.site import Site
from airflow_hitl_review.core.telemetry import Stats

if TYPE_CHECKING:
    from airflow.sdk.bases.decorator import determine_kwargs
    from airflow.sdk.configuration import conf
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowSkipException,
        AirflowTaskTimeout,
        TaskDeferred,
    )
else:
    try:
        from airflow.sdk.configuration import conf
        from airflow.sdk.exceptions import (
            AirflowException,
            AirflowFailException,
            AirflowSkipException,
            AirflowTaskTimeout,
            TaskDeferred,
        )
    except ImportError:  # Airflow 3.1: the Task SDK has neither
        from airflow.configuration import conf
        from airflow.exceptions import (
            AirflowException,
            AirflowFailException,
            AirflowSkipException,
            AirflowTaskTimeout,
            TaskDeferred,
        )

    try:
        from airflow.sdk.bases.decorator import determine_kwargs
    except ImportError:  # Airflow 3.1
        from airflow.utils.operator_helpers import determine_kwargs

try:
    from airflow.sdk.exceptions import TaskAwaitingInput
except ImportError:  # Airflow 3.1 and 3.2: no state awaiting_input
    TaskAwaitingInput = None  # type: ignore[assignment, misc]

try:
    from airflow.sdk.log import redact  # type: ignore[attr-defined]
except ImportError:  # Airflow 3.1.0
    from airflow.sdk._shared.secrets_masker import redact

try:
    from airflow.sdk.serde import iter_pydantic_models
except ImportError:  # Airflow 3.1 and 3.2: the AI provider stores models in XCom as dicts there
    iter_pydantic_models = None  # type: ignore[assignment]

try:
    from airflow.sdk.observability.stats import Stats as _Stats
except ImportError:  # Airflow 3.1
    from airflow.stats import Stats as _Stats

MAY_USE_THREADS = any("lock" in field.name for field in attrs.fields(CommsDecoder))
"""Whether threads of a task may use XComs and connections beside its main one. In Airflow 3.1, answers get mixed up
then, and both wait for ever."""

MAY_READ_AFTER_FORM = TaskAwaitingInput is not None
"""Whether a task may read XComs after it has shown its form in Required Actions. Airflow 3.1.0 answers that request
twice, so each later request gets the previous answer; where tasks are deferred, the form is therefore sent last."""

FAILURES = (Exception, SystemExit, AirflowTaskTimeout)
"""Exceptions with which a DAG author's code can fail. ``execution_timeout``, the usual guard against a model that
hangs, raises the last one, which is not an ``Exception``."""

__all__ = [
    "FAILURES",
    "MAY_READ_AFTER_FORM",
    "MAY_USE_THREADS",
    "AirflowException",
    "AirflowFailException",
    "AirflowSkipException",
    "AirflowTaskTimeout",
    "TaskAwaitingInput",
    "TaskDeferred",
    "conf",
    "determine_kwargs",
    "iter_pydantic_models",
    "option",
    "redact",
    "site",
    "stats",
]

option = reader(conf)
"""Reads a setting of the section ``[hitl_review]`` of Airflow's configuration."""


def site() -> Site:
    """URLs of this Airflow and of our app."""
    return Site.read(conf.get("api", "base_url", fallback=""), option)


def stats() -> Stats:
    """Airflow's metrics client."""
    return _Stats
