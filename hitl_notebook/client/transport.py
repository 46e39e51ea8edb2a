"""HTTP requests to the plugin's API: tokens, timeouts, and error responses."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
import requests

from hitl_notebook.client.auth import Bearer, TokenSource
from hitl_notebook.client.sending import send, who_answered
from hitl_notebook.errors import (
    AuthenticationError,
    ConflictError,
    ConnectionFailedError,
    FieldError,
    HITLNotebookError,
    InvalidEditError,
    InvalidRequestError,
    PermissionDeniedError,
    ReviewNotFoundError,
    ServerError,
)
from hitl_notebook.records import parse_review, parse_user

T = TypeVar("T")

URL_PREFIX = "/hitl-review"
"""Default of Airflow's setting ``[hitl_review] url_prefix``: the plugin's path."""

_THIS_MACHINE = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?(/|$)", re.IGNORECASE)
# Older versions of msgspec do not derive their errors from ValueError.
_NOT_OUR_SHAPE = (msgspec.ValidationError, ValueError, KeyError, TypeError, AttributeError, OverflowError)


class Transport:
    """Sends requests to the plugin and raises errors. Thread-safe.

    Args:
        url: base URL of the API server, without a trailing slash.
        tokens: for the ``Authorization`` header.
        timeout: seconds to wait for a response.
        url_prefix: path of the plugin below that URL, with a leading slash.
    """

    def __init__(self, url: str, tokens: TokenSource, timeout: float, url_prefix: str = URL_PREFIX) -> None:
        self.url = url
        self.url_prefix = url_prefix
        self._tokens = tokens
        self._timeout = timeout
        self._local = threading.local()

    def __repr__(self) -> str:
        return f"<Transport to {self.url} with {self._tokens!r}>"

    def request(
        self, method: str, path: str, *, expected: Collection[int] = (), below: str | None = None, **kwargs: Any
    ) -> requests.Response:
        """Send a request.

        Args:
            method: HTTP method.
            path: path below the plugin's prefix, with a leading slash.
            below: another prefix, such as ``/api/v2`` for Airflow's public API.
            expected: HTTP statuses of 400 and above that the caller handles.
            **kwargs: passed to ``requests``: ``params``, ``json``, ``headers``, ``stream``, ``timeout``.

        Raises:
            HITLNotebookError: see ``error_of``; or ``ConnectionFailedError``.
        """
        path = (self.url_prefix if below is None else below) + path
        answer = self._send(method, path, Bearer(self._tokens.get()), **kwargs)
        if refuses_the_token(answer) and self._tokens.renewable:
            # Rejected before anything was done, so it is safe to retry once with a new token.
            self._tokens.forget(answer.request.headers.get("Authorization", "").removeprefix("Bearer "))
            answer = self._send(method, path, Bearer(self._tokens.get()), **kwargs)
        if (not answer.ok or answer.is_redirect) and answer.status_code not in expected:
            raise error_of(answer, self.where)
        return answer

    @property
    def where(self) -> str:
        """URL of the plugin."""
        return self.url + self.url_prefix

    def read(self, parse: Callable[[Any], T], answer: requests.Response) -> T:
        """Parse the JSON of a response.

        Raises:
            ServerError: it does not have the shape that ``parse`` expects.
        """
        try:
            return parse(answer.json())
        except _NOT_OUR_SHAPE:
            who = who_answered(answer)
            raise ServerError(f"{_not_ours(self.where)}{f' {who}.' if who else ''}") from None

    def _send(self, method: str, path: str, bearer: Bearer, **kwargs: Any) -> requests.Response:
        kwargs = {"timeout": self._timeout, **kwargs, "auth": bearer}
        url = f"{self.url}{path}"
        if method == "GET":
            return self._get(url, **kwargs)
        # Use a new connection: the server may be closing an idle one at this moment, and then nobody could tell
        # whether a decision arrived.
        with requests.Session() as session:
            return send(session, method, url, **kwargs)

    def _get(self, url: str, **kwargs: Any) -> requests.Response:
        try:
            return send(self._session(), "GET", url, **kwargs)
        except ConnectionFailedError as error:
            if not error.is_broken_connection:
                raise
            # The server may have closed an idle connection just as it was reused. Retrying a read is safe.
            return send(self._session(), "GET", url, **kwargs)

    def _session(self) -> requests.Session:
        # requests does not guarantee that sessions are thread-safe.
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        session: requests.Session = self._local.session
        return session


def check_url(url: str) -> str:
    """Return an API server's URL without a trailing slash; adds ``http://`` for localhost.

    Raises:
        ValueError: it is not a valid URL.
    """
    url = f"http://{url}" if _THIS_MACHINE.match(url) else url
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # for example, an invalid port
        valid = False
    if not valid or any(c.isspace() for c in url) or parts.query or parts.fragment:
        raise ValueError(
            "url must be the address of Airflow's API server, such as http://localhost:8080 or "
            f"https://airflow.example.org, not {without_userinfo(url)!r}."
        )
    if parts.username or parts.password:
        raise ValueError("Give the username and the password as arguments, not in the url.")
    return url.rstrip("/")


def check_url_prefix(prefix: str) -> str:
    """Return the prefix as it is appended to a URL; raises ``ValueError`` if it is invalid."""
    usable = "/" + prefix.strip().strip("/")
    if not re.fullmatch(r"/[A-Za-z0-9][A-Za-z0-9_-]*", usable):
        raise ValueError(f"url_prefix must be one path segment, such as /hitl-review, not {prefix!r}.")
    return usable


def without_userinfo(url: str) -> str:
    """Return the URL without user name and password."""
    start, at, rest = url.rpartition("@")
    scheme = next((known for known in ("http://", "https://") if start.startswith(known)), "")
    return f"{scheme}…@{rest}" if at else url


def detail_of(answer: requests.Response) -> Any:
    """Return FastAPI's ``detail`` of an error response; None if there is none."""
    try:
        return answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return None


