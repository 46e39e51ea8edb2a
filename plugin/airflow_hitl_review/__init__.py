"""Human review of task outputs in Apache Airflow: operator mixin, REST API, webhooks.

For DAG authors::

    from airflow_hitl_review import HITLReviewOperator

Airflow is imported only when a name of this package is first used.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_hitl_review.core.webhook_endpoints import Webhook
    from airflow_hitl_review.task.errors import (
        HITLMaxIterationsError,
        HITLRegenerationError,
        HITLRejectError,
        HITLReviewError,
        HITLTimeoutError,
    )
    from airflow_hitl_review.task.mixin import HITLReviewMixin
    from airflow_hitl_review.task.operator_link import HITLReviewLink
    from airflow_hitl_review.task.operators import HITLReviewOperator
    from airflow_hitl_review.task.progress import report_progress
    from airflow_hitl_review.task.tracing import trace

__version__ = importlib.metadata.version("hitl-notebook")

__all__ = [
    "HITLMaxIterationsError",
    "HITLRegenerationError",
    "HITLRejectError",
    "HITLReviewError",
    "HITLReviewLink",
    "HITLReviewMixin",
    "HITLReviewOperator",
    "HITLTimeoutError",
    "Webhook",
    "report_progress",
    "trace",
]

_HOMES = {
    "HITLMaxIterationsError": "task.errors",
    "HITLRegenerationError": "task.errors",
    "HITLRejectError": "task.errors",
    "HITLReviewError": "task.errors",
    "HITLReviewLink": "task.operator_link",
    "HITLReviewMixin": "task.mixin",
    "HITLReviewOperator": "task.operators",
    "HITLTimeoutError": "task.errors",
    "Webhook": "core.webhook_endpoints",
    "report_progress": "task.progress",
    "trace": "task.tracing",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"airflow", "pydantic", "fastapi"}:
            raise
        raise ImportError(
            f"{__name__}.{name} needs Apache Airflow 3.1 or newer. "
            'Install it with: pip install "hitl-notebook[airflow]"'
        ) from error
