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
"""Through what a decision came: a script, or the panel."""


class Client(ReadingClient):
    """Talks to hitl-notebook's plugin on an Airflow API server. Safe to use from several threads.

    Args:
        url: address of the API server, with the sub-path if it has one; without ``/hitl-review``.
        token: a token of Airflow's API; or
        username: with ``password``: a token is fetched from ``/auth/token``, and renewed in time.
        password: of that user.
        timeout: seconds to wait for an answer.
        channel: recorded with each decision.
        url_prefix: path of the plugin on that server, if Airflow's setting ``[hitl_review] url_prefix`` is not the
            default.

    Where only Airflow's AI provider is installed, reviews are found and decided all the same, with less to see of
    them: ``ReviewPage.notice`` says so.

    Raises:
        ValueError: the URL is no HTTP address, or the credentials are incomplete.

    Example::

        client = Client("http://localhost:8080", username="admin", password="admin")
        for row in client.iter_sessions(status="pending_review"):
            review = client.find(row)
            print(review.current_output)
            client.approve(review)

    ``Client.from_environment()`` takes all of that from environment variables.
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
        # A traceback with local variables shows these.
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
        """A client with what is given, and what is not from the environment.

        ``HITL_REVIEW_URL``; ``HITL_REVIEW_TOKEN``, or ``HITL_REVIEW_USERNAME`` with ``HITL_REVIEW_PASSWORD``; see
        ``Connection.from_environment``.

        Args:
            url: as for ``Client``; the same for all that is not named here.
            token: as for ``Client``.
            username: as for ``Client``.
            password: as for ``Client``.
            timeout: seconds to wait for an answer.
            channel: recorded with each decision.
            url_prefix: as for ``Client``.

        Raises:
            ValueError: something is missing (the message says what), or cannot be used.
        """
        connection = Connection.from_environment(
            url, token=token, username=username, password=password, url_prefix=url_prefix
        )
        return cls.connect(connection, channel=channel, timeout=timeout)

    @classmethod
    def connect(cls, connection: Connection, *, channel: Channel = "rest", timeout: float = 30.0) -> Client:
        """A client that connects this way.

        Args:
            connection: address and credentials.
            channel: recorded with each decision.
            timeout: seconds to wait for an answer.

        Raises:
            ValueError: something is missing, or cannot be used.
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
        """Who connects; None with a given token."""
        return self._tokens.username

    @property
    def user_id(self) -> str | None:
        """Id of who connects, as ``reviewers`` has it; None if the token does not say, or none was fetched yet."""
        return self._tokens.user_id

    def approve(self, review: ReviewKey | ReviewSummary, *, iteration: int | None = None) -> Review:
        """Approve the output: the task goes on with it.

        Args:
            review: what you looked at. A record says which output that was.
            iteration: number of the output; needed with a ``ReviewKey``.

        Returns:
            The review as it is now.

        Raises:
            ConflictError: somebody was faster, or another output is current: nothing was decided.
            HITLNotebookError: see ``hitl_notebook.errors``.
        """
        return self._decide("approve", review, iteration, {})

    def reject(
        self, review: ReviewKey | ReviewSummary, feedback: str = "", *, iteration: int | None = None
    ) -> Review:
        """Reject the output: the task fails and is not retried. ``feedback`` is the reason, if any.

        Arguments, result and errors else as for ``approve``.
        """
        return self._decide("reject", review, iteration, {"feedback": feedback})

    def request_changes(
        self, review: ReviewKey | ReviewSummary, feedback: str, *, iteration: int | None = None
    ) -> Review:
        """Ask for changes: the task makes the next output and waits again.

        Arguments, result and errors else as for ``approve``.
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
            # A task that is tried again starts at output 1 anew: the number alone would not tell it.
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
