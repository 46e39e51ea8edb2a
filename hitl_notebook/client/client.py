"""``Client``: the REST API, for scripts and for the panel. Connects and decides; ``reader`` reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hitl_notebook.client.auth import Secret, TokenSource
from hitl_notebook.client.backends.base import Channel, decision_on
from hitl_notebook.client.backends.detected import DetectedBackend
from hitl_notebook.client.connection import Connection
from hitl_notebook.client.edits import call_answers, edited_text
from hitl_notebook.client.events import events_of
from hitl_notebook.client.reader import ReviewReader
from hitl_notebook.client.transport import URL_PREFIX, Transport, check_url, check_url_prefix
from hitl_notebook.client.webhook_api import WebhookApi
from hitl_notebook.errors import InvalidRequestError
from hitl_notebook.records import Review, ReviewKey, ReviewSummary, User, key_of


class Client(ReviewReader, WebhookApi):
    """REST client for hitl-notebook's plugin on an Airflow API server. Thread-safe.

    Args:
        url: base URL of the API server, with its sub-path, if any; without ``/hitl-review``.
        token: an Airflow API token; or
        username: with ``password``: a token is fetched from ``/auth/token``, and renewed before it expires.
        password: password of that user.
        timeout: seconds to wait for a response.
        channel: recorded with each decision.
        url_prefix: path of the plugin on that server, if Airflow's setting ``[hitl_review] url_prefix`` is not the
            default.

    ``Client.from_environment()`` reads all of these from environment variables.

    If only Airflow's AI provider is installed, reviews are still found and decided, but with fewer details:
    ``ReviewPage.notice`` says so.

    Every method that sends a request can raise ``HITLNotebookError``, see ``hitl_notebook.errors``. A method lists
    only the errors that are special to it.

    Raises:
        ValueError: the URL is not an HTTP URL, or the credentials are incomplete.

    Example::

        client = Client("http://localhost:8080", username="admin", password="admin")
        for row in client.iter_sessions(status="pending_review"):
            review = client.find(row)
            print(review.current_output)
            client.approve(review)
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        username: str | None = None,
        password: str | None = None,
        timeout: float = 30.0,
        channel: Channel = "rest",
        url_prefix: str | None = None,
    ) -> None:
        # A traceback with local variables would show these.
        token, password = Secret(token or ""), Secret(password or "")
        self.url = check_url(url)
        self.url_prefix = check_url_prefix(url_prefix or URL_PREFIX)
        self._tokens = TokenSource(self.url, token=token, username=username, password=password, timeout=timeout)
        transport = Transport(self.url, self._tokens, timeout, self.url_prefix)
        ReviewReader.__init__(self, DetectedBackend(transport, channel))
        WebhookApi.__init__(self, transport)

    @classmethod
    def from_environment(
        cls,
        url: str | None = None,
        *,
        token: str | None = None,
        username: str | None = None,
        password: str | None = None,
        timeout: float = 30.0,
        channel: Channel = "rest",
        url_prefix: str | None = None,
    ) -> Client:
        """Create a client from the arguments, as for ``Client``; missing ones are read from the environment.

        ``HITL_REVIEW_URL``; ``HITL_REVIEW_TOKEN``, or ``HITL_REVIEW_USERNAME`` with ``HITL_REVIEW_PASSWORD``; see
        ``Connection.from_environment``.

        Raises:
            ValueError: something is missing (the message says what) or invalid.
        """
        connection = Connection.from_environment(
            url, token=token, username=username, password=password, url_prefix=url_prefix
        )
        return cls.connect(connection, channel=channel, timeout=timeout)

    @classmethod
    def connect(cls, connection: Connection, *, channel: Channel = "rest", timeout: float = 30.0) -> Client:
        """Create a client from a ``connection``; other arguments, and the errors, are those of ``Client``."""
        if connection.missing:
            raise ValueError(f"Not enough to connect. Missing: {connection.missing}.")
        return cls(
            connection.url or "",
            token=connection.token,
            username=connection.username,
            password=connection.password,
            timeout=timeout,
            channel=channel,
            url_prefix=connection.url_prefix,
        )

    def __repr__(self) -> str:
        return f"<Client of {self.url} with {self._tokens!r}>"

    @property
    def username(self) -> str | None:
        """User name of this client; None with a given token."""
        return self._tokens.username

    @property
    def user_id(self) -> str | None:
        """User id, as in ``reviewers``; None if the token does not contain it, or none was fetched yet."""
        return self._tokens.user_id

    def approve(
        self,
        review: ReviewKey | ReviewSummary,
        feedback: str = "",
        *,
        output: Any = None,
        calls: Mapping[str, bool | str | Mapping[str, Any]] | None = None,
        iteration: int | None = None,
        acting_for: User | None = None,
    ) -> Review:
        """Approve the output, as it is or edited: the task continues with it.

        If the output is a request of an agent, it makes the approved calls, and goes on.

        Args:
            review: the review you looked at. A record says which output that was.
            feedback: a comment, if any; it is kept with the decision.
            output: the output as you edited it, if you did: text, or for JSON its values, a model, or its text.
            calls: what you say of each call that an agent wants to make, by its ``tool_call_id``: True approves it,
                False or a reason denies it; a text answers a question. ``{"args": {...}}`` approves it with other
                arguments. Without, all calls are approved.
            iteration: number of the output; needed with a ``ReviewKey``.
            acting_for: for whom you decide, if you are a service; they are kept beside you.

        Returns:
            The updated review.

        Raises:
            ConflictError: already decided, or another output is current: nothing was recorded.
            InvalidEditError: ``output`` cannot be taken; ``errors`` say what is wrong where.
        """
        more: dict[str, Any] = {"iteration": iteration, "acting_for": acting_for}
        if calls is not None:
            return self._decide("approve", review, feedback, calls=call_answers(review, calls, self.find), **more)
        return self._decide("approve", review, feedback, output=output, **more)

    def reject(
        self,
        review: ReviewKey | ReviewSummary,
        feedback: str = "",
        *,
        iteration: int | None = None,
        acting_for: User | None = None,
    ) -> Review:
        """Reject the output: the task fails and is not retried, or is skipped. ``feedback`` is the reason, if any.

        Other arguments, result and errors: as for ``approve``.
        """
        return self._decide("reject", review, feedback, iteration=iteration, acting_for=acting_for)

    def request_changes(
        self,
        review: ReviewKey | ReviewSummary,
        feedback: str,
        *,
        output: Any = None,
        iteration: int | None = None,
        acting_for: User | None = None,
    ) -> Review:
        """Ask for changes: the task makes the next output and waits again; with ``output``, it goes on from that.

        Other arguments, result and errors: as for ``approve``.
        """
        if not feedback.strip():
            raise InvalidRequestError("Say what to change: the feedback is empty.")
        return self._decide("feedback", review, feedback, output=output, iteration=iteration, acting_for=acting_for)

    def stream(self, review: ReviewKey | ReviewSummary) -> Iterator[dict[str, Any]]:
        """Follow a review: yield what happens, until it waits for a decision or has ended.

        The events are those of AG-UI 1.0 (https://docs.ag-ui.com), as all its clients get them: the conversation
        (``MESSAGES_SNAPSHOT``), the session (``STATE_SNAPSHOT``), what the task does meanwhile
        (``ACTIVITY_SNAPSHOT``), outputs as they come (``TEXT_MESSAGE_...``), and at last ``RUN_FINISHED`` with what
        the review waits for or how it ended, or ``RUN_ERROR``::

            for event in client.stream(review):
                if event["type"] == "ACTIVITY_SNAPSHOT":
                    print(event["content"].get("text"))

        Args:
            review: which review; also of a task that has no output yet.

        Raises:
            ConnectionFailedError: the stream broke off; call it again to go on.
            PermissionDeniedError: you may not read it.
        """
        return events_of(self._transport, key_of(review))

    def _decide(
        self, action: str, review: ReviewKey | ReviewSummary, feedback: str, *, output: Any = None, **more: Any
    ) -> Review:
        edited = edited_text(review, output, self.find)
        return self._backend.decide(decision_on(review, action, feedback=feedback, edited_output=edited, **more))
