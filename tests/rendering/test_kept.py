"""The cache of rendered texts, limited in bytes."""

from __future__ import annotations

import threading

import pytest

from hitl_rendering.kept import kept


def test_least_recently_used_is_evicted_first() -> None:
    made: list[str] = []

    @kept(most_bytes=2_000)
    def double(text: str, kind: str = "") -> str:
        made.append(text)
        return 2 * text

    for text in ("aaaa", "bbbb", "cccc", "aaaa", "dddd", "bbbb", "aaaa"):
        assert double(text) == 2 * text
    assert made == ["aaaa", "bbbb", "cccc", "dddd", "bbbb"]
    assert double("x" * 2_000) == "x" * 4_000  # too large to be cached, and nothing is evicted for it
    double("aaaa")
    assert made[-1] == "x" * 2_000
    assert double(text="aaaa", kind="k") == double("aaaa", "k") == "aaaaaaaa"


def test_errors_are_not_cached_and_threads_are_safe() -> None:
    calls = iter([True, *[False] * 100])

    @kept(most_bytes=10_000)
    def work(text: str) -> str:
        if next(calls):
            raise ValueError("once")
        return "fine"

    with pytest.raises(ValueError, match="once"):
        work("x")
    threads = [threading.Thread(target=work, args=(str(number % 7),)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert work("3") == "fine"
