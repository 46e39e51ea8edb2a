"""How far back each scan goes."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta, timezone

from airflow_hitl_review.server.reviews.scan_window import FULL_SECONDS, OVERLAP, ScanWindow

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


class Looks:
    """Scans at given seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lookback = ScanWindow(lambda: self.now)

    def at(self, second: float, *, fails: bool = False) -> float | None:
        """The second at which the scan starts, without the overlap; None for a full one."""
        self.now = second
        with suppress(ConnectionError), self.lookback.look(START + timedelta(seconds=second)) as since:
            if fails:
                raise ConnectionError("the database is away")
        return (since + OVERLAP - START).total_seconds() if since is not None else None


def test_first_scan_is_full_and_full_scans_are_repeated_periodically() -> None:
    looks = Looks()
    assert [looks.at(second) for second in (0, 10, 20)] == [None, 0, 10]
    assert [looks.at(second) for second in (FULL_SECONDS, FULL_SECONDS + 10)] == [None, FULL_SECONDS]


def test_failed_scan_is_repeated() -> None:
    looks = Looks()
    assert [looks.at(0, fails=True), looks.at(10), looks.at(20)] == [None, None, 10]
    assert [looks.at(30, fails=True), looks.at(40, fails=True), looks.at(50), looks.at(60)] == [20, 20, 20, 50]
    assert looks.at(FULL_SECONDS + 10, fails=True) is None
    assert looks.at(FULL_SECONDS + 20) is None
    assert looks.at(FULL_SECONDS + 30) == FULL_SECONDS + 20
