"""The sampling of the benchmarks; ``make bench`` itself does the measuring."""

from __future__ import annotations

import random

import pytest

from bench.latency import PAUSE_SECONDS, POLL_SECONDS, Order
from bench.measures import percentile


@pytest.mark.parametrize("seed", range(20))
def test_decisions_are_spread_evenly_between_polls(seed: int) -> None:
    chance = random.Random(seed)
    began = {kind: {index: 1000 + chance.random() * 4 for index in range(15)} for kind in ("polled", "provider")}
    order = Order(began, [("parked", index) for index in range(15)], chance)
    now, decided = 1030.0, dict[tuple[str, int], float]()
    while order:
        assert now < 1120
        if review := order.next(now):
            assert review not in decided
            decided[review] = now
        now += PAUSE_SECONDS + 0.1  # duration of a request
    assert len(decided) == 45
    for kind, starts in began.items():
        waited = sorted((decided[kind, index] - start) % POLL_SECONDS for index, start in starts.items())
        quarters = [sum(at < end for at in waited) for end in (2.5, 5, 7.5)]
        assert quarters == pytest.approx([3.75, 7.5, 11.25], abs=1.5)


def test_percentiles() -> None:
    assert percentile([3, 1, 2], 50) == 2
    assert percentile(range(101), 95) == 95
    assert [percentile([7.5], percent) for percent in (50, 95)] == [7.5, 7.5]  # one decision was made, of 400
