"""Every error of the reviewer's side.

::

    HITLNotebookError
    ├── ConnectionFailedError   no answer: wrong address, server down, time-out
    ├── AuthenticationError     401: no token, a wrong password, or a token that has expired or is none (403, too)
    ├── PermissionDeniedError   403: you may not read or decide this DAG's reviews
    ├── ReviewNotFoundError     404: no such review; ``task_active`` says whether one may still appear
    ├── WebhookNotFoundError    404: no such webhook event, endpoint or connection
    ├── ConflictError           409: decided already, or another output is current; carries ``review``
    ├── InvalidRequestError     400, 413, 422: what was sent cannot be used; the message says why
    ├── WaitTimeoutError        ``Client.wait_for`` waited long enough; a ``TimeoutError``, too
    ├── RegenerationFailedError ``Client.wait_for`` waited for an output that could not be made; carries ``review``
    ├── NotConnectedError       the panel's form is not filled in yet; a ``RuntimeError``, too
    └── ServerError             any other answer: 5xx, or one that is not ours
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hitl_notebook.records import Review, User


class HITLNotebookError(Exception):
    """Root of all errors of ``hitl_notebook``."""


class ConnectionFailedError(HITLNotebookError):
    """No answer came. A decision that was being sent may or may not have been taken: look before repeating.

    Attributes:
        is_broken_connection: whether the connection was refused or broke off; to read again is then worth a try.
    """

    is_broken_connection = False


class AuthenticationError(HITLNotebookError):
    """Airflow does not know who you are."""


class PermissionDeniedError(HITLNotebookError):
    """Airflow knows you, and does not let you do this."""


class ReviewNotFoundError(HITLNotebookError):
    """There is no such review."""

    def __init__(self, message: str, *, task_active: bool = False) -> None:
        self.task_active = task_active
        super().__init__(message)


class WebhookNotFoundError(HITLNotebookError):
    """There is no such webhook event, endpoint or connection."""


class ConflictError(HITLNotebookError):
    """The decision was not taken.

    Attributes:
        review: the review as it is now.
        decided_by: who decided before, if anybody did.
    """

    def __init__(self, message: str, *, review: Review, decided_by: User | None) -> None:
        self.review = review
        self.decided_by = decided_by
        super().__init__(message)


class InvalidRequestError(HITLNotebookError):
    """What was sent cannot be used."""


class WaitTimeoutError(HITLNotebookError, TimeoutError):
    """What was waited for did not happen in time. It may still happen.

    Attributes:
        review: the review as last seen; None if there was none yet.
    """

    def __init__(self, message: str, *, review: Review | None = None) -> None:
        self.review = review
        super().__init__(message)


class RegenerationFailedError(HITLNotebookError):
    """The output that was waited for could not be made. The one before it waits for a decision again.

    Attributes:
        review: the review as it is now; its ``last_error`` says why.
    """

    def __init__(self, message: str, *, review: Review) -> None:
        self.review = review
        super().__init__(message)


class NotConnectedError(HITLNotebookError, RuntimeError):
    """The panel has no connection yet: its form waits for somebody."""


class ServerError(HITLNotebookError):
    """The server failed, or what answers there is not hitl-notebook's API.

    Attributes:
        status_code: of HTTP; None if the answer was read and is not ours.
    """

    def __init__(self, message: str, *, status_code: int | None = None) -> None:
        self.status_code = status_code
        super().__init__(message)
