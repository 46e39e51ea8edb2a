"""What MySQL needs, and other databases do not."""

from __future__ import annotations

import re
from typing import Any

from airflow import settings

_NOT_IN_UTF8MB3 = re.compile("[\U00010000-\U0010ffff]")
_PADDING = re.compile(r" +\Z")


def sorted_with_values(query: Any) -> Any:
    """A query that sorts or groups rows whose XCom values it reads.

    MySQL sorts a row together with its JSON, and fails ("out of sort memory") if one row is longer than its sort
    buffer, by default 256 KB. It takes only as much of a larger buffer as it needs.
    """
    return query.prefix_with("/*+ SET_VAR(sort_buffer_size = 134217728) */", dialect="mysql")


def findable_in_ids(text: str) -> str:
    """A text to search ids for.

    The ids of Airflow have the collation utf8mb3_bin on MySQL, which fails to compare them with an emoji. No id can
    have an emoji, so a text with another character in its place finds nothing either.
    """
    return _NOT_IN_UTF8MB3.sub("\ufffd", text) if _is_mysql() else text


def findable_as_id(text: str) -> str:
    """An id to look up.

    That collation also ignores spaces at the end: permissions would be those of one id, and the row of another.
    """
    return _PADDING.sub("\ufffd", findable_in_ids(text)) if _is_mysql() else text


def _is_mysql() -> bool:
    return settings.engine is not None and settings.engine.dialect.name == "mysql"
