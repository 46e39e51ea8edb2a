"""From a decision to the end of its task: ours parked and polling, the provider's, and Airflow's own approval.

All four in one Airflow, side by side; the provider's mixin and ours at their defaults. A decision comes at least
15 s after its task began to wait, as people read first; ``quick`` has those who answer after one.

What polls looks every ten seconds, and people decide at any time between two looks. 30 decisions at random times
would give a median that depends more on chance than on the mixin, so they are spread evenly over the ten seconds.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import requests

from airflow_hitl_review.core.schema import SESSION_KEY
from bench.measures import database_server, percentile
from bench.peers import path_of, peers
from bench.quick import quick_rounds
from demo.airflow_instance import AirflowInstance
from demo.processes import wait_until

Review = tuple[str, int]
"""Its kind and map index."""

SAMPLES, ROUNDS = 30, 2
WAITING = {"parked": "awaiting_input", "polled": "running", "approval": "awaiting_input", "provider": "running"}
POLLING = tuple(kind for kind, state in WAITING.items() if state == "running")
READING_SECONDS = 15.0
PAUSE_SECONDS = 0.7
"""Between two decisions, so that they do not wait for each other."""
POLL_SECONDS = 10.0
"""From one look of a task that polls to its next: the default of the provider's mixin, and of ours."""


def _decide(airflow: AirflowInstance, kind: str, run_id: str, index: int, token: str) -> float:
    """Approve; returns when the request was sent."""
    name: dict[str, Any] = {"dag_id": kind, "run_id": run_id, "task_id": "review", "map_index": index}
    headers = {"Authorization": f"Bearer {token}"}
    start = time.time()
    if kind == "approval":
        path = f"/api/v2/dags/{kind}/dagRuns/{run_id}/taskInstances/review/{index}/hitlDetails"
        body = {"chosen_options": ["Approve"], "params_input": {}}
        answer = requests.patch(airflow.url + path, json=body, headers=headers, timeout=60)
    else:
        answer = requests.post(
            f"{airflow.url}{path_of(kind)}/sessions/approve", params=name, headers=headers, timeout=60
        )
    answer.raise_for_status()
    return start


def _sessions(airflow: AirflowInstance, kind: str, run_id: str, token: str) -> dict[int, float]:
    """When each review of a run was opened."""
    path = f"/api/v2/dags/{kind}/dagRuns/{run_id}/taskInstances/~/xcomEntries"
    query: dict[str, Any] = {"xcom_key": SESSION_KEY, "limit": 100}
    answer = requests.get(
        airflow.url + path, params=query, headers={"Authorization": f"Bearer {token}"}, timeout=60
    )
    answer.raise_for_status()
    return {
        found["map_index"]: datetime.fromisoformat(found["timestamp"]).timestamp()
        for found in answer.json()["xcom_entries"]
    }


def _waits(airflow: AirflowInstance, kind: str, run_id: str, count: int, token: str) -> bool:
    states = [state for (task, _), state in airflow.task_states(kind, run_id).items() if task == "review"]
    if states != [WAITING[kind]] * count:
        return False
    return kind not in POLLING or len(_sessions(airflow, kind, run_id, token)) == count


class Order:
    """Which review is decided next.

    Args:
        began: for each kind that polls, when each of its tasks began to.
        others: the reviews of the kinds that do not.
        chance: puts them into an order.
    """

    def __init__(
        self, began: Mapping[str, Mapping[int, float]], others: Iterable[Review], chance: random.Random
    ) -> None:
        self._anytime = list(others)
        chance.shuffle(self._anytime)
        self._first_time: dict[Review, float] = {}
        for kind, starts in began.items():
            for place, index in enumerate(chance.sample(sorted(starts), len(starts))):
                self._first_time[kind, index] = starts[index] + (place + 0.5) / len(starts) * POLL_SECONDS

    def __bool__(self) -> bool:
        return bool(self._anytime or self._first_time)

    def next(self, now: float) -> Review | None:
        """One whose time between two looks it is, else one of those that may be decided at any time, if any."""
        for review, first_time in self._first_time.items():
            if (now - first_time + PAUSE_SECONDS / 2) % POLL_SECONDS <= PAUSE_SECONDS:
                del self._first_time[review]
                return review
        return self._anytime.pop() if self._anytime else None


def _ends(airflow: AirflowInstance, kind: str, run_id: str) -> dict[int, float]:
    found = airflow.api("GET", f"/dags/{kind}/dagRuns/{run_id}/taskInstances?limit=500")["task_instances"]
    return {
        ti["map_index"]: datetime.fromisoformat(ti["end_date"]).timestamp()
        for ti in found
        if ti["task_id"] == "review" and ti["state"] == "success"
    }


def one_round(airflow: AirflowInstance, count: int, chance: random.Random) -> dict[str, list[float]]:
    """Seconds from decision to end, ``count`` of each kind."""
    runs = {kind: airflow.trigger(kind, {"count": count}) for kind in WAITING}
    token = airflow.token()
    for kind, run_id in runs.items():
        wait_until(
            lambda kind=kind, run_id=run_id: _waits(airflow, kind, run_id, count, token),  # type: ignore[misc]
            timeout=240,
            what=f"{count} of {kind}",
            interval=1.0,
        )
    time.sleep(READING_SECONDS)
    order = Order(
        {kind: _sessions(airflow, kind, runs[kind], token) for kind in POLLING},
        [(kind, index) for kind in WAITING if kind not in POLLING for index in range(count)],
        chance,
    )
    decided: dict[Review, float] = {}
    while order:
        if review := order.next(time.time()):
            kind, index = review
            decided[review] = _decide(airflow, kind, runs[kind], index, token)
        time.sleep(PAUSE_SECONDS)
    for kind, run_id in runs.items():
        wait_until(
            lambda kind=kind, run_id=run_id: len(_ends(airflow, kind, run_id)) == count,  # type: ignore[misc]
            timeout=120,
            what=f"{count} ends of {kind}",
            interval=1.0,
        )
    return {
        kind: [at - decided[kind, index] for index, at in _ends(airflow, kind, run_id).items()]
        for kind, run_id in runs.items()
    }


def run(folder: Path) -> dict[str, Any]:
    """Measure; ``folder`` is empty and temporary."""
    chance = random.Random(1)
    seconds: dict[str, list[float]] = {kind: [] for kind in WAITING}
    with (
        database_server(folder / "postgres") as database,
        peers(folder / "airflow", database.create("bench"), slots=64) as airflow,
    ):
        for _ in range(ROUNDS):
            for kind, values in one_round(airflow, SAMPLES // ROUNDS, chance).items():
                seconds[kind] += values
        quick = quick_rounds(airflow)
    figures: dict[str, Any] = {
        kind: {
            "samples": len(values),
            "median_seconds": round(statistics.median(values), 2),
            "p95_seconds": round(percentile(values, 95), 2),
        }
        for kind, values in seconds.items()
    }
    medians = {kind: statistics.median(values) for kind, values in seconds.items()}
    figures["parked_to_approval"] = round(medians["parked"] / medians["approval"], 2)
    figures["provider_to_parked"] = round(medians["provider"] / medians["parked"], 2)
    figures["quick"] = quick
    figures["seconds"] = {kind: [round(value, 3) for value in sorted(values)] for kind, values in seconds.items()}
    return figures
