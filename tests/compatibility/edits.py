"""What happens to the reviews of ``dags/edits.py``: edited, refused, edited again; decided by clock or rule.

They wait beside the others of a story.
"""

from __future__ import annotations

import json
import subprocess
from typing import Any

from demo.processes import PATIENCE, wait_until
from hitl_notebook import Client, InvalidEditError, Review, ReviewKey, User
from tests.compatibility.story import LONG, Story
from tests.support.hook_server import Hook

DAG_ID = "edited"
FIRST = ("typed", "text", "polled", "locked", "skipped")
"""Those that people decide."""

TEXT = "# Better  \n\n\tYes, \u201cbetter\u201d \u2603\n\n"
BIG = 2**53 + 3


class Edits:
    """The reviews of one run; what is seen goes to the story's facts.

    Args:
        told: the story.
        hook: gets the webhooks of these reviews.
    """

    def __init__(self, told: Story, hook: Hook) -> None:
        self._told, self._hook = told, hook
        self._client = Client(told.airflow.url, username="admin", password="admin")
        self._facts: dict[str, Any] = {}

    def begin(self) -> None:
        """Wait for the first outputs; send an edit that the API refuses, and one that only the task's type does."""
        told = self._told
        told.airflow.wait_for_dag(DAG_ID)
        told.runs[DAG_ID] = told.airflow.trigger(DAG_ID)
        self._wait_for_output(*FIRST)
        clocks = ("clock_approves", "clock_rejects")
        wait_until(
            lambda: all(told.find(DAG_ID, task_id) for task_id in clocks),
            timeout=LONG,
            what="the timed reviews",
        )
        review = self._find("typed")
        self._facts["schema"] = list((review.output_schema or {})["properties"])
        self._facts["settings"] = {
            task_id: (found.allow_modifications, found.on_reject, found.on_hitl_timeout)
            for task_id in (*FIRST, *clocks)
            for found in [self._find(task_id)]
        }
        wrong = review.output | {"grade": "ugly", "lines": [{"name": 1, "amount": 3.0}]}
        refused = told.decide("approve", DAG_ID, "typed", json={"edited_output": json.dumps(wrong)})
        self._facts["refused by the API"] = (refused.status_code, refused.json())
        self._facts["after that"] = self._find("typed") == review
        self._facts["locked"] = self._refusal("locked", "changed")
        self._client.approve(review, "fixed", output=review.output | {"total": 4.0})

    def go_on(self) -> None:
        """Ask for changes from an edit; approve an edit."""
        client = self._client
        self._wait_for_output("typed")
        back = self._find("typed")
        self._facts["refused by the task"] = back
        more = {"name": "c", "amount": 1.0, "count": BIG}
        edit = back.output | {"title": "Edited", "total": 4.0, "lines": [*back.output["lines"], more]}
        asked = client.request_changes(back, "go on", output=edit)
        for task_id in ("text", "polled"):
            self._facts[task_id] = client.approve(self._find(task_id), output=TEXT)
        client.reject(self._find("skipped"), "not this one")
        client.approve(self._find("locked"))
        self._facts["asked"] = asked
        newer = client.wait_for(asked, until="output", timeout=LONG * PATIENCE, interval=0.5)
        self._facts["newer"] = newer
        edit = newer.output | {"grade": "bad"}
        self._facts["approved"] = client.approve(newer, output=edit, acting_for=User("U1", "Ann"))

    def end(self) -> None:
        """Once all have ended."""
        run_id = self._told.runs[DAG_ID]
        rows = self._client.iter_sessions(dag_id=DAG_ID, include_ended=True)
        self._facts["ended"] = {row.key.task_id: row for row in rows if row.key.run_id == run_id}
        wait_until(lambda: len(self._finals()) == len(FIRST) + 3, timeout=LONG, what="the final events")
        self._facts["webhooks"] = [(event.type, event.data) for event in self._hook.events()]
        asked = {"dag_id": DAG_ID, "run_id": run_id, "limit": 100, "order_by": "id"}
        self._facts["audit log"] = [
            (entry["task_id"], entry["event"], entry["owner"], json.loads(entry["extra"]))
            for entry in self._told.airflow.api("GET", "/eventLogs", params=asked)["event_logs"]
            if entry["event"].startswith("hitl_review.")
        ]
        if self._told.version.provider:
            self._look_as_the_provider()
        self._told.facts["edits"] = self._facts

    def _look_as_the_provider(self) -> None:
        """With its API, and with its model of what our API answers."""
        where = self._told.query(DAG_ID, "typed")
        self._facts["at theirs"] = self._told.call(
            "GET", "/sessions/find", at=self._told.moved, params=where
        ).json()
        read = (
            "import sys; from airflow.providers.common.ai.utils.hitl_review import HITLReviewResponse as Response;"
            "print('read', Response.model_validate_json(sys.stdin.read()).model_dump_json())"
        )
        ours = self._told.call("GET", "/sessions/find", params=where).text
        python = str(self._told.airflow.programs / "python")
        given: dict[str, Any] = {"env": self._told.airflow.env, "input": ours, "text": True, "capture_output": True}
        done = subprocess.run([python, "-c", read], timeout=LONG * PATIENCE, check=True, **given)
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("read ")]
        self._facts["as theirs"] = json.loads(line.removeprefix("read "))

    def _finals(self) -> set[str]:
        return {event.id for event in self._hook.events() if event.type == "hitl_review.finalized"}

    def _find(self, task_id: str) -> Review:
        return self._client.find(ReviewKey(DAG_ID, self._told.runs[DAG_ID], task_id))

    def _wait_for_output(self, *task_ids: str) -> None:
        def missing() -> list[str]:
            return [t for t in task_ids if self._told.find(DAG_ID, t).get("status") != "pending_review"]

        wait_until(lambda: not missing(), timeout=LONG, what="outputs to edit", interval=0.5)

    def _refusal(self, task_id: str, output: str) -> str:
        try:
            self._client.approve(self._find(task_id), output=output)
        except InvalidEditError as error:
            return str(error)
        return ""
