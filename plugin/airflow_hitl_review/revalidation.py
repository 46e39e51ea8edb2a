"""Answers that a client need not fetch again while they are the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from fastapi import Request, Response


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
