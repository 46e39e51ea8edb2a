"""Errors with which a task under review can fail.

::

    HITLReviewError
    ├── HITLRejectError         also AirflowFailException: Airflow does not retry a rejected task
    ├── HITLTimeoutError        nobody decided within ``hitl_timeout``
    ├── HITLMaxIterationsError  changes were asked for once more than ``max_hitl_iterations`` allows
    └── HITLRegenerationError   regenerating failed and ``on_regenerate_error="fail"``

If the standard provider is installed, rejection and timeout errors also inherit from its ``HITLRejectException``
and ``HITLTimeoutError``, so that code written for its ApprovalOperator catches ours. Likewise, if the AI provider
is installed, ours inherits from its ``HITLMaxIterationsError``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_hitl_review.core.airflow_sdk import AirflowException, AirflowFailException

if TYPE_CHECKING:

    class _StandardReject(AirflowException):
        pass

    class _StandardTimeout(Exception):
        pass

    class _ProviderMaxIterations(AirflowException):
        pass

else:
    try:
        from airflow.providers.standard.exceptions import HITLRejectException as _StandardReject
        from airflow.providers.standard.exceptions import HITLTimeoutError as _StandardTimeout
    except ImportError:  # the standard provider is optional

        class _StandardReject(AirflowException):
            pass

        class _StandardTimeout(Exception):
            pass

    try:
        from airflow.providers.common.ai.exceptions import HITLMaxIterationsError as _ProviderMaxIterations
    except ImportError:  # the AI provider is optional

        class _ProviderMaxIterations(AirflowException):
            pass


class HITLReviewError(AirflowException):
    """Root of the errors in which a review can end."""


class HITLRejectError(HITLReviewError, AirflowFailException, _StandardReject):
    """The reviewer rejected the output. Airflow does not retry the task.

    Attributes:
        feedback: the reason, if the reviewer gave one. It is not in the message, which stands in the task's log.
    """

    def __init__(self, message: str = "", *, feedback: str = "") -> None:
        super().__init__(message)
        self.feedback = feedback


class HITLTimeoutError(HITLReviewError, _StandardTimeout):
    """Nobody decided within ``hitl_timeout``."""


class HITLMaxIterationsError(HITLReviewError, _ProviderMaxIterations):
    """Changes were requested for the last output that ``max_hitl_iterations`` allows."""


class HITLRegenerationError(HITLReviewError):
    """Regenerating failed, and ``on_regenerate_error="fail"`` was set."""
