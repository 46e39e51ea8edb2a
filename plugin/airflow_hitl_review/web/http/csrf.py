"""Whose web pages may change something here. No Airflow imports.

Airflow takes its log-in from a cookie as well, and a browser adds that cookie by itself, whoever wrote the page
that sends the request. Its ``SameSite=Lax`` keeps other sites' pages out, but not those of the same site: another
port of the host, or a sister domain. An approval needs no body, so a plain form there would do.
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
    """The pages that may send requests with the browser's cookie.

    Attributes:
        trusted: origins as ``_origin`` writes them, beside Airflow's own as the request tells it.
        bearer_is_explicit: whether an ``Authorization`` header was set by the caller, as a browser never does by
            itself. Not so where Airflow adds it to each request.
    """

    trusted: frozenset[str] = frozenset()
    bearer_is_explicit: bool = True

    @classmethod
    def read(cls, addresses: Iterable[str], *, bearer_is_explicit: bool = True) -> CSRFCheck:
        """Those of some addresses; what is no ``http`` address is left out."""
        return cls(frozenset(filter(None, map(_origin, addresses))), bearer_is_explicit)

    async def check(self, request: Request) -> None:
        """A dependency of all routes.

        Raises:
            HTTPException: 403: a foreign page wants to change something, and has nothing but the browser's cookie.
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
                "Airflow's, with nothing but the browser's cookie. Such pages need a token in the Authorization "
                "header, or a place in Airflow's [api] access_control_allow_origins.",
            )

    def is_foreign(self, headers: Mapping[str, str]) -> bool:
        """Whether a browser says that a page of another origin sends this.

        Args:
            headers: of the request; names in lower case.
        """
        origin = headers.get("origin")
        if origin is not None and _origin(origin) in self.trusted:
            return False
        # What the browser itself found, with the address that it knows: no proxy can make it wrong. It sends this
        # over https, and to the own machine.
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site not in ("same-origin", "none")
        if origin is None:
            return False  # no browser: each of them sends it with a POST
        # The scheme is left out: a proxy may end TLS. A page cannot set the second header without asking first.
        own = [headers.get("host", ""), *headers.get("x-forwarded-host", "").split(",")]
        host = _host(origin)
        return not host or host not in {_host(f"//{name.strip()}") for name in own}


def _host(address: str) -> str:
    """Name and port in lower case, without the port where it is a default one; empty for what has none."""
    try:
        parts = urlsplit(address)
        name, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if not name:
        return ""
    return name if port is None or port in _DEFAULT_PORTS.values() else f"{name}:{port}"


def _origin(address: str) -> str:
    """Scheme, name and port of an address; empty for what is no ``http`` address."""
    try:
        parts = urlsplit(address.strip())
        name, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if not name or parts.scheme not in _DEFAULT_PORTS:
        return ""
    return f"{parts.scheme}://{name}:{port or _DEFAULT_PORTS[parts.scheme]}"
