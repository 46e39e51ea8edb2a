"""Who asks for the list again and again is told that it is the same, without a question to the database.

A client says with ``Cache-Control: max-age=5`` (RFC 9111, 5.2.1.1) that an answer may be so many seconds old. While
such clients ask, one look at the list every few seconds serves them all, however many there are.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Hashable

from fastapi import Request

LEASE_SECONDS = 30.0
"""The list is looked at for so long after somebody has asked so."""

MOST_ANSWERS = 10_000
"""Of so many readers and filters is the last answer known."""

_MAX_AGE = re.compile(r"(?:^|,)\s*max-age=(\d{1,6})\s*(?:$|,)", re.IGNORECASE)


def accepted_age(request: Request) -> float:
    """How old an answer may be, in seconds; 0 if the client does not say."""
    found = _MAX_AGE.search(request.headers.get("cache-control", ""))
    return float(found[1]) if found else 0.0


class LastAnswers:
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
