"""Twenty people at once who decide at random, and what each of them was told."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from demo.airflow_instance import AirflowInstance
from hitl_notebook.client.transport import refuses_the_token

REVIEWERS = tuple(f"reviewer_{number:02}" for number in range(20))
USERS = {"admin": "admin", **dict.fromkeys(REVIEWERS, "op")}
ACTIONS = {"approve": 6, "reject": 2, "feedback": 4}
FEEDBACK = ("shorter", "longer", "please fail")


@dataclass(frozen=True)
class Told:
    """One decision that somebody sent, and the answer.

    Attributes:
        outcome: ``accepted`` (200), ``refused`` (409, 404, or the token was refused), or ``unknown`` (no answer, or
            a 5xx).
        output_sha256: of the output that was decided about.
    """

    reviewer: str
    run_id: str
    map_index: int
    action: str
    iteration: int
    output_sha256: str
    outcome: str
    status: int | None


class Reviewers:
    """They go on until they are told to stop."""

    def __init__(self, airflow: AirflowInstance, seed: int) -> None:
        self._airflow = airflow
        self._seed = seed
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.told: list[Told] = []
        self.unexpected: list[str] = []

    @contextmanager
    def at_work(self) -> Iterator[Reviewers]:
        """While the block runs."""
        threads = [
            threading.Thread(target=self._work, args=(name, self._seed + number), name=name, daemon=True)
            for number, name in enumerate(REVIEWERS)
        ]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(90)

    def _work(self, name: str, seed: int) -> None:
        chance = random.Random(seed)
        http = requests.Session()
        while not self._stop.is_set():
            try:
                if "Authorization" not in http.headers:
                    http.headers["Authorization"] = f"Bearer {self._airflow.token(name)}"
                self._one(name, http, chance)
            except (requests.RequestException, ValueError):
                pass  # the server is away, or was killed in its answer
            self._stop.wait(chance.uniform(0.1, 1.5))

    def _one(self, name: str, http: requests.Session, chance: random.Random) -> None:
        base = f"{self._airflow.url}/hitl-review/sessions"
        query = {
            "status": "pending_review",
            "limit": "100",
            "order_by": chance.choice(["created_at", "-created_at"]),
        }
        listed = http.get(base, params=query, timeout=30)
        if refuses_the_token(listed):
            del http.headers["Authorization"]
            return
        if not listed.ok or not (sessions := listed.json()["sessions"]):
            return
        session = chance.choice(sessions)
        if chance.random() < 0.5:  # some read for a while
            time.sleep(chance.uniform(0, 1))
        action = chance.choices(list(ACTIONS), list(ACTIONS.values()))[0]
        where = {field: session[field] for field in ("dag_id", "run_id", "task_id", "map_index")}
        body: dict[str, Any] = {"iteration": session["iteration"], "output_sha256": session["output_sha256"]}
        if action == "feedback":
            body["feedback"] = chance.choice(FEEDBACK)
        status, outcome = None, "unknown"
        try:
            answer = http.post(f"{base}/{action}", params=where, json=body, timeout=30)
            status = answer.status_code
            refused = status in (404, 409) or refuses_the_token(answer)
            outcome = "accepted" if status == 200 else "refused" if refused else "unknown"
            if not refused and status not in (200, 500, 503):
                self.unexpected.append(f"{status} {answer.text[:300]}")
        except requests.RequestException:
            pass
        told = Told(
            name,
            session["run_id"],
            session["map_index"],
            action,
            session["iteration"],
            session["output_sha256"],
            outcome,
            status,
        )
        with self._lock:
            self.told.append(told)
