"""Times as the API writes them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

START = datetime(2030, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def stamp(seconds: float) -> str:
    """A time, this many seconds after the start."""
    return (START + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
