"""Quick rounds: somebody answers one second after an output appeared. Ours parked, and the AI provider's, in turn.

What is measured is what that person waits: from feedback to the next output, and from the approval of that one to
the end of the task. Making an output takes no time in these. Ours also with an approval that edits the output, with
an agent that asks before it calls a tool (the first answer is that to the call), and over AG-UI.
"""

from __future__ import annotations

import json
import statistics
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import requests

from bench.measures import percentile
from bench.peers import path_of
from demo.airflow_instance import AirflowInstance
from demo.processes import wait_until

READING_SECONDS = 1.0


class _Review:
    """One review, as its reviewer sees it."""

    dag_id = "parked"
    samples, at_once = 30, 2

    def __init__(self, airflow: AirflowInstance, token: str) -> None:
        self._airflow = airflow
        self._name: dict[str, Any] = {"dag_id": self.dag_id, "run_id": "", "task_id": "review", "map_index": 0}
        self._prefix = path_of(self.dag_id)
        self._headers = {"Authorization": f"Bearer {token}"}

    def begin(self) -> None:
        self._name["run_id"] = self._airflow.trigger(self.dag_id, {"count": 1})

    def call(self, method: str, path: str, body: dict[str, Any] | None = None, **more: Any) -> requests.Response:
        url = f"{self._airflow.url}{self._prefix}{path}"
        return requests.request(
            method, url, params=self._name, json=body, headers=self._headers, timeout=60, **more
        )

    def ask(self) -> None:
        """Answer the first output."""
        self.call("POST", "/sessions/feedback", {"feedback": "shorter"}).raise_for_status()

    def approve(self) -> None:
        """Approve the second one."""
        self.call("POST", "/sessions/approve").raise_for_status()

    def wait_for_output(self, number: int) -> None:
        """Until it is there."""

        def is_there() -> bool:
            answer = self.call("GET", "/sessions/find")
            if not answer.ok:
                return False
            found = answer.json()
            return bool(found["status"] == "pending_review" and found["iteration"] == number)

        wait_until(is_there, timeout=120, what=f"output {number}", interval=0.05)

    def wait_for_end(self) -> float:
        """Returns when the task ended."""
        path = f"/dags/{self.dag_id}/dagRuns/{self._name['run_id']}/taskInstances/review/0"
        wait_until(
            lambda: self._airflow.api("GET", path)["state"] == "success", timeout=120, what="the end", interval=0.3
        )
        return datetime.fromisoformat(self._airflow.api("GET", path)["end_date"]).timestamp()


class _Provider(_Review):
    dag_id = "provider"
    samples, at_once = 10, 5  # they wait for their next look, so more of them do not hold each other up


class _Edited(_Review):
    """Approved as its reviewer has edited it."""

    samples = 10

    def approve(self) -> None:
        self.call("POST", "/sessions/approve", {"edited_output": "As I want it."}).raise_for_status()


class _ToolCall(_Review):
    """An agent's: the first answer lets it call its tool."""

    dag_id = "asking"
    samples = 10

    def ask(self) -> None:
        self.approve()


class _AGUI(_Review):
    """Over AG-UI: each answer is a run, in whose events the next output arrives."""

    samples = 10

    def ask(self) -> None:
        self._run(self._run(None), {"decision": "request_changes", "feedback": "shorter"})

    def approve(self) -> None:
        self._run(self._run(None), {"decision": "approve"})

    def _run(self, interrupt: str | None, payload: dict[str, str] | None = None) -> str:
        """One run; returns the interrupt that it ends with, if it does."""
        body: dict[str, Any] = {"threadId": "bench", "runId": uuid.uuid4().hex, "messages": []}
        if interrupt is not None:
            body["resume"] = [{"interruptId": interrupt, "status": "resolved", "payload": payload}]
        with self.call("POST", "/ag-ui", body, stream=True) as answer:
            answer.raise_for_status()
            lines = [line[5:] for line in answer.iter_lines(decode_unicode=True) if line.startswith("data:")]
        last = json.loads(lines[-1])
        assert last["type"] == "RUN_FINISHED", last
        interrupts = last["outcome"].get("interrupts")
        return str(interrupts[0]["id"]) if interrupts else ""


WAYS: dict[str, type[_Review]] = {
    "parked": _Review,
    "edited": _Edited,
    "tool call": _ToolCall,
    "AG-UI": _AGUI,
    "provider": _Provider,
}


def _one(airflow: AirflowInstance, way: type[_Review], token: str) -> tuple[float, float]:
    review = way(airflow, token)
    review.begin()
    review.wait_for_output(1)
    time.sleep(READING_SECONDS)
    asked = time.time()
    review.ask()
    review.wait_for_output(2)
    answered = time.time()
    time.sleep(READING_SECONDS)
    approved = time.time()
    review.approve()
    return answered - asked, review.wait_for_end() - approved


def quick_rounds(airflow: AirflowInstance) -> dict[str, Any]:
    """Seconds, for each way: ``next_output`` and ``end``."""
    token = airflow.token()
    figures: dict[str, Any] = {}
    for name, way in WAYS.items():
        with ThreadPoolExecutor(way.at_once) as pool:
            seconds = list(pool.map(lambda _, way=way: _one(airflow, way, token), range(way.samples)))
        figures[name] = {"samples": way.samples} | {
            f"{what}_{measure}_seconds": round(value, 2)
            for what, values in zip(("next_output", "end"), zip(*seconds, strict=True), strict=True)
            for measure, value in (
                ("median", statistics.median(values)),
                ("p95", percentile(values, 95)),
                ("max", max(values)),
            )
        }
    return figures
