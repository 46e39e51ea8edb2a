"""What open pages cost: 500 of them on one API server, at rest and when a decision is taken. On PostgreSQL.

A page here is what a browser keeps open: one stream of server-sent events, on a connection of its own.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from bench.measures import Statements, at_rest, database_server, memory_mb
from tests.support.api_server import ReviewServer, review_server

ROOT = Path(__file__).resolve().parent.parent
PAGES = 500
DECISIONS = 10


async def page_events(server: ReviewServer, query: str) -> AsyncGenerator[tuple[str, str], None]:
    """Names and data of the events that the page of a review gets."""
    address = urlsplit(server.airflow.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=2**20)
    head = f"GET /hitl-review/chat/events?{query} HTTP/1.1\r\nHost: {address.netloc}\r\n"
    head += f"Authorization: Bearer {server.token('ann')}\r\nAccept: text/event-stream\r\n\r\n"
    writer.write(head.encode())
    name = ""
    try:
        while (await reader.readline()).strip():
            pass  # the head ends in an empty line
        while raw := await reader.readline():
            line = raw.decode(errors="replace").strip()
            if line.startswith("event:"):
                name = line.partition(":")[2].strip()
            elif line.startswith("data:"):
                yield name, line.partition(":")[2]
    finally:
        writer.close()


@dataclass
class OpenPage:
    """One page: when it heard what.

    Attributes:
        changes: times of its ``change`` events, by ``time.monotonic()``, with their status.
        greeted: whether it was told that the stream works.
    """

    query: str
    changes: list[tuple[float, str]] = field(default_factory=list)
    greeted: bool = False

    async def run(self, server: ReviewServer) -> None:
        """Listen until cancelled."""
        async with aclosing(page_events(server, self.query)) as events:
            async for name, data in events:
                self.greeted = self.greeted or name == "hello"
                if name == "change":
                    self.changes.append((time.monotonic(), json.loads(data)["state"]["status"]))


class OpenPages:
    """All of them, in a loop that goes on only while it is asked to."""

    def __init__(self, server: ReviewServer, queries: list[str]) -> None:
        self._server = server
        self.pages = [OpenPage(query) for query in queries]
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> float:
        """Open them; returns the seconds until the last one was told that its stream works."""
        start = time.monotonic()
        self._tasks = [asyncio.create_task(page.run(self._server)) for page in self.pages]
        while not all(page.greeted and page.changes for page in self.pages):
            for task in self._tasks:
                if task.done():
                    task.result()
                    raise RuntimeError("A stream ended by itself.")
            if time.monotonic() - start > 120:
                raise RuntimeError(f"Only {sum(p.greeted for p in self.pages)} pages could be opened.")
            await asyncio.sleep(0.05)
        return time.monotonic() - start

    async def close(self) -> None:
        """Close them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def decide(self, params: dict[str, Any], pages: list[OpenPage]) -> tuple[float, float]:
        """Take a decision; returns the seconds until its answer, and until the last of ``pages`` heard of it."""
        start = time.monotonic()
        answer = await asyncio.to_thread(
            self._server.call, "POST", "/sessions/approve", params=params, json={"iteration": 1}
        )
        answer.raise_for_status()
        answered = time.monotonic() - start
        while not all(page.changes[-1][1] == "approved" for page in pages):
            if time.monotonic() - start > 60:
                raise RuntimeError("Some pages did not hear of the decision.")
            await asyncio.sleep(0.01)
        return answered, max(page.changes[-1][0] for page in pages) - start


async def _distinct(server: ReviewServer, statements: Statements) -> dict[str, Any]:
    """Each page shows another review."""
    run_id = server.seed(PAGES)
    queries = [urlencode(server.params(run_id, n)) for n in range(PAGES)]
    opened = OpenPages(server, queries)
    try:
        seconds = await opened.open()
        rest = await asyncio.to_thread(at_rest, statements)
        memory = memory_mb(server)
        times = [await opened.decide(server.params(run_id, n), [opened.pages[n]]) for n in range(DECISIONS)]
    finally:
        await opened.close()
    return {
        "seconds_to_open_all": round(seconds, 2),
        "statements_per_second": round(rest, 1),
        "memory_mb": round(memory, 1),
        "decision_to_update_seconds": _spread([update for _, update in times]),
    }


async def _same(server: ReviewServer, statements: Statements) -> dict[str, Any]:
    """All pages show one review, one after the other."""
    run_id = server.seed(DECISIONS)
    times = []
    rest = 0.0
    for number in range(DECISIONS):
        params = server.params(run_id, number)
        opened = OpenPages(server, [urlencode(params)] * PAGES)
        try:
            await opened.open()
            if not number:
                rest = await asyncio.to_thread(at_rest, statements)
            times.append(await opened.decide(params, opened.pages))
        finally:
            await opened.close()
    return {
        "statements_per_second": round(rest, 1),
        "decision_answered_seconds": _spread([answered for answered, _ in times]),
        "decision_to_last_update_seconds": _spread([update for _, update in times]),
    }


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 2),
        "max": round(max(values), 2),
    }


def run(folder: Path) -> dict[str, Any]:
    """Measure; ``folder`` is empty and temporary."""
    with (
        database_server(folder / "postgres") as database,
        review_server(folder / "airflow", ROOT / "tests" / "dags", database.create("bench")) as server,
    ):
        statements = Statements(server.airflow.database)
        try:
            server.token("ann")
            without = {"statements_per_second": round(at_rest(statements), 1)}
            memory = {"memory_mb": round(memory_mb(server), 1)}
            return {
                "pages": PAGES,
                "api_server_processes": server.airflow.api_workers,
                "no_page_open": {**without, **memory},
                "each_on_its_own_review": asyncio.run(_distinct(server, statements)),
                "all_on_one_review": asyncio.run(_same(server, statements)),
            }
        finally:
            statements.close()
