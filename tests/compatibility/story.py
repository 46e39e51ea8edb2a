"""One Airflow with its reviews, and what was seen of them; ``telling`` goes through them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from demo.airflow_instance import AirflowInstance
from demo.processes import wait_until
from tests.compatibility.environments import Version

DAGS = Path(__file__).parent / "dags"
OURS = ("parked", "parked_rejected", "parked_answered", "polled", "polled_theirs", "polled_theirs_rejected")
EXAMPLES = {
    "example_hitl_review_function": "announce",
    "example_hitl_review_pydantic_ai": "triage",
    "example_hitl_review_langchain": "write",
    "example_hitl_review_typed": "claim",
    "example_hitl_review_tool_calls": "support",
}
"""The example DAGs, and which of their tasks is reviewed."""

PARKED = ("awaiting_input", "deferred")
LONG = 300
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

    def reviews(self) -> list[tuple[str, str, int]]:
        """All that are decided, without those of ``edits``."""
        found = [("ours", task_id, -1) for task_id in OURS] + [("ours", "greet", index) for index in (0, 1)]
        if self.version.provider:
            found += [("agents", task_id, -1) for task_id in (*self.version.agents, "edited", "decorated")]
            found += [("theirs", task_id, -1) for task_id in ("agent", "agent_rejected")]
        if self.version.examples:
            found += [(dag_id, task_id, -1) for dag_id, task_id in EXAMPLES.items()]
        return found

    def wait_for_outputs(self, reviews: list[tuple[str, str, int]], iteration: int) -> None:
        """Wait until the output of that number waits for a decision in each of these."""
        missing = list(reviews)

        def none_is_missing() -> bool:
            while missing and _waits(self.find(*missing[-1]), iteration):
                missing.pop()
            return not missing

        try:
            wait_until(none_is_missing, timeout=LONG, what=f"output {iteration} of each", interval=1.0)
        except RuntimeError as error:
            states = [dict(self.states(dag_id)) for dag_id in self.runs]
            raise RuntimeError(f"{error}: missing {missing}, {states}\n{self._failures()}") from None

    def wait_for_parks(self, reviews: list[tuple[str, str, int]]) -> None:
        """Wait until each of these tasks has parked."""
        wait_until(
            lambda: all(self.state_of(review) in PARKED for review in reviews),
            timeout=LONG,
            what="the parks",
        )

    def _failures(self) -> str:
        """What the tasks' logs say last of errors, and the ends of the parts' logs."""
        found = []
        for log in sorted((self.airflow.home / "logs").rglob("task_id=*/*.log")):
            lines = [line for line in log.read_text(errors="replace").splitlines() if '"error"' in line]
            found += [f"{log.parent.name}: {line[:2000]}" for line in lines[-1:]]
        return "\n".join([*found, *(f"{name}: {part.tail(5)}" for name, part in self.airflow.processes.items())])


def _waits(review: dict[str, Any], iteration: int) -> bool:
    return review.get("status") == "pending_review" and review["iteration"] == iteration


def parks(review: tuple[str, str, int]) -> bool:
    """Whether its task parks."""
    return review[0] != "theirs" and not review[1].startswith("polled")
