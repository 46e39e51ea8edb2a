"""Protection against CSRF (cross-site request forgery). No Airflow imports.

Airflow also accepts a session cookie, and a browser adds that cookie automatically, whatever page sends the
request. Its ``SameSite=Lax`` blocks pages of other sites, but not those of the same site: another port of the host,
or a sibling domain. An approval needs no body, so a plain form there would be enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import HTTPException, Request

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class CSRFCheck:
    """Checks which origins may send requests with the browser's cookie.

    Attributes:
        trusted: origins normalized by ``_origin``, besides Airflow's own, which the request tells.
        bearer_is_explicit: whether an ``Authorization`` header comes from the caller (a browser never adds one
            automatically). False where Airflow adds it to each request.
    """

    trusted: frozenset[str] = frozenset()
    bearer_is_explicit: bool = True

    @classmethod
    def read(cls, addresses: Iterable[str], *, bearer_is_explicit: bool = True) -> CSRFCheck:
        """Create a check that trusts the origins of some URLs; skips those that are not ``http`` or ``https``."""
        return cls(frozenset(filter(None, map(_origin, addresses))), bearer_is_explicit)

    async def check(self, request: Request) -> None:
        """A dependency of all routes.

        Raises:
            HTTPException: 403: a page of another origin sends an unsafe method with only the browser's cookie.
        """
        if request.method in _SAFE:
            return
        headers = request.headers
        if self.bearer_is_explicit and headers.get("authorization", "").lower().startswith("bearer "):
            return
        if self.is_foreign(headers):
            raise HTTPException(
                403,
                f"This request comes from a page of {headers.get('origin', 'another site')!r}, which is not "
                "Airflow's, and has only the browser's cookie. Send a token in the Authorization header, or add "
                "the page's origin to Airflow's [api] access_control_allow_origins.",
            )

    def is_foreign(self, headers: Mapping[str, str]) -> bool:
        """Whether the browser's headers say that a page of another origin sends the request.

        Args:
            headers: the request's headers; names in lower case.
        """
        origin = headers.get("origin")
        if origin is not None and _origin(origin) in self.trusted:
            return False
        # The browser computes this from the URL that it knows, so no proxy can falsify it. It sends this header
        # over https, and to localhost.
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site not in ("same-origin", "none")
        if origin is None:
            return False  # not a browser: every browser sends Origin with a POST
        # Ignores the scheme: a proxy may terminate TLS. A page cannot set the second header without a preflight.
        own = [headers.get("host", ""), *headers.get("x-forwarded-host", "").split(",")]
        host = _host(origin)
        return not host or host not in {_host(f"//{name.strip()}") for name in own}


def _host(address: str) -> str:
    """Host and port in lower case, without a default port; empty if the URL has no host."""
    try:
        parts = urlsplit(address)
        name, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if not name:
        return ""
    return name if port is None or port in _DEFAULT_PORTS.values() else f"{name}:{port}"


def _origin(address: str) -> str:
    """Scheme, host and port of a URL; empty if it is not ``http`` or ``https``."""
    try:
        parts = urlsplit(address.strip())
        name, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if not name or parts.scheme not in _DEFAULT_PORTS:
        return ""
    return f"{parts.scheme}://{name}:{port or _DEFAULT_PORTS[parts.scheme]}"
