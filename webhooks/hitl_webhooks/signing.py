"""Signs and verifies webhooks per Standard Webhooks 1.0.0 (symmetric, ``v1``).

The ``standardwebhooks`` library signs outgoing events. This module adds what the library lacks: a check of the
secret's length, several secrets during rotation, an injectable clock, and its own ``verify``, whose errors share
one base class (the library's lets ``binascii.Error``, ``UnicodeDecodeError`` and others through).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets as _secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Protocol

from standardwebhooks.webhooks import Webhook as _Signer

from hitl_webhooks.errors import (
    InvalidSecretError,
    InvalidSignatureError,
    MissingHeaderError,
    TimestampError,
)
from hitl_webhooks.received import ReceivedEvent, parse_event

SECRET_PREFIX = "whsec_"  # noqa: S105 - the public prefix of secrets, not a secret
MIN_SECRET_BYTES = 24
MAX_SECRET_BYTES = 64
TOLERANCE = timedelta(minutes=5)

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"
_OUR_HEADERS = (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)


class Headers(Protocol):
    """Headers of any framework: a dict, Starlette's, Werkzeug's, Django's, ``email.message.Message``."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Return name and value of each header, in any order."""


def generate_secret(size: int = 32) -> str:
    """Return a new random secret.

    Args:
        size: bytes of randomness, 24 to 64.

    Returns:
        ``"whsec_"`` followed by base64.

    Raises:
        InvalidSecretError: ``size`` is out of range.
    """
    if not MIN_SECRET_BYTES <= size <= MAX_SECRET_BYTES:
        raise InvalidSecretError(f"A secret has {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes, not {size}.")
    return SECRET_PREFIX + base64.b64encode(_secrets.token_bytes(size)).decode()


def check_secret(secret: str) -> str:
    """Return ``secret`` if it is well formed.

    Raises:
        InvalidSecretError: says what is wrong and how to make a valid one; never contains the secret.
    """
    hint = " Make one with hitl_webhooks.generate_secret()."
    secret = secret.strip() if isinstance(secret, str) else secret  # a secret read from a file ends in a newline
    if not isinstance(secret, str) or not secret.startswith(SECRET_PREFIX):
        raise InvalidSecretError(f"A webhook secret starts with {SECRET_PREFIX!r}.{hint}")
    try:
        raw = base64.b64decode(secret[len(SECRET_PREFIX) :], validate=True)
    except (binascii.Error, ValueError):
        raise InvalidSecretError(f"What follows {SECRET_PREFIX!r} is not base64.{hint}") from None
    if not MIN_SECRET_BYTES <= len(raw) <= MAX_SECRET_BYTES:
        raise InvalidSecretError(
            f"A webhook secret has {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes, this one {len(raw)}.{hint}"
        )
    return secret


def sign(*, event_id: str, timestamp: datetime, body: bytes, secrets: Sequence[str]) -> str:
    """Return the value of the ``webhook-signature`` header.

    Args:
        event_id: value of ``webhook-id``; must not contain a full stop.
        timestamp: time of this attempt, timezone-aware; sent as whole seconds.
        body: the exact UTF-8 bytes that are posted.
        secrets: one secret, or more during rotation: each gives one signature.

    Raises:
        InvalidSecretError: a secret is malformed.
        ValueError: ``timestamp`` has no timezone, or ``event_id`` contains a full stop.
    """
    if timestamp.tzinfo is None:
        raise ValueError("timestamp must be timezone-aware")
    if "." in event_id:
        raise ValueError("event_id must not contain a full stop: it separates the parts that are signed")
    utc = timestamp.astimezone(timezone.utc)
    text = body.decode("utf-8")
    return " ".join(_Signer(check_secret(s)).sign(event_id, utc, text) for s in secrets)


def check_secrets(secret: str | Sequence[str]) -> list[str]:
    """Return one or several secrets as a list if all are well formed.

    Raises:
        InvalidSecretError: one is malformed, or there is none.
    """
    # Anything that is not a collection is one (wrong) secret: for instance None from an unset variable.
    if isinstance(secret, str) or not isinstance(secret, Iterable):
        secret = [secret]
    known = [check_secret(s) for s in secret]
    if not known:
        raise InvalidSecretError("No secret was given to verify with.")
    return known


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
        The event, of a known or unknown type. For duplicates see ``hitl_webhooks.duplicates``.

    Raises:
        WebhookVerificationError: do not trust the request; the subclass and the message say why.
        InvalidSecretError: ``secret`` is malformed.
        TypeError: ``payload`` is not bytes, or a header is not a string.
    """
    if not isinstance(payload, bytes):
        raise TypeError(f"payload must be the raw bytes of the request's body, not {type(payload).__name__}.")
    keys = [_key(s) for s in check_secrets(secret)]
    found = _our_headers(headers)
    event_id = found[ID_HEADER]
    sent_at = _check_timestamp(found[TIMESTAMP_HEADER], tolerance, now or datetime.now(timezone.utc))
    _check_signature(payload, event_id, found[TIMESTAMP_HEADER], found[SIGNATURE_HEADER], keys)
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
            raise InvalidSignatureError(f"The request cannot have been signed: {key} is there twice.")
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
        raise TimestampError(f"{TIMESTAMP_HEADER} is beyond all calendars.") from None
    if abs(now - sent_at) > tolerance:
        word = "old" if sent_at < now else "new"
        raise TimestampError(f"{TIMESTAMP_HEADER} is too {word}: more than {tolerance} from now.")
    return sent_at


def _check_signature(payload: bytes, event_id: str, timestamp: str, header: str, keys: list[bytes]) -> None:
    if "." in event_id:  # it separates the signed parts: one more would make them ambiguous
        raise InvalidSignatureError(f"The request cannot have been signed: {ID_HEADER} contains a full stop.")
    try:
        content = f"{event_id}.{timestamp}.".encode() + payload
    except UnicodeEncodeError:
        raise InvalidSignatureError(f"The request cannot have been signed: {ID_HEADER} is no text.") from None
    # Not with the library: it signs text, but the payload is bytes.
    expected = [b"v1," + base64.b64encode(hmac.digest(key, content, "sha256")) for key in keys]
    for given in header.split(" "):
        for good in expected:
            if hmac.compare_digest(given.encode("utf-8", "replace"), good):
                return
    raise InvalidSignatureError(f"No signature in {SIGNATURE_HEADER} fits.")


def _key(secret: str) -> bytes:
    return base64.b64decode(secret[len(SECRET_PREFIX) :])
