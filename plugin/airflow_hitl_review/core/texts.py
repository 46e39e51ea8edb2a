"""Texts and times as every database can store them, and digests of texts. No Airflow imports."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime, timedelta, timezone
from decimal import Context, Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

UNSTORABLE = re.compile("[\\x00\\ud800-\\udfff]")
"""NUL and lone surrogates: databases store neither."""

_FIRST = datetime.min.replace(tzinfo=timezone.utc) + timedelta(days=1)
_LAST = datetime.max.replace(tzinfo=timezone.utc) - timedelta(days=1)


def _in_utc(at: datetime) -> datetime:
    known = at if at.tzinfo else at.replace(tzinfo=timezone.utc)
    return min(max(known, _FIRST), _LAST).astimezone(timezone.utc)


Time = Annotated[datetime, AfterValidator(_in_utc)]
"""A stored time, in UTC; a time without an offset, written by somebody else, is taken as UTC.

Python's first and last day are excluded: in some time zones they cannot be represented.
"""


def storable(text: str) -> str:
    """Replace what no database stores in JSON (NUL, lone surrogates) with U+FFFD."""
    if text.isascii() and "\0" not in text:
        return text  # 20 times faster, and called for each text of each list
    return UNSTORABLE.sub("\ufffd", text)


Text = Annotated[str, AfterValidator(storable)]
"""A stored text. SQLite and custom XCom backends also keep text that UTF-8 JSON cannot represent."""


MAX_OBJECT = 200_000
"""Characters of a stored object: the longest that we write, an output's schema, has 64 KB."""


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if len(value) > MAX_OBJECT:
        raise ValueError(f"A stored object has at most {MAX_OBJECT} characters.")
    try:
        return json.loads(value)
    except RecursionError:
        raise ValueError("A stored object is nested too deeply.") from None


Ordered = Annotated[
    dict[str, Any], BeforeValidator(_parsed), PlainSerializer(json.dumps, return_type=str, when_used="json")
]
"""A stored object that keeps the order of its names: PostgreSQL loses it, unless the object is stored as text."""


def sha256_of(text: str) -> str:
    """Hex SHA-256 of a text in UTF-8: identifies an output without repeating it."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


_EXACT = Context(prec=5_000)


def _number(text: str) -> str:
    # NUL is in no stored text, so a number is like no text.
    return f"\0{_EXACT.plus(_EXACT.normalize(Decimal(text)))}"


def sha256_of_values(value: Any) -> str:
    """Hex SHA-256 of JSON values that come back from XCom: the order of names and forms of numbers may differ."""
    same = json.loads(json.dumps(value), parse_int=_number, parse_float=_number)
    return sha256_of(json.dumps(same, sort_keys=True))
