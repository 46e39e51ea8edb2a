"""Human review of task outputs in Apache Airflow: operator mixin, REST API, webhooks.

For DAG authors::

    from airflow_hitl_review import HITLReviewOperator

Importing this package imports Airflow only when one of its names is first used.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_hitl_review.endpoints import Webhook
    from airflow_hitl_review.errors import (
        HITLMaxIterationsError,
        HITLRegenerationError,
        HITLRejectError,
        HITLReviewError,
        HITLTimeoutError,
    )
    from airflow_hitl_review.mixin import HITLReviewMixin
    from airflow_hitl_review.operator import HITLReviewOperator
    from airflow_hitl_review.operator_link import HITLReviewLink

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
]

_HOMES = {
    "HITLMaxIterationsError": "errors",
    "HITLRegenerationError": "errors",
    "HITLRejectError": "errors",
    "HITLReviewError": "errors",
    "HITLReviewLink": "operator_link",
    "HITLReviewMixin": "mixin",
    "HITLReviewOperator": "operator",
    "HITLTimeoutError": "errors",
    "Webhook": "endpoints",
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
