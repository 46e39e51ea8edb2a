"""Tokens for Airflow's API: given, or fetched from ``/auth/token`` and renewed before they expire."""

from __future__ import annotations

import base64
import binascii
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import requests

from hitl_notebook.client.sending import send, who_answered
from hitl_notebook.errors import AuthenticationError, ServerError

RENEW_BEFORE = 60.0
"""Seconds before its expiry at which a token is renewed."""


class Secret(str):
    """A string hidden in its ``repr``, so that tracebacks with local variables do not show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<hidden>"


class Bearer(requests.auth.AuthBase):
    """Adds a bearer token to a request. Otherwise ``requests`` would use credentials from ``.netrc``."""

    def __init__(self, token: str | None) -> None:
        self.token = Secret(token) if token else None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Called by ``requests``."""
        if self.token is not None:
            request.headers["Authorization"] = f"Bearer {self.token}"
        return request


class TokenSource:
    """Provides bearer tokens for requests.

    Args:
        url: base URL of Airflow's API server.
        token: a fixed token; or
        username: with ``password``, to fetch one.
        password: password of that user.
        timeout: seconds to wait for a new token.
        clock: Unix time in seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        username: str | None = None,
        password: str | None = None,
        timeout: float = 30.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if token and (username or password):
            raise ValueError("Give a token, or a username and a password, but not both.")
        if bool(username) != bool(password):
            raise ValueError("Give a username and a password together.")
        if not token and not username:
            raise ValueError("Give a token, or a username and a password.")
        token = Secret(token.strip()) if token else None
        if token and not (token.isascii() and token.isprintable()):
            raise ValueError("The token has characters that tokens cannot have. Copy the whole token.")
        self._url = url
        # A password read from a file ends in a newline.
        self._credentials = (username, Secret(password.rstrip("\r\n"))) if username and password else None
        self._timeout = timeout
        self._clock = clock
        self._lock = threading.Lock()
        self._token = token
        self._expires_at = expiry_of(token) if token else None
        self._user_id = subject_of(token) if token else None

    def __repr__(self) -> str:
        who = f"user {self._credentials[0]!r}" if self._credentials else "a given token"
        return f"<TokenSource with {who}>"

    @property
    def username(self) -> str | None:
        """User whose tokens are fetched; None with a given token."""
        return self._credentials[0] if self._credentials else None

    @property
    def user_id(self) -> str | None:
        """User id in the token; None before the first is fetched, or if it has none."""
        return self._user_id

    @property
    def renewable(self) -> bool:
        """Whether a new token can be fetched."""
        return self._credentials is not None

    def get(self) -> str:
        """Return a token that is currently valid.

        Raises:
            AuthenticationError: wrong username or password, or the given token has expired.
            ConnectionFailedError: no response.
        """
        with self._lock:
            left = None if self._expires_at is None else self._expires_at - self._clock()
            if self._token is not None and not self.renewable:
                if left is not None and left <= 0:
                    raise AuthenticationError(
                        "The token has expired. Get a new one, or connect with a username and a password."
                    )
                return self._token
            if self._token is None or (left is not None and left < RENEW_BEFORE):
                self._token = self._fetch()
                self._expires_at = expiry_of(self._token)
                self._user_id = subject_of(self._token)
            return self._token

    def forget(self, token: str) -> None:
        """Drop a token that the server rejected; the next ``get`` fetches a new one."""
        with self._lock:
            if self.renewable and self._token == token:
                self._token = None

    def _fetch(self) -> Secret:
        assert self._credentials is not None
        username, password = self._credentials
        with requests.Session() as session:
            answer = send(
                session,
                "POST",
                f"{self._url}/auth/token",
                json={"username": username, "password": password},
                timeout=self._timeout,
                auth=Bearer(None),
            )
        if (who := who_answered(answer)) is not None:
            raise ServerError(f"Airflow did not answer at {self._url}. {who}.", status_code=answer.status_code)
        if answer.status_code in (400, 401, 403, 422) and _is_json(answer):
            raise AuthenticationError(f"Airflow does not accept this username and password ({username!r}).")
        try:
            return Secret(answer.json()["access_token"])
        except (ValueError, KeyError, TypeError):
            raise ServerError(
                f"{self._url}/auth/token answered {answer.status_code} without a token. Check that this is "
                "Airflow's API server.",
                status_code=answer.status_code,
            ) from None


def _is_json(answer: requests.Response) -> bool:
    """Whether the response may be Airflow's: a gateway's error is not JSON."""
    return "json" in answer.headers.get("Content-Type", "")


def expiry_of(token: str) -> float | None:
    """Return a JWT's expiry as Unix time in seconds; None if it has none. The signature is not checked."""
    try:
        return float(_claims(token)["exp"])
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def subject_of(token: str) -> str | None:
    """Return a JWT's subject: the user id of Airflow's auth manager; None if it has none."""
    subject = _claims(token).get("sub")
    return str(subject) if isinstance(subject, (str, int)) and subject != "" else None


def _claims(token: str) -> dict[str, Any]:
    """Return a JWT's claims; empty if it is not a JWT. The signature is not checked."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}
