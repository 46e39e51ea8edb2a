"""The running task, as code that an operator calls finds it."""

from __future__ import annotations

from typing import Any

from airflow.sdk import get_current_context
from airflow.sdk.execution_time import task_runner

from airflow_hitl_review.core.airflow_sdk import AirflowException

_IN_PROCESS = "InProcess"
"""Part of the class name of Airflow's connection under ``dag.test()``, which is not thread-safe."""


def current_ti() -> Any:
    """The running task instance, from any thread; None outside a task, or in a test that has none."""
    try:
        ti: Any = get_current_context()["ti"]
        return ti if ti.id is not None else None
    except (RuntimeError, AirflowException, KeyError, AttributeError):
        return None


def is_in_process() -> bool:
    """Whether the task runs under ``dag.test()``."""
    return _IN_PROCESS in type(getattr(task_runner, "SUPERVISOR_COMMS", None)).__name__
