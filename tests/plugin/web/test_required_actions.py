"""Reviews in Airflow's Required Actions: real API servers, responses through Airflow's public API."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from threading import Barrier
from typing import Any

import pytest
import requests

from airflow_hitl_review.core.required_action_form import MAX_BODY_BYTES, OPTIONS, form_of
from airflow_hitl_review.core.schema import SESSION_KEY, AgentSession
from airflow_hitl_review.core.site import Site
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.core.texts import sha256_of
from demo.airflow_instance import AirflowInstance
from demo.processes import wait_until
from tests.support.api_server import ReviewServer
from tests.support.call_samples import question, refunds

DAG_ID = "many_reviews"


def hitl(
    airflow: AirflowInstance, token: str, run_id: str, index: int, body: dict[str, Any] | None = None
) -> requests.Response:
    """Read the HITL detail of a review, or respond to it."""
    url = f"{airflow.url}/api/v2/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/review/{index}/hitlDetails"
    headers = {"Authorization": f"Bearer {token}"}
    return requests.request("PATCH" if body else "GET", url, headers=headers, json=body, timeout=60)


def answer(option: str, feedback: str | None = None, output: int | None = None) -> dict[str, Any]:
    """The request body that Airflow's form sends."""
    return {"chosen_options": [option], "params_input": {"feedback": feedback, "output": output}}


def state_of(airflow: AirflowInstance, run_id: str, index: int = 0) -> str | None:
    return airflow.task_states(DAG_ID, run_id)["review", index]


def pending(airflow: AirflowInstance, run_id: str) -> list[int]:
    """The reviews that Airflow's UI lists as pending, with the filters that it sets."""
    path = f"/dags/{DAG_ID}/dagRuns/{run_id}/hitlDetails"
    params = {"response_received": False, "state": ["awaiting_input", "deferred"], "limit": 100}
    found = airflow.api("GET", path, params=params)["hitl_details"]
    return sorted(row["task_instance"]["map_index"] for row in found)


class Seeded:
    """Seeded reviews; a user of the DAG's team responds to one of them."""

    def __init__(self, server: ReviewServer, kind: str = "parked", count: int = 1) -> None:
        self.server = server
        self.run_id = server.seed(count, "required_actions", kind)

    def row(self) -> Any:
        return hitl(self.server.airflow, self.server.token("ann"), self.run_id, 0).json()

    def answer(self, body: dict[str, Any], user: str = "ann") -> requests.Response:
        return hitl(self.server.airflow, self.server.token(user), self.run_id, 0, body)

    def review(self) -> Any:
        return self.server.call("GET", "/sessions/find", params=self.server.params(self.run_id)).json()

    def action(self) -> Any:
        path = f"/dags/{DAG_ID}/dagRuns/{self.run_id}/taskInstances/review/xcomEntries/"
        key = "airflow_hitl_review_human_action"
        return self.server.airflow.api("GET", path + key, params={"map_index": 0})["value"]

    def store(self, **changes: Any) -> None:
        """Store the session anew in the API server's process, as a worker's write does."""
        path = f"/dags/{DAG_ID}/dagRuns/{self.run_id}/taskInstances/review/xcomEntries"
        session = self.server.airflow.api("GET", f"{path}/{SESSION_KEY}", params={"map_index": 0})["value"]
        self.server.airflow.api("DELETE", f"{path}/{SESSION_KEY}", params={"map_index": 0})
        body = {"key": SESSION_KEY, "value": session | changes, "map_index": 0}
        self.server.airflow.api("POST", path, json=body)

    def park(self) -> None:
        """Park a task that was seeded as ``running``, as the worker does."""
        statement = "update task_instance set state = 'awaiting_input', updated_at = :now where run_id = :run"
        self.server.sql(statement, now=datetime.now(timezone.utc), run=self.run_id)

    def state(self) -> str | None:
        return state_of(self.server.airflow, self.run_id)

    def event(self) -> str:
        """The event that the task was resumed with."""
        statement = "select next_kwargs from task_instance where run_id = :run and map_index = 0"
        return str(self.server.sql(statement, run=self.run_id)[0].next_kwargs)

    def pending(self) -> list[int]:
        return pending(self.server.airflow, self.run_id)


@pytest.mark.parametrize(
    ("option", "feedback", "status", "action"),
    [
        ("Approve", None, "approved", "approve"),
        ("Approve", "Well done", "approved", "approve"),
        ("Reject", "", "rejected", "reject"),
        ("Request changes", "Shorter ☃", "changes_requested", "changes_requested"),
    ],
)
def test_response_is_a_decision(
    reviews: ReviewServer, option: str, feedback: str | None, status: str, action: str
) -> None:
    seeded = Seeded(reviews)
    assert seeded.pending() == [0]
    given = seeded.answer(answer(option, feedback, 1))
    assert given.status_code == 200, given.text
    assert given.json()["chosen_options"] == [option]
    review = seeded.review()
    assert (review["status"], review["decided_by"]) == (status, {"id": "ann", "name": "ann"})
    assert [t["content"] for t in review["conversation"][1:]] == ([feedback] if feedback else [])
    stored = seeded.action()
    assert (stored["action"], stored["channel"], stored["iteration"]) == (action, "airflow", 1)
    assert (stored["feedback"], stored["output_sha256"]) == (feedback or "", review["output_sha256"])
    about = {"event": f"hitl_review.{action}", "run_id": seeded.run_id}
    log = reviews.airflow.api("GET", "/eventLogs", params=about)["event_logs"]
    assert [entry["owner"] for entry in log] == ["ann"]
    # The required action is closed; we resume the task, not Airflow.
    row = seeded.row()
    assert (row["response_received"], row["responded_by_user"]["name"]) == (True, "ann")
    assert seeded.pending() == []
    wait_until(lambda: seeded.state() == "scheduled", timeout=30, what="the wake")
    assert "recorded" in seeded.event()


