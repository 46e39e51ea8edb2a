"""Quick rounds: somebody answers one second after an output appeared. Ours parked, and the AI provider's, in turn.

What is measured is what that person waits: from feedback to the next output, and from the approval of that one to
the end of the task. Making an output takes no time in these.
"""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import requests

from bench.measures import percentile
from bench.peers import path_of
from demo.airflow_instance import AirflowInstance
from demo.processes import wait_until

SAMPLES = {"parked": 30, "provider": 10}
AT_ONCE = {"parked": 2, "provider": 5}
"""The provider's wait for their next look, so more of them do not hold each other up."""
READING_SECONDS = 1.0


class _Review:
    """One review, as its reviewer sees it."""

    def __init__(self, airflow: AirflowInstance, kind: str, token: str) -> None:
        self._airflow = airflow
        self._name: dict[str, Any] = {"dag_id": kind, "run_id": "", "task_id": "review", "map_index": 0}
        self._prefix = path_of(kind)
        self._headers = {"Authorization": f"Bearer {token}"}

    def begin(self) -> None:
        self._name["run_id"] = self._airflow.trigger(self._name["dag_id"], {"count": 1})

    def _call(self, method: str, what: str, body: dict[str, Any] | None = None) -> requests.Response:
        url = f"{self._airflow.url}{self._prefix}/sessions/{what}"
        return requests.request(method, url, params=self._name, json=body, headers=self._headers, timeout=60)

    def decide(self, what: str, body: dict[str, Any] | None = None) -> float:
        """Returns when the request was sent."""
        start = time.time()
        self._call("POST", what, body).raise_for_status()
        return start

    def wait_for_output(self, number: int) -> float:
        """Returns when it was seen to be there."""

        def is_there() -> bool:
            answer = self._call("GET", "find")
            if not answer.ok:
                return False
            found = answer.json()
            return bool(found["status"] == "pending_review" and found["iteration"] == number)

        wait_until(is_there, timeout=120, what=f"output {number}", interval=0.05)
        return time.time()

    def wait_for_end(self) -> float:
        """Returns when the task ended."""
        path = f"/dags/{self._name['dag_id']}/dagRuns/{self._name['run_id']}/taskInstances/review/0"
        wait_until(
            lambda: self._airflow.api("GET", path)["state"] == "success", timeout=120, what="the end", interval=0.3
        )
        return datetime.fromisoformat(self._airflow.api("GET", path)["end_date"]).timestamp()


def _one(airflow: AirflowInstance, kind: str, token: str) -> tuple[float, float]:
    review = _Review(airflow, kind, token)
    review.begin()
    review.wait_for_output(1)
    time.sleep(READING_SECONDS)
    asked = review.decide("feedback", {"feedback": "shorter"})
    answered = review.wait_for_output(2)
    time.sleep(READING_SECONDS)
    approved = review.decide("approve")
    return answered - asked, review.wait_for_end() - approved


def quick_rounds(airflow: AirflowInstance) -> dict[str, Any]:
    """Seconds, for each kind: ``next_output`` and ``end``."""
    token = airflow.token()
    figures: dict[str, Any] = {}
    for kind, samples in SAMPLES.items():
        with ThreadPoolExecutor(AT_ONCE[kind]) as pool:
            seconds = list(pool.map(lambda _, kind=kind: _one(airflow, kind, token), range(samples)))
        figures[kind] = {"samples": samples} | {
            f"{what}_{name}_seconds": round(value, 2)
            for what, values in zip(("next_output", "end"), zip(*seconds, strict=True), strict=True)
            for name, value in (
                ("median", statistics.median(values)),
                ("p95", percentile(values, 95)),
                ("max", max(values)),
            )
        }
    return figures
