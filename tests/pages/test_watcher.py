"""The watcher on its own: how often it queries, and what it reports."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

import pytest

from airflow_hitl_review.web.live import watcher as watcher_module
from airflow_hitl_review.web.live.watcher import Watcher
from tests.notebook.panels import until


class Database:
    """A fake database for the watcher."""

    def __init__(self) -> None:
        self.stamps: dict[str, str] = {}
        self.looks: list[list[str]] = []
        self.loads: Counter[str] = Counter()
        self.broken: set[str] = set()
        self.down = False
        self.lock = threading.Lock()

    def look(self, subjects: Sequence[str]) -> Mapping[str, str]:
        with self.lock:
            self.looks.append(list(subjects))
        if self.down:
            raise OSError("the database is away")
        return {s: self.stamps[s] for s in subjects if s in self.stamps}

    def load(self, subject: str) -> str:
        with self.lock:
            self.loads[subject] += 1
        if subject in self.broken:
            raise ValueError(subject)
        return f"{subject} is {self.stamps.get(subject, 'away')}"


LOOK_SECONDS = 0.05


def run(
    scenario: Callable[[Watcher[str, str], Database], Awaitable[None]], *, look_seconds: float = LOOK_SECONDS
) -> Database:
    database = Database()

    async def main() -> None:
        watcher: Watcher[str, str] = Watcher(database.look, database.load, look_seconds=look_seconds)
        task = asyncio.create_task(watcher.run())
        await asyncio.sleep(0)
        try:
            await asyncio.wait_for(scenario(watcher, database), 20)
        finally:
            task.cancel()

    asyncio.run(main())
    return database


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher_module, "SHORTEST_PAUSE", 0.01)


def test_no_queries_without_watchers() -> None:
    async def scenario(watcher: Watcher[str, str], database: Database) -> None:
        await asyncio.sleep(0.5)

    assert run(scenario).looks == []


def test_many_waiting_clients_share_one_look_and_one_load() -> None:
    async def scenario(watcher: Watcher[str, str], database: Database) -> None:
        database.stamps["a"] = "1"

        async def page() -> str | None:
            async with watcher.watching("a"):
                seen = await watcher.value("a")
                return await watcher.change("a", seen, 10)

        started = time.monotonic()
        pages = [asyncio.create_task(page()) for _ in range(500)]
        await until(lambda: database.loads["a"] > 0)
        await asyncio.sleep(0.3)
        assert len(database.looks) <= 3 + (time.monotonic() - started) / LOOK_SECONDS
        assert database.loads["a"] == 1
        database.stamps["a"] = "2"
        assert await asyncio.gather(*pages) == ["a is 2"] * 500
        assert database.loads["a"] == 2

    run(scenario)


def test_concurrent_requests_share_one_look() -> None:
    async def scenario(watcher: Watcher[str, str], database: Database) -> None:
        names = [str(n) for n in range(200)]
        database.stamps.update(dict.fromkeys(names, "1"))
        got = await asyncio.gather(*(watcher.value(name) for name in names))
        assert got == [f"{name} is 1" for name in names]
        assert len(database.looks) <= 4
        assert set(database.loads.values()) == {1}

    run(scenario, look_seconds=10)


def test_nudge_from_any_thread_takes_effect_immediately() -> None:
    async def scenario(watcher: Watcher[str, str], database: Database) -> None:
        database.stamps["a"] = "1"
        async with watcher.watching("a"):
            seen = await watcher.value("a")
            waiting = asyncio.create_task(watcher.change("a", seen, 10))
            await until(lambda: bool(database.looks))
            database.stamps["a"] = "2"
            thread = threading.Thread(target=watcher.nudge)
            thread.start()
            assert await asyncio.wait_for(waiting, 10) == "a is 2"
            thread.join()

    run(scenario, look_seconds=60)


def test_fresh_reads_the_current_value() -> None:
    async def scenario(watcher: Watcher[str, str], database: Database) -> None:
        database.stamps["a"] = "1"
        async with watcher.watching("a"):
            assert await watcher.value("a") == "a is 1"
            database.stamps["a"] = "2"
            assert await watcher.value("a") == "a is 1"
            assert await watcher.fresh("a") == "a is 2"
            assert await watcher.value("a") == "a is 2"

    run(scenario, look_seconds=60)


def test_same_value_is_not_a_change() -> None:
    """A stamp may change without any visible change."""

    async def scenario(watcher: Watcher[str, str], database: Database) -> None:
        database.stamps["a"] = "1"
        async with watcher.watching("a"):
            seen = await watcher.value("a")
            watcher._load = lambda subject: seen
            database.stamps["a"] = "2"
            assert await watcher.change("a", seen, 0.4) is None

    run(scenario)


def test_unwatched_subjects_are_forgotten() -> None:
    async def scenario(watcher: Watcher[str, str], database: Database) -> None:
        async with watcher.watching("a"):
            await watcher.value("a")
        asked = time.monotonic()
        await watcher.value("b", keep_seconds=1)
        await until(lambda: watcher.watched == 1)  # "b" was requested without watching
        await until(lambda: watcher.watched == 0)
        assert time.monotonic() - asked >= 1
        looks = len(database.looks)
        await asyncio.sleep(0.3)
        assert len(database.looks) <= looks + 1

    run(scenario)


def test_unreadable_subject_does_not_affect_others() -> None:
    async def scenario(watcher: Watcher[str, str], database: Database) -> None:
        database.broken = {"bad"}
        results = await asyncio.gather(*(watcher.value(name) for name in ("bad", "good")), return_exceptions=True)
        assert results[1] == "good is away"
        assert isinstance(results[0], ValueError)
        database.broken = set()
        assert await watcher.value("bad") == "bad is away"

    run(scenario)


def test_watcher_recovers_after_database_outage() -> None:
    async def scenario(watcher: Watcher[str, str], database: Database) -> None:
        database.stamps["a"] = "1"
        async with watcher.watching("a"):
            seen = await watcher.value("a")
            waiting = asyncio.create_task(watcher.change("a", seen, 10))
            database.down = True
            await asyncio.sleep(0.3)
            database.stamps["a"] = "2"
            database.down = False
            assert await waiting == "a is 2"

    run(scenario)
