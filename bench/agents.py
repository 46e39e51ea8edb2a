"""Agents that tell what they do, each as a task does: ``python -m bench.agents <keys>``, until stdin is closed."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any
from urllib.parse import quote

import httpx
from airflow.api_fastapi.auth.tokens import JWTGenerator, get_signing_args
from airflow.configuration import conf

from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.task_instances import load_task_instance
from airflow_hitl_review.server.db.transactions import transaction
from airflow_hitl_review.task.progress import Reporter

PAUSE = 0.05
STAGGER = 0.02
"""Seconds between two starts: a scheduler does not start 200 tasks at the same moment."""


class HttpXComs:
    """Writes XComs as a worker's supervisor does."""

    def __init__(self, key: TaskKey, token: str, client: httpx.Client) -> None:
        self.key, self.writes = key, 0
        path = "/".join(quote(part, safe="") for part in (key.dag_id, key.run_id, key.task_id))
        self._url = f"/execution/xcoms/{path}"
        self._client = client
        self._asked: Any = {"headers": {"Authorization": f"Bearer {token}"}, "params": {"map_index": key.map_index}}

    def push_once(self, name: str, value: Any) -> None:
        """Write a value."""
        self._client.post(f"{self._url}/{name}", json=value, **self._asked).raise_for_status()
        self.writes += 1

    def delete(self, name: str) -> None:
        """Delete a value."""
        self._client.delete(f"{self._url}/{name}", **self._asked)


def _tokens(keys: list[TaskKey]) -> list[str]:
    generator = JWTGenerator(
        valid_for=3600,
        audience=conf.get_mandatory_list_value("execution_api", "jwt_audience")[0],
        issuer=conf.get("api_auth", "jwt_issuer", fallback=None),
        **get_signing_args(make_secret_key_if_needed=False),
    )
    with transaction() as db:
        found = [load_task_instance(db, key) for key in keys]
    return [generator.generate({"sub": one.id}) for one in found if one is not None]


def main() -> None:
    """Tell until stdin is closed; prints what came of it."""
    keys = [TaskKey(**params) for params in json.loads(sys.argv[1])]
    limits = httpx.Limits(max_connections=len(keys))
    ended, longest = threading.Event(), [0.0] * len(keys)
    with httpx.Client(base_url=os.environ["BENCH_URL"], limits=limits, timeout=30) as client:
        xcoms = [HttpXComs(key, token, client) for key, token in zip(keys, _tokens(keys), strict=True)]

        def work(number: int) -> None:
            any_xcoms: Any = xcoms[number]
            reporter = Reporter(any_xcoms, 1, in_thread=True)
            while not ended.wait(PAUSE):
                start = time.perf_counter()
                reporter.add_text(f"{time.time():.2f} ")
                longest[number] = max(longest[number], time.perf_counter() - start)
            reporter.end()

        agents = [threading.Thread(target=work, args=(number,)) for number in range(len(keys))]
        start = time.monotonic()
        for agent in agents:
            agent.start()
            time.sleep(STAGGER)
        print("ready", flush=True)
        sys.stdin.read()
        writes, seconds = sum(one.writes for one in xcoms), time.monotonic() - start
        ended.set()
        for agent in agents:
            agent.join()
    told = {"writes": writes, "seconds": seconds, "longest_call_ms": round(max(longest) * 1000, 1)}
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
