"""With what to connect: given as arguments, or in the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from hitl_notebook.auth import Secret
from hitl_notebook.transport import check_url, check_url_prefix, without_userinfo

URL = "HITL_REVIEW_URL"
TOKEN = "HITL_REVIEW_TOKEN"  # noqa: S105 - a name, not a token
USERNAME = "HITL_REVIEW_USERNAME"
URL_PREFIX = "HITL_REVIEW_URL_PREFIX"
PASSWORD = "HITL_REVIEW_PASSWORD"  # noqa: S105 - a name, not a password


@dataclass(frozen=True, repr=False)
class Connection:
    """An address and who connects; not more than what is known of them. It makes no request.

    Attributes:
        url: address of Airflow's API server.
        token: a token of Airflow's API; or
        username: with ``password``, to fetch one.
        password: of that user. Neither it nor the token is shown by any ``repr``.
        url_prefix: path of the plugin on that server; None for the usual one.
    """

    url: str | None = None
    token: str | None = None
    username: str | None = None
    password: str | None = None
    url_prefix: str | None = None

    def __post_init__(self) -> None:
        for name in ("token", "password"):
            value = getattr(self, name)
            object.__setattr__(self, name, Secret(value) if value else None)

    def __repr__(self) -> str:
        url = without_userinfo(self.url) if self.url else None
        secrets = "".join(f", {name}=<hidden>" for name in ("token", "password") if getattr(self, name))
        return f"Connection(url={url!r}, username={self.username!r}{secrets})"

    @classmethod
    def from_environment(
        cls,
        url: str | None = None,
        *,
        token: str | None = None,
        username: str | None = None,
        password: str | None = None,
        url_prefix: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Connection:
        """What is given, and what is not from the environment.

        ``HITL_REVIEW_URL`` (and ``HITL_REVIEW_URL_PREFIX``, where Airflow's setting ``[hitl_review] url_prefix`` is
        not the default); ``HITL_REVIEW_TOKEN``, or ``HITL_REVIEW_USERNAME`` with ``HITL_REVIEW_PASSWORD`` (the
        token, if all are set). Empty ones count as not set. What belongs together is not mixed: the environment's
        credentials and path are not used with another address than the environment's, if it has one, nor its
        password with another user name, nor its token where a user name or a password is given.

        Args:
            url: address of Airflow's API server.
            token: a token of Airflow's API; or
            username: with ``password``, to fetch one.
            password: of that user.
            url_prefix: path of the plugin on that server.
            environment: where to look; ``os.environ`` if None.

        Raises:
            ValueError: the address cannot be that of an API server.
        """
        found = os.environ if environment is None else environment
        url_there, username_there, token_there = (found.get(name, "").strip() for name in (URL, USERNAME, TOKEN))
        password_there = found.get(PASSWORD, "")
        address = (url or "").strip() or url_there
        address, url_there = check_url(address) if address else "", url_there.rstrip("/")
        if url_there and url_there in (address, address.removeprefix("http://")):
            url_there = address
        prefix_there = ""
        if not url_there or address == url_there:
            prefix_there = found.get(URL_PREFIX, "")
            if token_there and not (token or username or password):
                token = token_there
            elif not token and (not username or username == username_there or not username_there):
                username = username or username_there
                password = password or password_there
        prefix = (url_prefix or prefix_there).strip()
        prefix = check_url_prefix(prefix) if prefix else ""
        return cls(address or None, token or None, username or None, password or None, prefix or None)

    @property
    def complete(self) -> bool:
        """Whether it is enough to connect."""
        return not self.missing

    @property
    def missing(self) -> str:
        """What is missing, in words, such as ``"the password of 'ada'"``; empty if nothing is."""
        parts = []
        if not self.url:
            parts.append(f"the address of the API server (url, or {URL})")
        if not self.token:
            if self.username and not self.password:
                parts.append(f"the password of {self.username!r} (password, or {PASSWORD})")
            elif self.password and not self.username:
                parts.append(f"a user name (username, or {USERNAME})")
            elif not self.username:
                parts.append(f"a token ({TOKEN}), or a user name with a password ({USERNAME}, {PASSWORD})")
        return "; ".join(parts)
