"""Sign and verify, per Standard Webhooks 1.0.0 (symmetric, ``v1``).

The signature itself is made by the ``standardwebhooks`` library. This module adds what it leaves open:
the length of a secret, several secrets while one rotates, a clock that can be given, and errors that are
all of one family (its own ``verify`` lets ``binascii.Error``, ``UnicodeDecodeError`` and others through).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets as _secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from standardwebhooks.webhooks import Webhook as _Signer

from hitl_webhooks.errors import (
    InvalidSecretError,
    InvalidSignatureError,
    MalformedEventError,
    MissingHeaderError,
    TimestampError,
)

SECRET_PREFIX = "whsec_"  # noqa: S105 - the public prefix of every secret, not one
MIN_SECRET_BYTES = 24
MAX_SECRET_BYTES = 64
TOLERANCE = timedelta(minutes=5)

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"


@dataclass(frozen=True)
class ReceivedEvent:
    """A verified event.

    Attributes:
        id: the event's id. The same event always has the same id: remember it to ignore a repeat.
        type: for instance ``"hitl_review.finalized"``.
        timestamp: ISO 8601 time at which the thing happened (not that of this delivery).
        data: the payload, see ``docs/webhooks.md``.
    """

    id: str
    type: str
    timestamp: str
    data: dict[str, Any]


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
        InvalidSecretError: says what is wrong and how to make a good one; never repeats the secret.
    """
    hint = " Make one with hitl_webhooks.generate_secret()."
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
        body: the exact bytes that are posted, UTF-8.
        secrets: one secret, or more while one rotates: each gives one signature.

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


def verify(
    body: bytes,
    headers: Mapping[str, str],
    secret: str | Sequence[str],
    *,
    tolerance: timedelta = TOLERANCE,
    now: datetime | None = None,
) -> ReceivedEvent:
    """Check that a received request is ours, and return its event.

    Args:
        body: the raw bytes of the request, before any parsing.
        headers: the request's headers; names in any case.
        secret: the endpoint's secret, or several while one rotates.
        tolerance: how far ``webhook-timestamp`` may be from now, either way.
        now: the current time, timezone-aware; the system's clock if not given.

    Returns:
        The event. Deliveries repeat: keep ``event.id`` and ignore one that you know.

    Raises:
        WebhookVerificationError: do not trust the request; the subclass and the message say why.
        InvalidSecretError: ``secret`` is malformed; this is a mistake on the receiver's side.
    """
    known = [check_secret(s) for s in ([secret] if isinstance(secret, str) else secret)]
    if not known:
        raise InvalidSecretError("No secret was given to verify with.")
    lower = {name.lower(): value for name, value in headers.items()}
    missing = [h for h in (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER) if not lower.get(h)]
    if missing:
        raise MissingHeaderError(f"Missing header: {', '.join(missing)}.")

    event_id = lower[ID_HEADER]
    sent_at = _check_timestamp(lower[TIMESTAMP_HEADER], tolerance, now or datetime.now(timezone.utc))
    _check_signature(body, event_id, sent_at, lower[SIGNATURE_HEADER], known)
    return _parse(event_id, body)


def _check_timestamp(value: str, tolerance: timedelta, now: datetime) -> datetime:
    if not (value.isascii() and value.isdigit() and len(value) <= 12):
        raise TimestampError(f"{TIMESTAMP_HEADER} is not a Unix time in whole seconds.")
    try:
        sent_at = datetime.fromtimestamp(int(value), tz=timezone.utc)
    except (ValueError, OverflowError, OSError):
        raise TimestampError(f"{TIMESTAMP_HEADER} is beyond all calendars.") from None
    if abs(now - sent_at) > tolerance:
        word = "old" if sent_at < now else "new"
        raise TimestampError(f"{TIMESTAMP_HEADER} is too {word}: more than {tolerance} from now.")
    return sent_at


def _check_signature(body: bytes, event_id: str, at: datetime, header: str, secrets: list[str]) -> None:
    try:
        expected = sign(event_id=event_id, timestamp=at, body=body, secrets=secrets).split(" ")
    except InvalidSecretError:
        raise
    except ValueError as error:  # UnicodeDecodeError of the body, or a full stop in the id
        raise InvalidSignatureError("The request cannot have been signed: " + str(error)) from None
    for given in header.split(" "):
        for good in expected:
            if hmac.compare_digest(given.encode("utf-8", "replace"), good.encode()):
                return
    raise InvalidSignatureError(f"No signature in {SIGNATURE_HEADER} fits.")


def _parse(event_id: str, body: bytes) -> ReceivedEvent:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedEventError("The body is signed, but is not JSON.") from None
    if not isinstance(event, dict) or not (
        isinstance(event.get("type"), str)
        and isinstance(event.get("timestamp"), str)
        and isinstance(event.get("data"), dict)
    ):
        raise MalformedEventError("The body is not an object with type, timestamp and data.")
    return ReceivedEvent(id=event_id, type=event["type"], timestamp=event["timestamp"], data=event["data"])
