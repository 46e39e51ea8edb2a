"""Verifies webhooks per Standard Webhooks 1.0.0 (symmetric, ``v1``).

All errors that a request can cause have one base class.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Protocol

from hitl_webhooks.errors import InvalidSignatureError, MissingHeaderError, TimestampError
from hitl_webhooks.receive.received import ReceivedEvent, parse_event
from hitl_webhooks.signing import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, check_secrets, signature

TOLERANCE = timedelta(minutes=5)

_OUR_HEADERS = (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)


class Headers(Protocol):
    """Headers of any framework: a dict, Starlette's, Werkzeug's, Django's, ``email.message.Message``."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Return name and value of each header, in any order."""


def verify(
    payload: bytes,
    headers: Headers,
    secret: str | Sequence[str],
    *,
    tolerance: timedelta = TOLERANCE,
    now: datetime | None = None,
) -> ReceivedEvent:
    """Verify a received request and return its event.

    An invalid request raises only ``WebhookVerificationError``. The other errors are mistakes on the receiver's
    side, and must not become a 401, which would blame the sender.

    Args:
        payload: the raw bytes of the request's body, before any parsing.
        headers: the request's headers; names are case-insensitive.
        secret: the endpoint's secret, or several during rotation.
        tolerance: allowed difference between ``webhook-timestamp`` and now, in both directions.
        now: the current time, timezone-aware; the system clock if not given.

    Returns:
        The event, of a known or unknown type. For duplicates see ``DuplicateGuard``.

    Raises:
        WebhookVerificationError: do not trust the request; the subclass and the message say why.
        InvalidSecretError: ``secret`` is malformed.
        TypeError: ``payload`` is not bytes, or a header is not a string.
    """
    if not isinstance(payload, bytes):
        raise TypeError(f"payload must be the raw bytes of the request's body, not {type(payload).__name__}.")
    secrets = check_secrets(secret)
    found = _our_headers(headers)
    event_id = found[ID_HEADER]
    sent_at = _check_timestamp(found[TIMESTAMP_HEADER], tolerance, now or datetime.now(timezone.utc))
    _check_signature(payload, event_id, found[TIMESTAMP_HEADER], found[SIGNATURE_HEADER], secrets)
    return parse_event(event_id, sent_at, payload)


def _our_headers(headers: Headers) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers.items():
        if value is None:  # most frameworks' headers.get() returns None for a missing header
            continue
        if not (isinstance(name, str) and isinstance(value, str)):
            raise TypeError("headers must have names and values that are strings.")
        key = name.lower()
        # With two different values, a proxy, a log and this code might each use another one.
        if key in _OUR_HEADERS and found.setdefault(key, value) != value:
            raise InvalidSignatureError(f"The request cannot have been signed: {key} is given twice.")
    missing = [h for h in _OUR_HEADERS if not found.get(h)]
    if missing:
        raise MissingHeaderError(f"Missing header: {', '.join(missing)}.")
    return found


def _check_timestamp(value: str, tolerance: timedelta, now: datetime) -> datetime:
    # Accept only the form of str(int): the header's exact characters are signed.
    if not (value.isascii() and value.isdigit() and len(value) <= 12 and str(int(value)) == value):
        raise TimestampError(f"{TIMESTAMP_HEADER} is not a Unix time in whole seconds.")
    try:
        sent_at = datetime.fromtimestamp(int(value), tz=timezone.utc)
    except (ValueError, OverflowError, OSError):
        raise TimestampError(f"{TIMESTAMP_HEADER} is out of range.") from None
    if abs(now - sent_at) > tolerance:
        word = "old" if sent_at < now else "new"
        raise TimestampError(f"{TIMESTAMP_HEADER} is too {word}: more than {tolerance} from now.")
    return sent_at


def _check_signature(payload: bytes, event_id: str, timestamp: str, header: str, secrets: list[str]) -> None:
    if "." in event_id:  # it separates the signed parts: one more would make them ambiguous
        raise InvalidSignatureError(f"The request cannot have been signed: {ID_HEADER} contains a full stop.")
    try:
        expected = [signature(event_id, timestamp, payload, secret) for secret in secrets]
    except UnicodeEncodeError:
        raise InvalidSignatureError(
            f"The request cannot have been signed: {ID_HEADER} is not valid text."
        ) from None
    for given in header.split(" "):
        for good in expected:
            if hmac.compare_digest(given.encode("utf-8", "replace"), good.encode()):
                return
    raise InvalidSignatureError(f"No signature in {SIGNATURE_HEADER} matches.")