def test_task_decided_while_running_is_woken_after_it_parks(reviews: ReviewServer) -> None:
    seeded = Seeded(reviews, "running")
    assert seeded.answer(answer("Approve", "", 1)).status_code == 200
    assert not seeded.row()["response_received"]  # it is open until the task is woken
    seeded.park()
    wait_until(lambda: seeded.state() == "scheduled", timeout=30, what="the wake")
    row = seeded.row()
    assert (row["chosen_options"], row["responded_by_user"]["name"]) == (["Approve"], "ann")


SITE = Site.read("https://airflow.example/base/", lambda _, default: default)
KEY = TaskKey("a dag", "r+1/(x)", "t", 2)


def test_form_shows_the_prompt_and_the_current_output() -> None:
    session = AgentSession(prompt="\n## Sum *up*\nIn short.", current_output="The **sum**", iteration=3)
    form = form_of(KEY, session, SITE)
    assert form.subject == "Sum up"
    assert form.body.startswith("**Output of round 3 of 5**\n\n> The **sum**")
    assert form.body.count("(https://airflow.example/base/hitl-review/chat?") == 1
    assert "run_id=r%2B1%2F%28x%29&" in form.body
    assert form.params["output"]["schema"]["const"] == 3
    assert form.params["output_sha256"]["schema"]["const"] == sha256_of("The **sum**")


def test_form_of_a_long_output_says_that_it_is_cut() -> None:
    session = AgentSession(current_output="word " * 10_000)
    form = form_of(KEY, session, SITE)
    assert form.subject == "Review output of t"
    assert "**Only the first 8,000 of 50,000 characters are shown.** [Read the whole output](https:" in form.body
    assert len(form.body) < 9_000


def test_form_fits_the_column_of_every_database() -> None:
    """Quoted, a tab at the start of a line is 24 bytes long."""
    body = form_of(KEY, AgentSession(current_output=("\t" * 60 + "x" * 60 + "\n") * 66), SITE).body
    assert "**Only the first 4,000 of 7,986 characters are shown.**" in body
    assert 40_000 < len(body.encode()) <= MAX_BODY_BYTES


def test_form_of_an_empty_output_says_so() -> None:
    assert "The output is empty." in form_of(KEY, AgentSession(current_output=" \n"), SITE).body


@pytest.mark.parametrize(
    ("asked", "words"), [(refunds(), "lets the agent make"), (question(), "Write your answer")]
)
def test_form_of_a_request_says_what_the_answers_do(asked: dict[str, Any], words: str) -> None:
    session = AgentSession(current_output=asked["outputs"][0], output_format="json", request=asked["request"])
    body = form_of(KEY, session, SITE).body
    assert body.startswith("**What the agent asks in round 1")
    assert words in body


def test_form_follows_each_new_output(reviews: ReviewServer) -> None:
    """Also the first output of another try, which has the number of the one before."""
    seeded = Seeded(reviews)
    row = seeded.row()
    assert row["subject"] == "Item 0"
    assert "> Draft of item 0." in row["body"]
    for iteration, output in ((2, "A second draft"), (1, "Anew: ![x](https://example.com/x.png)")):
        before = {name: param["value"] for name, param in seeded.row()["params"].items()}
        seeded.store(iteration=iteration, current_output=output, prompt=f"Prompt {iteration}")
        row = seeded.row()
        assert (row["subject"], row["params"]["output"]["value"]) == (f"Prompt {iteration}", iteration)
        assert output in row["body"]
        assert f"**Output of round {iteration} of 5**" in row["body"]
        assert "Draft of item 0." not in row["body"]
        stale = seeded.answer({"chosen_options": ["Approve"], "params_input": before | {"feedback": None}})
        assert stale.status_code == 409, stale.text
    stale = seeded.answer({"chosen_options": ["Approve"], "params_input": {"output": 1, "output_sha256": "0" * 64}})
    assert (stale.status_code, "is not the one that you saw" in stale.json()["detail"]) == (409, True)
    shown = {name: param["value"] for name, param in row["params"].items()}
    given = seeded.answer({"chosen_options": ["Approve"], "params_input": shown})
    assert given.status_code == 200, given.text
    assert seeded.action()["output_sha256"] == shown["output_sha256"]


