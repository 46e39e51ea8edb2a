"""``Client``: the REST API, for scripts and for the panel."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import requests

from hitl_notebook.auth import TokenSource, _reason
from hitl_notebook.errors import (
    AuthenticationError,
    ConflictError,
    ConnectionFailedError,
    InvalidRequestError,
    PermissionDeniedError,
    ReviewNotFoundError,
    ServerError,
)
from hitl_notebook.records import (
    Review,
    ReviewKey,
    ReviewPage,
    ReviewSummary,
    parse_page,
    parse_review,
    parse_user,
)

Channel = Literal["rest", "notebook"]

T = TypeVar("T")

_NOT_OUR_SHAPE = (ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True)
class CachedPage:
    """A page, and the tag with which an unchanged one costs an empty answer."""

    page: ReviewPage
    etag: str | None


class Client:
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
        _check_url(url)
        self.url = url.rstrip("/")
        self._tokens = TokenSource(self.url, token=token, username=username, password=password, timeout=timeout)
        self._timeout = timeout
        self._channel = channel
        self._local = threading.local()

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
        answer = self._request("GET", "/sessions", params=params, headers=headers)
        if answer.status_code == 304 and known is not None:
            return known
        return CachedPage(self._read(parse_page, answer), answer.headers.get("ETag"))

    def find(self, review: ReviewKey | ReviewSummary) -> Review:
        """One review, with its conversation.

        Args:
            review: a row of ``sessions()``, or a ``ReviewKey(dag_id, run_id, task_id, map_index)``.

        Raises:
            HITLNotebookError: see ``hitl_notebook.errors``.
        """
        return self._read(parse_review, self._request("GET", "/sessions/find", params=_params(review)))

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
        answer = self._request(
            "POST",
            f"/sessions/{action}",
            params=_params(review),
            json={**body, "iteration": iteration, "channel": self._channel},
        )
        return self._read(parse_review, answer)

    # --- HTTP

    def _request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        answer = self._send(method, path, self._tokens.get(), **kwargs)
        if answer.status_code == 401 and self._tokens.renewable:
            # Refused before anything was done, so it is safe to repeat once with a new token.
            self._tokens.forget(answer.request.headers.get("Authorization", "").removeprefix("Bearer "))
            answer = self._send(method, path, self._tokens.get(), **kwargs)
        if not answer.ok and answer.status_code != 304:
            raise _error_of(answer, self.url)
        return answer

    def _send(self, method: str, path: str, token: str, **kwargs: Any) -> requests.Response:
        headers = {**kwargs.pop("headers", {}), "Authorization": f"Bearer {token}"}
        try:
            return self._session().request(
                method,
                f"{self.url}/hitl-review{path}",
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
                **kwargs,
            )
        except requests.RequestException as error:
            raise ConnectionFailedError(f"No answer from {self.url}: {_reason(error)}.") from error

    def _session(self) -> requests.Session:
        # requests does not promise that a session can be shared between threads.
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        session: requests.Session = self._local.session
        return session

    def _read(self, parse: Callable[[Any], T], answer: requests.Response) -> T:
        try:
            return parse(answer.json())
        except _NOT_OUR_SHAPE:
            raise ServerError(_not_ours(self.url)) from None


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # among others for a port that is none
        valid = False
    if not valid or any(c.isspace() for c in url) or parts.query or parts.fragment:
        raise ValueError(
            f"url must be the address of Airflow's API server, such as http://localhost:8080, not {url!r}."
        )
    if parts.username or parts.password:
        raise ValueError("Give the username and the password as arguments, not in the url.")


def _params(review: ReviewKey | ReviewSummary) -> dict[str, Any]:
    key = review if isinstance(review, ReviewKey) else review.key
    return key._asdict()


def _not_ours(url: str) -> str:
    return f"{url}/hitl-review does not answer as hitl-notebook's API. Is the plugin installed on that Airflow?"


def _error_of(answer: requests.Response, url: str) -> Exception:
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = None
    text = _text_of(detail)
    match answer.status_code:
        case 401:
            return AuthenticationError(f"Airflow does not accept the token: {text or 'it may have expired'}.")
        case 403:
            return PermissionDeniedError(text or "You may not do this.")
        case 404 if isinstance(detail, dict) and "task_active" in detail:
            return ReviewNotFoundError(text, task_active=bool(detail["task_active"]))
        case 404:
            return ServerError(_not_ours(url))
        case 409 if isinstance(detail, dict):
            try:
                review, by = parse_review(detail["session"]), parse_user(detail["decided_by"])
            except _NOT_OUR_SHAPE:
                return ServerError(_not_ours(url))
            return ConflictError(text, review=review, decided_by=by)
        case 400 | 413 | 422:
            return InvalidRequestError(text or f"The server answered {answer.status_code}.")
        case code:
            return ServerError(f"The server answered {code}{': ' + text if text else ''}.")


def _text_of(detail: Any) -> str:
    if isinstance(detail, dict):
        return str(detail.get("message", ""))
    if isinstance(detail, list):  # FastAPI's validation errors
        return "; ".join(
            f"{'.'.join(str(p) for p in e.get('loc', ()))}: {e.get('msg', '')}"
            for e in detail
            if isinstance(e, dict)
        )
    return str(detail).rstrip(".") if detail else ""