def error_of(answer: requests.Response, where: str) -> HITLNotebookError:
    """Return the exception for a response with status 400 or above."""
    detail = detail_of(answer)
    text = _text_of(detail)
    if detail is None and (who := who_answered(answer)) is not None:
        return ServerError(f"Airflow did not answer at {where}. {who}.", status_code=answer.status_code)
    if refuses_the_token(answer):
        return AuthenticationError(
            f"Airflow does not accept this token ({text or 'it may have expired'}). "
            "Get a new one from POST /auth/token, or connect with a username and a password."
        )
    match answer.status_code:
        case 403:
            return PermissionDeniedError(text or "You may not do this.")
        case 404 if isinstance(detail, dict) and "task_active" in detail:
            return ReviewNotFoundError(text, task_active=bool(detail["task_active"]))
        case 404:
            return ServerError(_not_ours(where))
        case 409 if isinstance(detail, dict):
            try:
                review, by = parse_review(detail["session"]), parse_user(detail["decided_by"])
            except _NOT_OUR_SHAPE:
                return ServerError(_not_ours(where))
            return ConflictError(text, review=review, decided_by=by)
        case 422 if (errors := _errors_of(answer)) is not None:
            return InvalidEditError(text, errors=errors)
        case 400 | 413 | 422:
            return InvalidRequestError(text or f"The server answered {answer.status_code}.")
        case code:
            return ServerError(f"The server answered {code}{': ' + text if text else ''}.", status_code=code)


def _errors_of(answer: requests.Response) -> tuple[FieldError, ...] | None:
    """Return what is wrong in an edited output; None if the response is about something else."""
    try:
        return tuple(FieldError(tuple(one["path"]), str(one["message"])) for one in answer.json()["errors"])
    except (ValueError, KeyError, TypeError):
        return None


def refuses_the_token(answer: requests.Response) -> bool:
    """Whether the token was rejected, not the user's permission. Airflow gives 403 for an unreadable token."""
    return answer.status_code == 401 or (
        answer.status_code == 403 and _text_of(detail_of(answer)) == "Invalid JWT token"
    )


def _not_ours(where: str) -> str:
    return f"{where} does not answer as hitl-notebook's API. Check that the plugin is installed on that Airflow."


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