def test_airflow_returns_the_options_and_fields_of_the_form(reviews: ReviewServer) -> None:
    row = Seeded(reviews).row()
    assert row["options"] == list(OPTIONS)
    assert row["params"]["feedback"]["schema"]["format"] == "multiline"
    assert row["params"]["output"]["value"] == 1


def test_decision_through_our_api_closes_the_required_action(reviews: ReviewServer) -> None:
    seeded = Seeded(reviews)
    params = reviews.params(seeded.run_id)
    body = {"feedback": "Shorter", "iteration": 1}
    assert reviews.call("POST", "/sessions/feedback", user="admin", params=params, json=body).ok
    row = seeded.row()
    assert (row["response_received"], row["chosen_options"]) == (True, ["Request changes"])
    assert row["responded_by_user"] == {"id": "admin", "name": "admin"}
    assert row["params_input"] == {"feedback": "Shorter", "output": 1}
    assert seeded.action()["channel"] == "rest"
    late = seeded.answer(answer("Approve", None, 1))
    assert late.status_code == 409


def test_late_response_is_told_who_decided(reviews: ReviewServer) -> None:
    """The row of a task that has not parked stays open, so our own rules refuse the response."""
    seeded = Seeded(reviews, "running")
    params = reviews.params(seeded.run_id)
    assert reviews.call("POST", "/sessions/approve", user="admin", params=params).ok
    late = seeded.answer(answer("Reject", None, 1))
    assert late.status_code == 409
    assert "Already approved by admin" in late.json()["detail"]
    assert seeded.review()["status"] == "approved"
    assert seeded.row()["response_received"] is False


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (answer("Approve", None, 2), 409, "output 1 is the current one"),
        (answer("Request changes", "  ", 1), 400, "what should change"),
        (answer("Request changes", None, 1), 400, "what should change"),
        ({"chosen_options": ["Reject"], "params_input": {"feedback": ["x"]}}, 400, "must be a text"),
        ({"chosen_options": ["Maybe"]}, 400, "Maybe"),
    ],
)
@pytest.mark.parametrize("kind", ["parked", "running"])
def test_refused_response_changes_nothing(
    reviews: ReviewServer, kind: str, body: dict[str, Any], code: int, words: str
) -> None:
    seeded = Seeded(reviews, kind)
    refused = seeded.answer(body)
    assert refused.status_code == code, refused.text
    assert words in refused.json()["detail"]
    review = seeded.review()
    assert (review["status"], len(review["conversation"])) == ("pending_review", 1)
    assert seeded.row()["response_received"] is False
    assert seeded.state() == ("running" if kind == "running" else "awaiting_input")


@pytest.mark.parametrize("user", ["viv", "bob"])
def test_airflow_refuses_users_who_may_not_decide(reviews: ReviewServer, user: str) -> None:
    seeded = Seeded(reviews)
    assert seeded.answer(answer("Approve", None, 1), user).status_code == 403
    assert seeded.review()["status"] == "pending_review"


def test_response_before_the_park_is_accepted_and_the_row_stays_open(reviews: ReviewServer) -> None:
    """Otherwise Airflow would resume the task the instant that it parks, and then fail it."""
    seeded = Seeded(reviews, "running")
    given = seeded.answer(answer("Approve", None, 1))
    assert given.status_code == 200, given.text
    assert seeded.review()["status"] == "approved"
    assert (seeded.row()["response_received"], seeded.state()) == (False, "running")


def test_required_actions_of_other_operators_are_ignored(reviews: ReviewServer) -> None:
    seeded = Seeded(reviews, "foreign")
    given = seeded.answer({"chosen_options": ["Approve"]})
    assert given.status_code == 200, given.text
    assert seeded.state() == "scheduled"  # immediately, by Airflow
    assert "detail" in seeded.review()


def test_one_of_two_simultaneous_decisions_is_accepted(reviews: ReviewServer) -> None:
    count = 15
    run_id = reviews.seed(count, "required_actions", "parked")
    tokens = {user: reviews.token(user) for user in ("ann", "admin")}
    outcomes: Counter[tuple[int, ...]] = Counter()
    with ThreadPoolExecutor(2) as pool:
        for index in range(count):
            barrier = Barrier(2)

            def here(index: int = index, barrier: Barrier = barrier) -> requests.Response:
                barrier.wait(30)
                return hitl(reviews.airflow, tokens["ann"], run_id, index, answer("Reject", "no", 1))

            def there(index: int = index, barrier: Barrier = barrier) -> requests.Response:
                barrier.wait(30)
                params = reviews.params(run_id, index)
                return reviews.call("POST", "/sessions/approve", user="admin", params=params, json={"iteration": 1})

            one, other = (future.result(60) for future in (pool.submit(here), pool.submit(there)))
            outcomes[tuple(sorted((one.status_code, other.status_code)))] += 1
            stored = reviews.call("GET", "/sessions/find", params=reviews.params(run_id, index)).json()
            row = hitl(reviews.airflow, tokens["ann"], run_id, index).json()
            wanted = ("rejected", ["Reject"]) if one.ok else ("approved", ["Approve"])
            assert (stored["status"], row["chosen_options"]) == wanted
    assert outcomes == {(200, 409): count}
