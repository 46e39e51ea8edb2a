"""``Client``: the REST API, for scripts and for the panel."""

from __future__ import annotations

from typing import Any, Literal

from hitl_notebook.auth import Secret, TokenSource
from hitl_notebook.connection import Connection
from hitl_notebook.errors import InvalidRequestError
from hitl_notebook.reading_client import CachedPage, ReadingClient
from hitl_notebook.records import Review, ReviewKey, ReviewSummary, key_of, parse_review
from hitl_notebook.transport import URL_PREFIX, Transport, check_url, check_url_prefix

__all__ = ["CachedPage", "Channel", "Client"]

Channel = Literal["rest", "notebook"]
"""Where a decision was made: in a script, or in the panel."""


class Client(ReadingClient):
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

    If only Airflow's AI provider is installed, reviews are still found and decided, but with fewer details:
    ``ReviewPage.notice`` says so.

    Raises:
        ValueError: the URL is not an HTTP URL, or the credentials are incomplete.

    Example::

        client = Client("http://localhost:8080", username="admin", password="admin")
        for row in client.iter_sessions(status="pending_review"):
            review = client.find(row)
            print(review.current_output)
            client.approve(review)

    ``Client.from_environment()`` reads all of these from environment variables.
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
        tokens = TokenSource(self.url, token=token, username=username, password=password, timeout=timeout)
        super().__init__(Transport(self.url, tokens, timeout, self.url_prefix))
        self._tokens = tokens
        self._channel = channel

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
        """Create a client from the arguments; missing ones are read from the environment.

        ``HITL_REVIEW_URL``; ``HITL_REVIEW_TOKEN``, or ``HITL_REVIEW_USERNAME`` with ``HITL_REVIEW_PASSWORD``; see
        ``Connection.from_environment``.

        Args:
            url: as for ``Client``.
            token: as for ``Client``.
            username: as for ``Client``.
            password: as for ``Client``.
            timeout: seconds to wait for a response.
            channel: recorded with each decision.
            url_prefix: as for ``Client``.

        Raises:
            ValueError: something is missing (the message says what) or invalid.
        """
        connection = Connection.from_environment(
            url, token=token, username=username, password=password, url_prefix=url_prefix
        )
        return cls.connect(connection, channel=channel, timeout=timeout)

    @classmethod
    def connect(cls, connection: Connection, *, channel: Channel = "rest", timeout: float = 30.0) -> Client:
        """Create a client from a ``Connection``.

        Args:
            connection: URL and credentials.
            channel: recorded with each decision.
            timeout: seconds to wait for a response.

        Raises:
            ValueError: something is missing or invalid.
        """
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

    def approve(self, review: ReviewKey | ReviewSummary, *, iteration: int | None = None) -> Review:
        """Approve the output: the task continues with it.

        Args:
            review: the review you looked at. A record says which output that was.
            iteration: number of the output; needed with a ``ReviewKey``.

        Returns:
            The updated review.

        Raises:
            ConflictError: already decided, or another output is current: nothing was recorded.
            HITLNotebookError: see ``hitl_notebook.errors``.
        """
        return self._decide("approve", review, iteration, {})

    def reject(
        self, review: ReviewKey | ReviewSummary, feedback: str = "", *, iteration: int | None = None
    ) -> Review:
        """Reject the output: the task fails and is not retried. ``feedback`` is the reason, if any.

        Other arguments, result and errors: as for ``approve``.
        """
        return self._decide("reject", review, iteration, {"feedback": feedback})

    def request_changes(
        self, review: ReviewKey | ReviewSummary, feedback: str, *, iteration: int | None = None
    ) -> Review:
        """Ask for changes: the task makes the next output and waits again.

        Other arguments, result and errors: as for ``approve``.
        """
        if not feedback.strip():
            raise InvalidRequestError("Say what to change: the feedback is empty.")
        return self._decide("feedback", review, iteration, {"feedback": feedback})

    def _decide(
        self, action: str, review: ReviewKey | ReviewSummary, iteration: int | None, body: dict[str, Any]
    ) -> Review:
        if iteration is None:
            if isinstance(review, ReviewKey):
                raise ValueError(
                    "Say which output you looked at: iteration=..., or give a review instead of a key."
                )
            iteration = review.iteration
        if not isinstance(review, ReviewKey) and iteration == review.iteration and review.output_sha256:
            # A retried task restarts at output 1, so the number alone does not identify the output.
            body = {**body, "output_sha256": review.output_sha256}
        if self._server.find_out():
            seen = None if isinstance(review, ReviewKey) else review
            return self._provider.decide(action, seen, key_of(review), iteration, body.get("feedback", ""))
        answer = self._transport.request(
            "POST",
            f"/sessions/{action}",
            params=key_of(review)._asdict(),
            json={**body, "iteration": iteration, "channel": self._channel},
        )
        return self._transport.read(parse_review, answer)
