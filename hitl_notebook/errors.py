"""All errors of the reviewer's side.

::

    HITLNotebookError
    ├── ConnectionFailedError   no response: wrong address, server down, timeout
    ├── AuthenticationError     401: no token, wrong password, or an expired or invalid token (also 403)
    ├── PermissionDeniedError   403: you may not read or decide this DAG's reviews
    ├── ReviewNotFoundError     404: no such review; ``task_active`` says whether one may still appear
    ├── WebhookNotFoundError    404: no such webhook event, endpoint or connection
    ├── ConflictError           409: already decided, or another output is current; has ``review``
    ├── InvalidRequestError     400, 413, 422: the request is invalid; the message says why
    │   └── InvalidEditError    422: the edited output cannot be taken; ``errors`` say where
    ├── WaitTimeoutError        ``Client.wait_for`` timed out; also a ``TimeoutError``
    ├── RegenerationFailedError ``Client.wait_for`` waited for an output that could not be made; has ``review``
    ├── NotConnectedError       the panel's form is not filled in yet; also a ``RuntimeError``
    └── ServerError             any other response: 5xx, or one that is not ours
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hitl_notebook.records import Review, User


class HITLNotebookError(Exception):
    """Base class of all errors of ``hitl_notebook``."""


class ConnectionFailedError(HITLNotebookError):
    """There was no response. A decision being sent may or may not have been recorded: check before repeating.

    Attributes:
        is_broken_connection: whether the connection was refused or broken; retrying a read then makes sense.
    """

    is_broken_connection = False


class AuthenticationError(HITLNotebookError):
    """Airflow does not know who you are."""


class PermissionDeniedError(HITLNotebookError):
    """Airflow knows you, but you lack the permission."""


class ReviewNotFoundError(HITLNotebookError):
    """There is no such review."""

    def __init__(self, message: str, *, task_active: bool = False) -> None:
        self.task_active = task_active
        super().__init__(message)


class WebhookNotFoundError(HITLNotebookError):
    """There is no such webhook event, endpoint or connection."""


class ConflictError(HITLNotebookError):
    """The decision was not recorded.

    Attributes:
        review: the review as it is now.
        decided_by: who decided earlier, if anybody did.
    """

    def __init__(self, message: str, *, review: Review, decided_by: User | None) -> None:
        self.review = review
        self.decided_by = decided_by
        super().__init__(message)


class InvalidRequestError(HITLNotebookError):
    """The request is invalid."""


class FieldError(NamedTuple):
    """What is wrong in one place of an edited output.

    Attributes:
        path: names and indexes that lead there; empty for the whole output.
        message: what is wrong there.
    """

    path: tuple[str | int, ...]
    message: str


class InvalidEditError(InvalidRequestError):
    """The edited output cannot be taken; nothing was decided.

    Attributes:
        errors: what is wrong where; empty if the output cannot be edited at all.
    """

    def __init__(self, message: str, *, errors: tuple[FieldError, ...] = ()) -> None:
        self.errors = errors
        super().__init__(message)


class WaitTimeoutError(HITLNotebookError, TimeoutError):
    """The awaited change did not happen in time. It may still happen.

    Attributes:
        review: the review as last seen; None if there was none yet.
    """

    def __init__(self, message: str, *, review: Review | None = None) -> None:
        self.review = review
        super().__init__(message)


class RegenerationFailedError(HITLNotebookError):
    """The awaited output could not be made. The previous one waits for a decision again.

    Attributes:
        review: the review as it is now; its ``last_error`` says why.
    """

    def __init__(self, message: str, *, review: Review) -> None:
        self.review = review
        super().__init__(message)


class NotConnectedError(HITLNotebookError, RuntimeError):
    """The panel is not connected yet: its form is not filled in."""


class ServerError(HITLNotebookError):
    """The server failed, or is not hitl-notebook's API.

    Attributes:
        status_code: HTTP status; None if the response was read and is not ours.
    """

    def __init__(self, message: str, *, status_code: int | None = None) -> None:
        self.status_code = status_code
        super().__init__(message)
