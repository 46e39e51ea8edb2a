"""``Client``: the REST API, for scripts and for the panel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from hitl_notebook.auth import TokenSource
from hitl_notebook.delivery_client import DeliveryClient
from hitl_notebook.errors import InvalidRequestError
from hitl_notebook.records import (
    Review,
    ReviewKey,
    ReviewPage,
    ReviewSummary,
    key_of,
    parse_page,
    parse_review,
)
from hitl_notebook.transport import Transport, check_url

Channel = Literal["rest", "notebook"]


@dataclass(frozen=True)
class CachedPage:
    """A page, and the tag with which an unchanged one costs an empty answer."""

    page: ReviewPage
    etag: str | None


class Client(DeliveryClient):
    """Talks to hitl-notebook's plugin on an Airflow API server. Safe to use from several threads.

    Args:
        url: address of the API server, with the sub-path if it has one; without ``/hitl-review``.
        token: a token of Airflow's API; or
        username: with ``password``: a token is fetched from ``/auth/token``, and renewed in time.
        password: of that user.
        timeout: seconds to wait for an answer.
        channel: recorded with each decision.

    Raises:
        ValueError: the URL is no HTTP address, or the credentials are incomplete.

    Example::

        client = Client("http://localhost:8080", username="admin", password="admin")
        for row in client.sessions(status="pending_review"):
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
    ) -> None:
        check_url(url)
        self.url = url.rstrip("/")
        tokens = TokenSource(self.url, token=token, username=username, password=password, timeout=timeout)
        super().__init__(Transport(self.url, tokens, timeout))
        self._tokens = tokens
        self._channel = channel

    def __repr__(self) -> str:
        return f"<Client of {self.url} with {self._tokens!r}>"

    # --- reading

    def sessions(
        self,
        *,
        status: str | None = None,
        dag_id: str | None = None,
        q: str | None = None,
        include_ended: bool = False,
        limit: int = 50,
        offset: int = 0,
        order_by: str = "-updated_at",
    ) -> ReviewPage:
        """A page of the inbox: the reviews that you may read.

        Args:
            status: only those in this status, for instance ``"pending_review"``.
            dag_id: only those of this DAG.
            q: only those with this text in an id or the prompt.
            include_ended: also those whose task has ended.
            limit: at most so many, 1 to 500.
            offset: leave out so many first.
            order_by: ``updated_at``, ``dag_id``, ``run_id`` or ``task_id``; a minus before it turns it round.

        Raises:
            HITLNotebookError: see ``hitl_notebook.errors``.
        """
        return self.sessions_if_changed(
            None,
            status=status,
            dag_id=dag_id,
            q=q,
            include_ended=include_ended,
            limit=limit,
            offset=offset,
            order_by=order_by,
        ).page

    def sessions_if_changed(self, known: CachedPage | None, **filters: Any) -> CachedPage:
        """As ``sessions``; returns ``known`` itself if nothing has changed since (a conditional request)."""
        params = {name: value for name, value in filters.items() if value is not None}
        if "include_ended" in params:
            params["include_ended"] = str(bool(params["include_ended"])).lower()
        headers = {"If-None-Match": known.etag} if known and known.etag else {}
        answer = self._transport.request("GET", "/sessions", params=params, headers=headers)
        if answer.status_code == 304 and known is not None:
            return known
        return CachedPage(self._transport.read(parse_page, answer), answer.headers.get("ETag"))

    def find(self, review: ReviewKey | ReviewSummary) -> Review:
        """One review, with its conversation.

        Args:
            review: a row of ``sessions()``, or a ``ReviewKey(dag_id, run_id, task_id, map_index)``.

        Raises:
            HITLNotebookError: see ``hitl_notebook.errors``.
        """
        answer = self._transport.request("GET", "/sessions/find", params=key_of(review)._asdict())
        return self._transport.read(parse_review, answer)

    # --- deciding

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
        self, review: ReviewKey | ReviewSummary, *, feedback: str = "", iteration: int | None = None
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
        answer = self._transport.request(
            "POST",
            f"/sessions/{action}",
            params=key_of(review)._asdict(),
            json={**body, "iteration": iteration, "channel": self._channel},
        )
        return self._transport.read(parse_review, answer)
