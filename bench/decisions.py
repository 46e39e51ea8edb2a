"""How many decisions an API server takes: 50 reviewers at once, on 1, 2 and 4 processes. On PostgreSQL.

Each reviewer sends one decision after the other, about reviews that nobody else decides. Then the same reviewers
decide as many reviews through the AI provider's API, which is in the same server.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bench.measures import database_server, percentile
from bench.peers import MOVED, NEWEST, USERS
from tests.compatibility.environments import environment
from tests.support.api_server import ReviewServer, review_server

ROOT = Path(__file__).resolve().parent.parent
REVIEWERS, EACH = 50, 8
WARM_UP = 2
"""Decisions of each reviewer before any is measured."""
PROCESSES = (1, 2, 4)
PATIENCE_SECONDS = 10.0
"""Who has no answer after it goes away."""


@dataclass
class Taken:
    """What became of the decisions.

    Attributes:
        seconds: until the last answer.
        each: seconds that each one took.
        unanswered: reviewers who went away.
    """

    seconds: float = 0.0
    each: list[float] = field(default_factory=list)
    unanswered: int = 0

    def figures(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "decided": len(self.each),
            "reviewers_without_answer": self.unanswered,
            "decisions_per_second": round(len(self.each) / self.seconds, 1) if self.each else 0.0,
            "median_ms": round(percentile(self.each, 50) * 1000) if self.each else None,
            "p95_ms": round(percentile(self.each, 95) * 1000) if self.each else None,
        }


async def _decide_all(server: ReviewServer, prefix: str, run_id: str, each: int = EACH) -> Taken:
    """Approve all reviews of a run, so many by each reviewer, through one of the two APIs."""
    headers = {"Authorization": f"Bearer {server.token('ann')}"}
    taken = Taken()
    async with httpx.AsyncClient(
        base_url=f"{server.airflow.url}{prefix}",
        headers=headers,
        timeout=PATIENCE_SECONDS,
        limits=httpx.Limits(max_connections=REVIEWERS),
    ) as client:
        begin = time.perf_counter()

        async def reviewer(number: int) -> None:
            for index in range(number * each, (number + 1) * each):
                start = time.perf_counter()
                try:
                    answer = await client.post(
                        "/sessions/approve", params=server.params(run_id, index), json={"iteration": 1}
                    )
                except httpx.TimeoutException:
                    taken.unanswered += 1
                    return
                answer.raise_for_status()
                taken.each.append(time.perf_counter() - start)
                taken.seconds = time.perf_counter() - begin

        await asyncio.gather(*(reviewer(number) for number in range(REVIEWERS)))
    return taken


def run(folder: Path) -> dict[str, Any]:
    """Measure; ``folder`` is empty and temporary."""
    figures: dict[str, Any] = {"reviewers": REVIEWERS, "decisions": REVIEWERS * EACH}
    with database_server(folder / "postgres") as database:
        for processes in PROCESSES:
            with review_server(
                folder / f"airflow_{processes}",
                ROOT / "tests" / "dags",
                database.create(f"decisions_{processes}"),
                api_workers=processes,
                programs=environment(NEWEST),
                settings={"AIRFLOW__HITL_REVIEW__URL_PREFIX": MOVED},
                users=USERS,
                teams=False,
            ) as server:
                found = figures[str(processes)] = {}
                asyncio.run(_decide_all(server, MOVED, server.seed(REVIEWERS * WARM_UP), WARM_UP))
                for name, prefix in (("ours", MOVED), ("provider", "/hitl-review")):
                    run_id = server.seed(REVIEWERS * EACH)
                    found[name] = asyncio.run(_decide_all(server, prefix, run_id)).figures()
    return figures
