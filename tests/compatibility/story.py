"""One Airflow with its reviews, and what was seen of them; ``telling`` goes through them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from demo.airflow_instance import AirflowInstance
from tests.compatibility.environments import Version

DAGS = Path(__file__).parent / "dags"
PATIENCE = 600
"""Seconds after which something counts as not happening: a machine that others use, too, may be very slow."""


@dataclass
class Story:
    """One Airflow with its reviews, and what was seen.

    Attributes:
        version: which Airflow.
        airflow: the running instance.
        moved: a second API server of it, with this project's app elsewhere.
        runs: run ids by DAG id.
        facts: what was seen, by name.
    """

    version: Version
    airflow: AirflowInstance
    moved: AirflowInstance
    runs: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def query(self, dag_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """Names one of the reviews."""
        return {"dag_id": dag_id, "run_id": self.runs[dag_id], "task_id": task_id, "map_index": map_index}

    def call(
        self,
        method: str,
        path: str,
        *,
        user: str | None = "admin",
        at: AirflowInstance | None = None,
        prefix: str = "/hitl-review",
        **kwargs: Any,
    ) -> requests.Response:
        """Send a request to an app of a plugin, without a token if ``user`` is None."""
        airflow = at or self.airflow
        headers = {"Authorization": f"Bearer {airflow.token(user)}"} if user is not None else {}
        return requests.request(method, f"{airflow.url}{prefix}{path}", headers=headers, timeout=60, **kwargs)

    def find(self, dag_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """One of the reviews; empty if it is not there."""
        answer = self.call("GET", "/sessions/find", params=self.query(dag_id, task_id, map_index))
        review: dict[str, Any] = answer.json() if answer.ok else {}
        return review

    def states(self, dag_id: str) -> Mapping[tuple[str, int], str | None]:
        """State of each task instance of a run."""
        return self.airflow.task_states(dag_id, self.runs[dag_id])

    def state_of(self, review: tuple[str, str, int]) -> str | None:
        """State of the task instance of a review."""
        return self.states(review[0])[review[1:]]

    def result(self, dag_id: str, task_id: str, map_index: int = -1) -> Any:
        """What a task returned."""
        path = f"/dags/{dag_id}/dagRuns/{self.runs[dag_id]}/taskInstances/{task_id}/xcomEntries/return_value"
        return self.airflow.api("GET", f"{path}?map_index={map_index}")["value"]

    def ask(self, dag_id: str, task_id: str, feedback: str, **more: Any) -> None:
        """Ask for changes."""
        map_index = more.pop("map_index", -1)
        answer = self.call(
            "POST",
            "/sessions/feedback",
            params=self.query(dag_id, task_id, map_index),
            json={"feedback": feedback},
            **more,
        )
        assert answer.status_code == 200, answer.text

    def decide(self, what: str, dag_id: str, task_id: str, **more: Any) -> requests.Response:
        """Approve or reject."""
        map_index = more.pop("map_index", -1)
        return self.call("POST", f"/sessions/{what}", params=self.query(dag_id, task_id, map_index), **more)
