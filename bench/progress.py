"""What it costs that tasks tell what they do: 200 agents at once, pages open on 50 of them. On PostgreSQL.

The agents write as tasks do: each has a reporter of its own, whose writes go to Airflow's Execution API over HTTP.
They add a word with its time to their text every 50 ms, so that each page shows how old what it has got is.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from bench.measures import Statements, database_server, memory_mb, percentile
from bench.pages import page_events
from bench.peers import USERS
from tests.pages.stage import Key, stage_on
from tests.support.api_server import ReviewServer, review_server, search_path

ROOT = Path(__file__).resolve().parent.parent
AGENTS = (1, 200)
PAGES = 50
SECONDS = 20.0


async def _open_page(server: ReviewServer, key: Key, heard: list[float]) -> None:
    """Listen until cancelled; keeps the age in seconds of each word when it came."""
    latest = time.time()  # older words were there before the page
    async with aclosing(page_events(server, key.query)) as events:
        async for name, data in events:
            now = time.time()
            words = [float(word) for word in re.findall(r"\b\d{10}\.\d\d\b", data)] if name == "progress" else []
            heard += [now - word for word in words if word > latest]
            latest = max([latest, *words])


async def _listen(server: ReviewServer, keys: Sequence[Key]) -> list[float]:
    heard: list[float] = []
    pages = [asyncio.create_task(_open_page(server, key, heard)) for key in keys]
    await asyncio.sleep(SECONDS)
    for page in pages:
        page.cancel()
    await asyncio.gather(*pages, return_exceptions=True)
    return heard


def _measure(server: ReviewServer, statements: Statements, keys: Sequence[Key]) -> dict[str, Any]:
    with subprocess.Popen(
        [str(server.airflow.programs / "python"), "-m", "bench.agents", json.dumps([k.params for k in keys])],
        env=server.airflow.env | {"PYTHONPATH": search_path(), "BENCH_URL": server.airflow.url},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as agents:
        assert agents.stdout is not None
        assert agents.stdin is not None
        lines = (line for line in agents.stdout if line.startswith(("ready", "{")))  # others are of the log
        next(lines)
        time.sleep(3)  # the first writes insert, and the others update
        before, start = statements.total(), time.monotonic()
        heard = asyncio.run(_listen(server, keys[:PAGES]))
        seconds = time.monotonic() - start
        made = statements.total() - before
        memory = memory_mb(server)
        agents.stdin.close()
        told = json.loads(next(lines))
    return {
        "pages": len(keys[:PAGES]),
        "writes_per_second": round(told["writes"] / told["seconds"], 1),
        "longest_call_ms": told["longest_call_ms"],
        "statements_per_second": round(made / seconds, 1),
        "age_p50_seconds": round(percentile(heard, 50), 2),
        "age_p95_seconds": round(percentile(heard, 95), 2),
        "memory_mb": memory,
    }


def table_of(found: Mapping[str, Any]) -> tuple[list[str], list[list[object]]]:
    """Head and rows of the table in ``docs/performance.md``."""
    told = [found[str(count)] for count in AGENTS]
    ages = [f"{one['age_p50_seconds']}, p95 {one['age_p95_seconds']}" for one in told]
    rows: list[list[object]] = [
        ["XCom writes per second", *(one["writes_per_second"] for one in told)],
        ["SQL statements per second", *(one["statements_per_second"] for one in told)],
        ["age of a word on a page, s", *ages],
        ["longest call in the agent, ms", *(one["longest_call_ms"] for one in told)],
        ["memory of the API server, MB", *(one["memory_mb"] for one in told)],
    ]
    return ["", *(f"agents: {count}, pages: {one['pages']}" for count, one in zip(AGENTS, told, strict=True))], rows


def run(folder: Path) -> dict[str, Any]:
    """Measure; ``folder`` is empty and temporary."""
    figures: dict[str, Any] = {}
    with database_server(folder / "postgres") as database:
        url = database.create("progress")
        with (
            # With teams, Airflow 3.3.2 needs a second thread for each request about an XCom while it holds a
            # connection, and stalls for half a minute once 40 such requests come at the same moment.
            review_server(folder / "airflow", ROOT / "tests" / "dags", url, users=USERS, teams=False) as server,
            stage_on(server) as stage,
        ):
            statements = Statements(server.airflow.database)
            figures["at_rest_mb"] = memory_mb(server)
            for count in AGENTS:
                keys = stage.make(*[{"outputs": [], "task_state": "running"}] * count)
                figures[str(count)] = _measure(server, statements, keys)
            statements.close()
    return figures
