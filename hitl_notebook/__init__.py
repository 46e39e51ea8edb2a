"""Review what an Airflow task produced, from a notebook or a script.

In a notebook::

    from hitl_notebook import ReviewPanel

    ReviewPanel(url="http://localhost:8080", username="admin", password="admin")

or, with the connection from the environment or a form::

    %load_ext hitl_notebook
    %hitl_review

In a script, ``Client`` does the same without widgets. This package never imports Airflow.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from hitl_notebook.client.client import Client
    from hitl_notebook.client.connection import Connection
    from hitl_notebook.client.deliveries import (
        Delivery,
        DeliveryAttempt,
        DeliveryPage,
        EndpointDelivery,
        WebhookTest,
    )
    from hitl_notebook.client.review_page import CachedPage, ReviewPage
    from hitl_notebook.errors import (
        AuthenticationError,
        ConflictError,
        ConnectionFailedError,
        FieldError,
        HITLNotebookError,
        InvalidEditError,
        InvalidRequestError,
        NotConnectedError,
        PermissionDeniedError,
        RegenerationFailedError,
        ReviewNotFoundError,
        ServerError,
        WaitTimeoutError,
        WebhookNotFoundError,
    )
    from hitl_notebook.panel.panel import ReviewPanel
    from hitl_notebook.records import Review, ReviewKey, ReviewSummary, Turn, User

__version__ = importlib.metadata.version("hitl-notebook")

__all__ = [
    "AuthenticationError",
    "CachedPage",
    "Client",
    "ConflictError",
    "Connection",
    "ConnectionFailedError",
    "Delivery",
    "DeliveryAttempt",
    "DeliveryPage",
    "EndpointDelivery",
    "FieldError",
    "HITLNotebookError",
    "InvalidEditError",
    "InvalidRequestError",
    "NotConnectedError",
    "PermissionDeniedError",
    "RegenerationFailedError",
    "Review",
    "ReviewKey",
    "ReviewNotFoundError",
    "ReviewPage",
    "ReviewPanel",
    "ReviewSummary",
    "ServerError",
    "Turn",
    "User",
    "WaitTimeoutError",
    "WebhookNotFoundError",
    "WebhookTest",
]

_HOMES = {
    **dict.fromkeys(("Review", "ReviewKey", "ReviewSummary", "Turn", "User"), "records"),
    **dict.fromkeys(("CachedPage", "ReviewPage"), "client.review_page"),
    **dict.fromkeys(
        ("Delivery", "DeliveryAttempt", "DeliveryPage", "EndpointDelivery", "WebhookTest"), "client.deliveries"
    ),
    "Client": "client.client",
    "Connection": "client.connection",
    "ReviewPanel": "panel.panel",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == __name__:
            raise
        raise ImportError(
            f"{__name__}.{name} needs {error.name}, which is not installed. "
            'Install it with: pip install "hitl-notebook[notebook]"'
        ) from error


def load_ipython_extension(shell: InteractiveShell) -> None:
    """``%load_ext hitl_notebook``: adds ``%hitl_review`` and ``%hitl_inbox``."""
    importlib.import_module(f"{__name__}.magics").load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """``%unload_ext hitl_notebook``: removes them, and forgets the connection."""
    importlib.import_module(f"{__name__}.magics").unload(shell)
