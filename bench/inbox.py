"""The inbox over 100 to 100,000 reviews, all waiting: time, SQL statements, and plans. On PostgreSQL.

Beside it Airflow's public API, which needs one request for the list of XComs and one for each session.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import requests

from airflow_hitl_review.core.schema import SESSION_KEY
from airflow_hitl_review.server.reviews.inbox_counts import MANY
from bench.measures import Plans, Statements, database_server, memory_mb, percentile
from bench.multiply import multiply
from bench.peers import USERS
from tests.support.api_server import DAG_ID, ReviewServer, review_server

ROOT = Path(__file__).resolve().parent.parent
SIZES = (100, 1_000, 10_000, 100_000)
REQUESTS = {"first page": 60}
OTHER_REQUESTS = 20
PUBLIC_SIZES = (100,)
LARGE, LARGE_OUTPUTS = 300_000, 50
"""Characters of the outputs on a page of large ones, and how many there are."""
VIEWS: dict[str, dict[str, Any]] = {
    "first page": {},
    "100 rows": {"limit": 100},
    "waiting only": {"status": "pending_review"},
    "a DAG, by its name": {"dag_id": DAG_ID},
    "page 20": {"offset": 950},
    "text search": {"q": "Item 7 of"},
    "by deadline": {"order_by": "deadline_at"},
}


def milliseconds(ask: Callable[[], requests.Response], status: int) -> float:
    """How long an answer takes, which has that status."""
    start = time.perf_counter()
    answer = ask()
    taken = (time.perf_counter() - start) * 1000
    assert answer.status_code == status, answer.text
    return taken


def figures_of(taken: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile of milliseconds."""
    return {"p50_ms": round(percentile(taken, 50), 1), "p95_ms": round(percentile(taken, 95), 1)}


class Views:
    """The requests of one reviewer, on one connection."""

    def __init__(self, server: ReviewServer, statements: Statements) -> None:
        self._url = f"{server.airflow.url}/hitl-review/sessions"
        self._api = f"{server.airflow.url}/api/v2"
        self._http = requests.Session()
        self._http.headers["Authorization"] = f"Bearer {server.token('ann')}"
        self._statements = statements

    def ask(self, view: dict[str, Any], **headers: str) -> requests.Response:
        """One request."""
        return self._http.get(self._url, params=view, headers=headers, timeout=120)

    def measure(self) -> dict[str, Any]:
        """All views, anew each time and in random order.

        What the server does now and then beside its requests (it counts the reviews) so falls upon all alike, and
        not upon whichever is measured first after the reviews have become many.
        """
        statements = {name: self._count_statements(view) for name, view in VIEWS.items()}
        turns = [name for name in VIEWS for _ in range(REQUESTS.get(name, OTHER_REQUESTS))]
        random.Random(1).shuffle(turns)
        taken: dict[str, list[float]] = {name: [] for name in VIEWS}
        for name in turns:
            taken[name].append(milliseconds(partial(self.ask, VIEWS[name]), 200))
        return {name: {**figures_of(taken[name]), "statements": statements[name]} for name in VIEWS}

    def _count_statements(self, view: dict[str, Any], count: int = 3) -> float:
        """SQL statements of one request; what is asked for the first time takes more."""
        self.ask(view).raise_for_status()
        before = self._statements.total()
        for _ in range(count):
            self.ask(view)
        return round((self._statements.total() - before) / count, 1)

    def wait_until_counted(self, size: int) -> None:
        """Until all processes know how many reviews there are: they count many only now and then."""
        right, end = 0, time.monotonic() + 180
        while right < 10:
            assert time.monotonic() < end, "The reviews have not been counted."
            right = right + 1 if self.ask({}).json()["total_entries"] == size else 0
            time.sleep(0.3)

    def unchanged(self, count: int = 30) -> dict[str, float]:
        """The first page when nothing has changed: ``If-None-Match`` with ``max-age``, as the panel does it."""
        end = time.monotonic() + 60
        quick = 0
        while quick < 10:  # until both processes have looked at the list, and counted
            tag = self.ask({}).headers["ETag"]
            start = time.perf_counter()
            self.ask({}, **{"If-None-Match": tag, "Cache-Control": "max-age=5"})
            quick = quick + 1 if time.perf_counter() - start < 0.02 else 0
            if time.monotonic() > end:
                break
            time.sleep(0.3)
        known = {"If-None-Match": tag, "Cache-Control": "max-age=5"}
        return figures_of([milliseconds(lambda: self.ask({}, **known), 304) for _ in range(count)])

    def public_api(self) -> float:
        """Seconds for the same list from Airflow's public API."""
        start = time.perf_counter()
        path = f"{self._api}/dags/~/dagRuns/~/taskInstances/~/xcomEntries"
        listed = self._http.get(path, params={"xcom_key": SESSION_KEY, "limit": "100"}, timeout=120)
        listed.raise_for_status()
        for entry in listed.json()["xcom_entries"]:
            where = f"{self._api}/dags/{entry['dag_id']}/dagRuns/{entry['run_id']}/taskInstances/{entry['task_id']}"
            one = self._http.get(
                f"{where}/xcomEntries/{SESSION_KEY}", params={"map_index": entry["map_index"]}, timeout=60
            )
            one.raise_for_status()
        return time.perf_counter() - start


SWEEP = "timestamp > task_instance.updated_at"
"""In the statement with which each API server process looks every 10 s for decisions that nobody has taken."""


def _sweep_ms(statements: Statements) -> float:
    """Milliseconds of the next of them."""
    before, end = statements.spent(SWEEP), time.monotonic() + 40
    while (now := statements.spent(SWEEP))[0] == before[0]:
        assert time.monotonic() < end, "No API server process has looked."
        time.sleep(0.2)
    return round((now[1] - before[1]) / (now[0] - before[0]), 1)


def run(folder: Path) -> dict[str, Any]:
    """Measure; ``folder`` is empty and temporary."""
    figures: dict[str, Any] = {}
    with (
        database_server(folder / "postgres", "-c shared_buffers=1GB") as database,
        review_server(
            folder / "airflow", ROOT / "tests" / "dags", database.create("bench"), users=USERS, teams=False
        ) as server,
    ):
        statements = Statements(server.airflow.database)
        plans = Plans(server.airflow.database, folder / "postgres" / "log")
        views = Views(server, statements)
        run_id, there = server.seed(1), 0
        try:
            for size in SIZES:
                multiply(server, run_id, size - there, start=there)
                there = size
                views.wait_until_counted(size + 1)
                found: dict[str, Any] = views.measure()
                if size <= MANY:  # otherwise it is found in memory
                    found["plan of the first page"] = plans.of(lambda: views.ask({}), "ORDER BY xcom.timestamp")
                found["unchanged"] = views.unchanged()
                if size in PUBLIC_SIZES:
                    found["public API"] = {
                        "seconds": round(percentile([views.public_api() for _ in range(3)], 50), 3)
                    }
                found["sweep_ms"] = _sweep_ms(statements)
                found["memory_mb"] = memory_mb(server)
                figures[str(size)] = found
            server.seed(LARGE_OUTPUTS, "length", str(LARGE))
            views.ask({}).raise_for_status()
            taken = [milliseconds(lambda: views.ask({}), 200) for _ in range(REQUESTS["first page"])]
            return figures | {"large outputs": {"characters": LARGE, **figures_of(taken)}}
        finally:
            plans.close()
            statements.close()
