"""Conditional requests: answers that a client need not fetch again while they are the same.

Who asks for the list again and again is told that it is the same, without a question to the database. A client says
with ``Cache-Control: max-age=5`` (RFC 9111, 5.2.1.1) that an answer may be so many seconds old. While such clients
ask, one look at the list every few seconds serves them all, however many there are.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping

from fastapi import Request, Response

LEASE_SECONDS = 30.0
"""How long the list is looked at after somebody has asked with ``max-age``."""

MOST_ANSWERS = 10_000
"""Maximum number of ETags that a process remembers, one for each reader and filter."""

_MAX_AGE = re.compile(r"(?:^|,)\s*max-age=(\d{1,6})\s*(?:$|,)", re.IGNORECASE)


def accepted_age(request: Request) -> float:
    """How old an answer may be, in seconds; 0 if the client does not say."""
    found = _MAX_AGE.search(request.headers.get("cache-control", ""))
    return float(found[1]) if found else 0.0


class LastETags:
    """The ``ETag`` that each reader has had last, and of which state of the list it is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tags: OrderedDict[Hashable, tuple[str, str]] = OrderedDict()

    def tag(self, reader: Hashable, stamp: str) -> str | None:
        """The tag of the answer that this reader had, if the list is still in that state."""
        with self._lock:
            known = self._tags.get(reader)
        return known[1] if known is not None and known[0] == stamp else None

    def keep(self, reader: Hashable, stamp: str, tag: str) -> None:
        """Remember an answer, all of which was read after ``stamp``."""
        with self._lock:
            self._tags[reader] = (stamp, tag)
            self._tags.move_to_end(reader)
            while len(self._tags) > MOST_ANSWERS:
                self._tags.popitem(last=False)


def revalidated(
    request: Request,
    body: bytes,
    media_type: str,
    *,
    headers: Mapping[str, str] | None = None,
    version: str | None = None,
) -> Response:
    """The body with an ``ETag``, or 304 if the client has that already (RFC 9110, 8.8.3 and 13.1.2).

    Args:
        request: what the client says that it has.
        body: the answer.
        media_type: its type.
        headers: further headers.
        version: names the body; a digest of it if None.
    """
    tag = f'W/"{version or hashlib.sha256(body).hexdigest()[:32]}"'
    if has(request, tag):
        return not_modified(tag, headers)
    return Response(body, media_type=media_type, headers=_headers(tag, headers))


def has(request: Request, tag: str) -> bool:
    """Whether the client has the answer of that ``ETag``."""
    return tag in (known.strip() for known in request.headers.get("if-none-match", "").split(","))


def not_modified(tag: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer to a client that has it already."""
    return Response(status_code=304, headers=_headers(tag, headers))


def _headers(tag: str, more: Mapping[str, str] | None) -> dict[str, str]:
    return {"ETag": tag, "Cache-Control": "private, no-cache", **(more or {})}
