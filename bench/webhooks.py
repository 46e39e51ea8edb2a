"""What webhooks cost: the dispatcher at rest and under a burst. On PostgreSQL, an API server of two processes."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench.measures import Statements, at_rest, database_server, memory_mb
from bench.peers import USERS
from demo.processes import wait_until
from hitl_webhooks import generate_secret
from tests.support.api_server import ReviewServer, review_server
from tests.support.hook_server import HookServer

ROOT = Path(__file__).resolve().parent.parent
REVIEWS, ENDPOINTS = 200, 3


def burst(server: ReviewServer, statements: Statements, hooks: HookServer) -> dict[str, Any]:
    """Reviews whose tasks have failed at once: the dispatcher finds them, makes their events and sends them."""
    names = [f"endpoint_{number}" for number in range(ENDPOINTS)]
    found = [hooks.add(f"/{name}", [generate_secret()]) for name in names]
    for name, hook in zip(names, found, strict=True):
        body = {"connection_id": name, "conn_type": "http", "host": hook.url, "password": hook.secrets[0]}
        server.airflow.api("POST", "/connections", json=body)
    memory = memory_mb(server)
    server.seed(REVIEWS, "lost", *names)
    start, before, peak = time.monotonic(), statements.total(), memory

    def arrived() -> int:
        return sum(len(hook.requests()) for hook in found)

    def undelivered() -> int:
        params = {"status": "pending", "limit": 1}
        return int(server.call("GET", "/deliveries", params=params).json()["total_entries"])

    while arrived() < REVIEWS * ENDPOINTS:
        if time.monotonic() - start > 300:
            raise RuntimeError(f"Of {REVIEWS * ENDPOINTS} webhooks {arrived()} arrived in 5 minutes.")
        peak = max(peak, memory_mb(server))
        time.sleep(0.1)
    seconds = time.monotonic() - start
    wait_until(lambda: undelivered() == 0, timeout=60, what="the records")
    counts = Counter((hook.url, event.id) for hook in found for event in hook.events())
    return {
        "reviews": REVIEWS,
        "endpoints": ENDPOINTS,
        "deliveries": len(counts),
        "repeats": sum(counts.values()) - len(counts),
        "seconds": round(seconds, 1),
        "deliveries_per_second": round(REVIEWS * ENDPOINTS / seconds, 1),
        "statements_per_delivery": round((statements.total() - before) / (REVIEWS * ENDPOINTS), 1),
        "memory_mb_before": round(memory, 1),
        "memory_mb_peak": round(peak, 1),
    }


def run(folder: Path) -> dict[str, Any]:
    """Measure; ``folder`` is empty and temporary."""
    with (
        database_server(folder / "postgres") as database,
        review_server(
            folder / "airflow", ROOT / "tests" / "dags", database.create("bench"), users=USERS, teams=False
        ) as server,
        HookServer() as hooks,
    ):
        statements = Statements(server.airflow.database)
        try:
            rest = {0: at_rest(statements)}
            for open_reviews in (100, 1000):
                server.seed(open_reviews - (100 if open_reviews == 1000 else 0), "open", "nowhere")
                rest[open_reviews] = at_rest(statements)
            return {
                "statements_per_second_at_rest": {str(n): round(value, 1) for n, value in rest.items()},
                "burst": burst(server, statements, hooks),
            }
        finally:
            statements.close()
