"""Connection settings: given as arguments, or in the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from hitl_notebook.client.auth import Secret
from hitl_notebook.client.transport import check_url, check_url_prefix, without_userinfo

URL = "HITL_REVIEW_URL"
TOKEN = "HITL_REVIEW_TOKEN"  # noqa: S105 - a name, not a token
USERNAME = "HITL_REVIEW_USERNAME"
URL_PREFIX = "HITL_REVIEW_URL_PREFIX"
PASSWORD = "HITL_REVIEW_PASSWORD"  # noqa: S105 - a name, not a password


@dataclass(frozen=True, repr=False)
class Connection:
    """URL and credentials, possibly incomplete. Makes no request.

    Attributes:
        url: base URL of Airflow's API server.
        token: an Airflow API token; or
        username: with ``password``, to fetch one.
        password: password of that user. Neither it nor the token is shown by any ``repr``.
        url_prefix: path of the plugin on that server; None for the default.
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
        """Create a connection from the arguments; missing ones are read from the environment.

        ``HITL_REVIEW_URL`` (and ``HITL_REVIEW_URL_PREFIX``, where Airflow's setting ``[hitl_review] url_prefix`` is
        not the default); ``HITL_REVIEW_TOKEN``, or ``HITL_REVIEW_USERNAME`` with ``HITL_REVIEW_PASSWORD`` (the
        token, if all are set). Empty variables count as not set. Settings that belong together are not mixed: the
        environment's credentials and path are used only with the environment's URL, if it has one, its password
        only with its user name, and its token only if no user name or password is given.

        Args:
            url: base URL of Airflow's API server.
            token: an Airflow API token; or
            username: with ``password``, to fetch one.
            password: password of that user.
            url_prefix: path of the plugin on that server.
            environment: the environment variables; ``os.environ`` if None.

        Raises:
            ValueError: the URL cannot be that of an API server.
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
        """Whether the settings suffice to connect."""
        return not self.missing

    @property
    def missing(self) -> str:
        """Description of what is missing, such as ``"the password of 'ada'"``; empty if nothing is."""
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
