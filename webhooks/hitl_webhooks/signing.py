"""Secrets and signatures per Standard Webhooks 1.0.0 (symmetric, ``v1``); ``receive/verification.py`` verifies.

Not with the ``standardwebhooks`` library: its ``verify`` lets ``binascii.Error`` and other errors through and has
no injectable clock, and signing is one HMAC. The tests check both against that library and others.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets as _secrets
from collections.abc import Iterable, Sequence
from datetime import datetime

from hitl_webhooks.errors import (
    InvalidSecretError,
)

SECRET_PREFIX = "whsec_"  # noqa: S105 - the public prefix of secrets, not a secret
MIN_SECRET_BYTES = 24
MAX_SECRET_BYTES = 64

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"


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
            f"A webhook secret has {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes; this one has {len(raw)}.{hint}"
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
        InvalidSecretError: a secret is malformed, or there is none.
        ValueError: ``timestamp`` has no timezone, or ``event_id`` contains a full stop.
    """
    if timestamp.tzinfo is None:
        raise ValueError("timestamp must be timezone-aware")
    if "." in event_id:
        raise ValueError("event_id must not contain a full stop: it separates the parts that are signed")
    seconds = str(int(timestamp.timestamp()))
    return " ".join(signature(event_id, seconds, body, secret) for secret in check_secrets(secrets))


def signature(event_id: str, timestamp: str, body: bytes, secret: str) -> str:
    """Return one signature.

    Args:
        event_id: value of ``webhook-id``.
        timestamp: value of ``webhook-timestamp``.
        body: the exact bytes that are posted.
        secret: a well-formed secret.

    Raises:
        UnicodeEncodeError: ``event_id`` or ``timestamp`` is no text.
    """
    key = base64.b64decode(secret[len(SECRET_PREFIX) :])
    digest = hmac.digest(key, f"{event_id}.{timestamp}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"


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
        raise InvalidSecretError("No secret was given.")
    return known
