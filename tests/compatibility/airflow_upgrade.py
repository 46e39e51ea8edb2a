"""What happens to reviews that wait while Airflow is upgraded: the end of a story, whose database is migrated.

Version 0.1.0 has parked the DAG ``before``, this one the others. Some are decided just before the upgrade.
"""

from __future__ import annotations

import shutil
from datetime import datetime, timezone
from typing import Any

from demo.processes import wait_until
from hitl_notebook import Client
from tests.compatibility.environments import VERSIONS, environment
from tests.compatibility.story import DAGS, LONG, Story
from tests.support import version_before
from tests.support.hook_server import Hook

BEFORE = [("before", task_id, -1) for task_id in ("approved", "changed")]
PARKED = [
    *(("upgraded", task_id, -1) for task_id in ("late", "changed", "answered", "decided", "not_resumed", "typed")),
    ("upgraded", "greet", 0),
    ("upgraded_agent", "asked", -1),
]
POLLED = ("upgraded", "polled", -1)
EVENTS = 2 + 2 + 2
"""Of two reviews: the first outputs, a request for changes and what came of it, and the ends."""

EDIT = '{"title": "Edited", "count": 9007199254740995}'


class AirflowUpgrade:
    """The reviews of three runs; what is seen goes to the story's facts.

    Args:
        told: the story.
        waiting: gets webhooks of the DAG ``before``; it fails until Airflow is upgraded.
    """

    def __init__(self, told: Story, waiting: Hook) -> None:
        self._told, self._airflow, self._waiting = told, told.airflow, waiting
        self._facts: dict[str, Any] = {}

    def park_with_version_before(self) -> None:
        """Let workers of version 0.1.0 park; API servers are upgraded first, so theirs are of this version."""
        airflow, folder = self._airflow, self._airflow.home / "version_0_1_0"
        self._waiting.behave(status=503)
        airflow.wait_for_dag("before")
        airflow.processes.pop("scheduler").stop()
        ours = airflow.env.get("PYTHONPATH", "")
        airflow.env["PYTHONPATH"] = version_before.search_path(folder)
        airflow.start("scheduler")
        airflow.env["PYTHONPATH"] = ours
        self._told.runs["before"] = airflow.trigger("before")
        self._told.wait_for_outputs(BEFORE, 1)
        self._told.wait_for_parks(BEFORE)
        outputs = [self._told.find(*review)["current_output"] for review in BEFORE]
        self._facts["of version 0.1.0"] = [str(folder) in output for output in outputs]

    def begin(self) -> None:
        """Let workers of this version park."""
        for dag_id in ("upgraded", "upgraded_agent"):
            self._airflow.wait_for_dag(dag_id)
            self._told.runs[dag_id] = self._airflow.trigger(dag_id)

    def stop(self) -> None:
        """Stop all parts, and decide in between."""
        told, airflow, facts = self._told, self._airflow, self._facts
        told.wait_for_outputs([*PARKED, POLLED], 1)
        told.ask("upgraded", "changed", "more")
        told.wait_for_outputs([("upgraded", "changed", -1)], 2)
        # The triggerer was stopped before this one parked.
        wait_until(
            lambda: (
                datetime.fromisoformat(told.find("upgraded", "late")["deadline_at"]) < datetime.now(timezone.utc)
            ),
            timeout=LONG,
            what="the deadline",
        )
        told.wait_for_parks([*PARKED, *BEFORE])
        facts["states"] = {told.state_of(review) for review in (*PARKED, *BEFORE)}
        # As in docs/running.md.
        client = Client(airflow.url, username="admin", password="admin")
        facts["running"] = [row.key.task_id for row in client.iter_sessions() if row.task_state == "running"]
        facts["waiting events"] = self._events("pending")
        self._first_polled = told.find(*POLLED)["created_at"]
        airflow.kill("scheduler")
        facts["decided before"] = told.decide("approve", "upgraded", "decided").status_code
        facts["resumed before"] = told.states("upgraded")["decided", -1]
        for instance in (told.moved, airflow):
            instance.stop()
        decide = ("python", "-m", "tests.support.decide_unresumed")
        airflow.run(*decide, "upgraded", told.runs["upgraded"], "not_resumed")

    def migrate(self) -> None:
        """Bring the database to the newest Airflow, and start that; its API server first."""
        airflow = self._airflow
        airflow.use(environment(VERSIONS[-1]))
        # Only the files that are needed: pydantic-ai takes seconds to import.
        dags = airflow.home / "dags"
        dags.mkdir()
        for name in ("asking", "before", "upgrade"):
            shutil.copy(DAGS / f"{name}.py", dags)
        airflow.env |= {
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
        }
        airflow.migrate()
        self._waiting.behave()
        airflow.start("dag-processor", "api-server")
        airflow.start("scheduler")
        self._facts["version"] = airflow.api("GET", "/version")["version"]

    def decide(self) -> None:
        """Decide about what waits, and wait for the ends."""
        told, facts = self._told, self._facts
        for dag_id in ("before", "upgraded"):
            told.ask(dag_id, "changed", "still more")
        answers = [
            told.decide("approve", "before", "approved"),
            told.decide("approve", "upgraded", "typed", json={"edited_output": EDIT}),
            told.decide("reject", "upgraded", "greet", map_index=0, json={"feedback": "no"}),
            told.decide("approve", "upgraded_agent", "asked"),
        ]
        facts["answers"] = [answer.status_code for answer in answers]
        path = f"/dags/upgraded/dagRuns/{told.runs['upgraded']}/taskInstances/answered/-1/hitlDetails"
        told.airflow.api("PATCH", path, json={"chosen_options": ["Approve"], "params_input": {}})
        changed = [("before", "changed", -1), ("upgraded", "changed", -1)]
        for number, review in enumerate(changed, 2):
            told.wait_for_outputs([review], number)
        told.wait_for_parks(changed)
        facts["states of the next round"] = {told.state_of(review) for review in changed}
        for dag_id, task_id, _ in changed:
            told.decide("approve", dag_id, task_id)
        wait_until(self._polls_again, timeout=LONG, what="the next try of the task that polls", interval=0.5)
        told.decide("approve", "upgraded", "polled")
        ended = {"success", "failed"}
        dag_ids = ("before", "upgraded", "upgraded_agent")
        wait_until(
            lambda: all(state in ended for dag_id in dag_ids for state in told.states(dag_id).values()),
            timeout=LONG,
            what="the ends",
            interval=1.0,
        )
        facts["ends"] = {dag_id: dict(told.states(dag_id)) for dag_id in dag_ids}
        facts["late"] = told.find("upgraded", "late")["status"]
        ends = facts["ends"]
        succeeded = [(d, *key) for d, of_dag in ends.items() for key, end in of_dag.items() if end == "success"]
        facts["results"] = {review: told.result(*review) for review in succeeded}
        facts["calls"] = (told.airflow.home / "made-asked").read_text()
        wait_until(lambda: len(self._events("delivered")) == EVENTS, timeout=LONG, what="the events", interval=0.5)
        facts["events"] = self._events("delivered")
        facts["accepted"] = [request.id for request in self._waiting.requests() if request.status == 204]
        told.facts["upgrade"] = facts

    def _polls_again(self) -> bool:
        """Whether the next try of the task that polls shows its output."""
        review = self._told.find(*POLLED)
        return review.get("status") == "pending_review" and review["created_at"] != self._first_polled

    def _events(self, status: str) -> list[tuple[str, str]]:
        """Type and id of each event of the DAG ``before`` in that status."""
        where = {"dag_id": "before", "status": status, "limit": 100}
        found = self._told.call("GET", "/deliveries", params=where).json()["deliveries"]
        return sorted((one["type"], one["event_id"]) for one in found)
