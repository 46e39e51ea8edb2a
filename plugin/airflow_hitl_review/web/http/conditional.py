"""Conditional requests: clients do not fetch unchanged responses again.

A client that polls the list gets 304 for an unchanged one, without a database query. With ``Cache-Control:
max-age=5`` (RFC 9111, 5.2.1.1), a client accepts a response of that age in seconds. While such clients poll, one
query of the list every few seconds serves them all, however many there are.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Hashable, Mapping

from cachetools import LRUCache
from fastapi import Request, Response

LEASE_SECONDS = 30.0
"""How long the list is polled after a request with ``max-age``."""

MOST_ETAGS = 10_000
"""Maximum number of cached ETags in a process, one for each reader and filter."""

_MAX_AGE = re.compile(r"(?:^|,)\s*max-age=(\d{1,6})\s*(?:$|,)", re.IGNORECASE)


def accepted_age(request: Request) -> float:
    """The response's maximum age in seconds that the client accepts; 0 if it does not say."""
    found = _MAX_AGE.search(request.headers.get("cache-control", ""))
    return float(found[1]) if found else 0.0


class LastETags:
    """Cache of each reader's last ``ETag``, with the list's stamp that it belongs to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tags: LRUCache[Hashable, tuple[str, str]] = LRUCache(MOST_ETAGS)

    def tag(self, reader: Hashable, stamp: str) -> str | None:
        """The tag of this reader's last response, if the list still has that stamp."""
        with self._lock:
            known = self._tags.get(reader)
        return known[1] if known is not None and known[0] == stamp else None

    def keep(self, reader: Hashable, stamp: str, tag: str) -> None:
        """Cache the tag of a response that was read after ``stamp``."""
        with self._lock:
            self._tags[reader] = (stamp, tag)


def revalidated(
    request: Request,
    body: bytes,
    media_type: str,
    *,
    headers: Mapping[str, str] | None = None,
    version: str | None = None,
) -> Response:
    """The body with an ``ETag``, or 304 if the client already has it (RFC 9110, 8.8.3 and 13.1.2).

    Args:
        request: the request, with the client's ``If-None-Match``.
        body: the response body.
        media_type: its media type.
        headers: additional headers.
        version: identifies the body; a digest of it if None.
    """
    tag = f'W/"{version or hashlib.sha256(body).hexdigest()[:32]}"'
    if has(request, tag):
        return not_modified(tag, headers)
    return Response(body, media_type=media_type, headers=_headers(tag, headers))


def has(request: Request, tag: str) -> bool:
    """Whether the client has the response with that ``ETag``."""
    return tag in (known.strip() for known in request.headers.get("if-none-match", "").split(","))


def not_modified(tag: str, headers: Mapping[str, str] | None = None) -> Response:
    """The 304 response for a client that already has the body."""
    return Response(status_code=304, headers=_headers(tag, headers))


def _headers(tag: str, more: Mapping[str, str] | None) -> dict[str, str]:
    return {"ETag": tag, "Cache-Control": "private, no-cache", **(more or {})}
