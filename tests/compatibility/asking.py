"""What happens to the agents of ``dags/asking.py``: each asks three times in one task.

They wait beside the others of a story; without the AI provider there are none.
"""

from __future__ import annotations

import json
from typing import Any

from demo.processes import wait_until
from hitl_notebook import Client, Review, ReviewKey, ReviewNotFoundError
from tests.compatibility.story import LONG, Story

DAG_ID = "asking"
TASKS = ("reviewed", "alone")
"""With a review of the output, and with reviews of the calls alone."""

KILLED = ("resuming", "calling", "called", "saying")
"""Where the first try's process of a task of the DAG ``killed`` is killed, once its call is approved."""


class Asking:
    """The agents of one run; what is seen goes to the story's facts.

    Args:
        told: the story.
    """

    def __init__(self, told: Story) -> None:
        self._told = told
        self._client = Client(told.airflow.url, username="admin", password="admin")
        self._facts: dict[str, Any] = {}

    def begin(self) -> None:
        """Wait for the first request."""
        if not self._told.version.provider:
            return
        self._told.airflow.wait_for_dag(DAG_ID)
        self._told.runs[DAG_ID] = self._told.airflow.trigger(DAG_ID)
        if self._told.version.kills:
            self._told.airflow.wait_for_dag("killed")
            self._told.runs["killed"] = self._told.airflow.trigger("killed")

    def approve(self) -> None:
        """Approve two calls as they are."""
        if not self._told.version.provider:
            return
        self._wait(1)
        self._facts["made before"] = self._made()
        (row,) = [row for row in self._client.iter_sessions(dag_id=DAG_ID) if row.key.task_id == "alone"]
        self._facts["row"] = row
        for task_id in TASKS:
            review = self._find(task_id)
            self._client.approve(review)
        self._facts["first"] = review
        if self._told.version.kills:
            self._told.wait_for_outputs([("killed", name, -1) for name in KILLED], 1)
            self._killed = {name: self._find(name, "killed") for name in KILLED}
            for one in self._killed.values():
                self._client.approve(one)

    def answer(self) -> None:
        """Edit one call, and deny the other; then answer a question."""
        if not self._told.version.provider:
            return
        self._wait(2)
        edited = {"args": {"order": 9, "amount": 9.5}}
        wrong = {"calls": {"c": {"args": {"order": "nine", "amount": 1}}, "d": {"approved": True}}}
        refused = self._told.decide("approve", DAG_ID, "alone", json=wrong)
        self._facts["refused"] = (refused.status_code, refused.json())
        for task_id in TASKS:
            self._client.approve(self._find(task_id), calls={"c": edited, "d": "Too dear."})
        self._wait(3)
        states = self._told.states(DAG_ID)
        self._facts["waiting"] = {states[task_id, -1] for task_id in TASKS}
        question = self._find("alone")
        self._facts["question"] = question
        empty = self._told.decide("approve", DAG_ID, "alone")
        self._facts["unanswered"] = (empty.status_code, empty.json())
        self._client.approve(question, calls={"q": "Kyoto"})
        self._client.request_changes(self._find("reviewed"), "Kyoto")

    def approve_output(self) -> None:
        """Approve what the agent says in the end, where that is reviewed."""
        if not self._told.version.provider:
            return
        self._wait(4, "reviewed")
        self._client.approve(self._find("reviewed"))

    def approve_again(self) -> None:
        """Approve what the next tries ask, where the first ones were killed."""
        if not self._told.version.kills:
            return

        def waiting() -> dict[str, Review]:
            now = {name: self._found("killed", name) for name in KILLED}
            return {
                name: review
                for name, review in now.items()
                if review is not None and review.is_pending and review.created_at > self._killed[name].created_at
            }

        wait_until(lambda: len(waiting()) == len(KILLED), timeout=LONG, what="requests of the next tries")
        self._facts["again"] = waiting()
        for one in self._facts["again"].values():
            self._client.approve(one)

    def end(self) -> None:
        """Once all have ended."""
        if not self._told.version.provider:
            return
        self._facts["results"] = {task_id: self._told.result(DAG_ID, task_id) for task_id in TASKS}
        self._facts["ended"] = {task_id: self._find(task_id) for task_id in TASKS}
        self._facts["made"] = self._made()
        if self._told.version.kills:
            home = self._told.airflow.home
            self._facts["made twice"] = {n: (home / f"made-{n}").read_text().count("refund") for n in KILLED}
            self._facts["killed"] = {name: self._told.states("killed")[name, -1] for name in KILLED}
        self._told.facts["asking"] = self._facts

    def _made(self) -> dict[str, list[Any]]:
        """The calls that were made."""
        home = self._told.airflow.home
        texts = {task_id: (home / f"made-{task_id}").read_text() for task_id in TASKS}
        return {task_id: [json.loads(line) for line in text.splitlines()] for task_id, text in texts.items()}

    def _find(self, task_id: str, dag_id: str = DAG_ID) -> Review:
        return self._client.find(ReviewKey(dag_id, self._told.runs[dag_id], task_id))

    def _found(self, dag_id: str, task_id: str) -> Review | None:
        try:
            return self._find(task_id, dag_id)
        except ReviewNotFoundError:
            return None

    def _wait(self, iteration: int, *task_ids: str) -> None:
        """Until the request is there, and its task has parked: it writes the request first."""
        reviews = [(DAG_ID, task_id, -1) for task_id in task_ids or TASKS]
        self._told.wait_for_outputs(reviews, iteration)
        self._told.wait_for_parks(reviews)
