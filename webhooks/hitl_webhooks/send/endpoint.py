"""Endpoints that receive events."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import SplitResult, quote, unquote, unquote_plus, urlsplit

from hitl_webhooks.errors import InvalidEndpointError
from hitl_webhooks.send.formats import get_format
from hitl_webhooks.signing import SECRET_PREFIX, check_secret

# RFC 9110, 5.5 and 5.6.2.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"(?:[!-~](?:[\t -~]*[!-~])?)?")

MIN_SECRET_LENGTH = 4
"""Minimum length of a whole value to redact: "/" or "v1" is no secret, and would garble a text."""

MIN_PART_LENGTH = 8
"""Minimum length of a word of a header value or a path segment to redact: "Bearer" and "hooks" are no secrets."""


@dataclass(frozen=True)
class Endpoint:
    """An endpoint: where events are posted, and how.

    Attributes:
        name: name in the outbox and in logs; never contains a secret.
        url: absolute ``https`` URL; ``http`` only to localhost, or if allowed.
        secrets: signing secrets; two during rotation; without any, requests are unsigned.
        headers: additional headers, for instance ``Authorization``.
        format: name of the body's format, see ``hitl_webhooks.send.formats``.
        allow_http: permit unencrypted ``http`` to other machines.

    Raises:
        InvalidEndpointError: the URL, a header or the format is invalid.
        InvalidSecretError: a secret is malformed.
    """

    name: str
    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    format: str = "standard"
    allow_http: bool = False

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # for example, an invalid port
            valid = False
        if not valid:
            raise InvalidEndpointError(
                f"Webhook endpoint {self.name!r}: the URL must be absolute and start with https:// or http://."
            )
        if parts.scheme == "http" and not self.allow_http and not _is_this_machine(parts.hostname or ""):
            raise InvalidEndpointError(
                f"Webhook endpoint {self.name!r}: the URL must start with https://. To allow http://, although "
                "others on the network can read it, set [hitl_review] webhook_allow_http = True."
            )
        if not all(_HEADER_NAME.fullmatch(n) and _HEADER_VALUE.fullmatch(v) for n, v in self.headers.items()):
            # Raise here, without the value: httpx would include it in its error.
            raise InvalidEndpointError(
                f"Webhook endpoint {self.name!r}: headers must be printable ASCII, without spaces around the value."
            )
        try:
            get_format(self.format)
        except ValueError as error:
            raise InvalidEndpointError(f"Webhook endpoint {self.name!r}: {error}") from None
        object.__setattr__(self, "secrets", tuple(check_secret(secret) for secret in self.secrets))

    def without_secrets(self, text: str) -> str:
        """Redact this endpoint's possible secrets in ``text``, for logs and responses.

        The endpoint writes part of an error and knows what it was sent: it may echo the token alone, or the
        user and the password as encoded in the request.
        """
        hidden = {found for found in self._secrets() if len(found) >= MIN_SECRET_LENGTH}
        hidden |= {repr(secret)[1:-1] for secret in hidden}
        for secret in sorted(hidden, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def _secrets(self) -> Iterator[str]:
        parts = urlsplit(self.url)
        for secret in self.secrets:
            yield secret
            yield secret.removeprefix(SECRET_PREFIX)
        for value in self.headers.values():
            yield value
            yield from _long(value.split())
        if "://" not in self.name:
            yield self.url
        yield from _as_sent(parts.path)
        for part in _long(parts.path.split("/")):
            yield from _as_sent(part)
        yield from _as_sent(parts.query)
        for field_ in re.split("[&;]", parts.query):
            yield from _as_sent(field_.partition("=")[2])
        yield from _user_and_password(parts)


def _long(parts: list[str]) -> Iterator[str]:
    return (part for part in parts if len(part) >= MIN_PART_LENGTH)


def _as_sent(part: str) -> Iterator[str]:
    """Yield a part of a URL as given, as sent, and as decoded by the endpoint."""
    yield part
    yield quote(part, safe="/?&=%:;+$,@!*'()[]~")
    yield unquote(part)
    yield unquote_plus(part)


def _user_and_password(parts: SplitResult) -> Iterator[str]:
    user, password = parts.username or "", parts.password or ""
    yield from _as_sent(user)
    yield from _as_sent(password)
    if user or password:  # the Basic authentication header of httpx
        yield base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
