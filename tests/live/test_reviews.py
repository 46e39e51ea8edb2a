"""A complete Airflow on PostgreSQL: real scheduler, workers and API server."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest
import requests
from sqlalchemy import bindparam, create_engine, text

from airflow_hitl_review.core.schema import SESSION_KEY
from demo.airflow_instance import AirflowInstance
from demo.processes import PATIENCE, wait_until
from demo.stack import Receiver

pytestmark = [pytest.mark.live, pytest.mark.postgres, pytest.mark.timeout(600)]

DAG_ID = "many_reviews"


def states(
    airflow: AirflowInstance, run_id: str, dag_id: str = DAG_ID, task_id: str = "review"
) -> Counter[str | None]:
    return Counter(state for (task, _), state in airflow.task_states(dag_id, run_id).items() if task == task_id)


def call(
    airflow: AirflowInstance, method: str, path: str, token: str, params: Any, body: Any = None
) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{airflow.url}/hitl-review/sessions/{path}"
    return requests.request(method, url, params=params, json=body, headers=headers, timeout=60)


def query(run_id: str, map_index: int = 0, *, dag_id: str = DAG_ID, task_id: str = "review") -> dict[str, Any]:
    return {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "map_index": map_index}


def wait_for(
    airflow: AirflowInstance, run_id: str, wanted: dict[str | None, int], timeout: float = 180, **which: str
) -> None:
    wait_until(
        lambda: states(airflow, run_id, **which) == wanted,
        timeout=timeout,
        what=f"{run_id} {wanted}",
        interval=0.5,
    )


def test_pending_reviews_use_no_pool_slots(live: AirflowInstance) -> None:
    run_id = live.trigger(DAG_ID, {"count": 20})
    wait_for(live, run_id, {"awaiting_input": 20})
    pool = live.api("GET", "/pools/default_pool")
    assert (pool["occupied_slots"], pool["running_slots"], pool["queued_slots"]) == (0, 0, 0)

    other = live.trigger("other_work")
    wait_for(live, other, {"success": 1}, timeout=60, dag_id="other_work", task_id="work")
    assert states(live, run_id) == {"awaiting_input": 20}

    token = live.token()
    for index in range(4):
        answer = call(live, "POST", "approve", token, query(run_id, index), {"iteration": 1})
        assert answer.status_code == 200
    wait_for(live, run_id, {"success": 4, "awaiting_input": 16})
    live.api("PATCH", f"/dags/{DAG_ID}/dagRuns/{run_id}", json={"state": "failed"})  # the rest is not needed


DELAYS = (0, 0.2, 0.5, 1, 3)
"""Seconds after parking."""

FOR_EACH = 4
"""Number of tasks decided with each delay."""


def test_decisions_soon_after_parking(live: AirflowInstance) -> None:
    """No task fails and no decision is lost, however soon after parking; `make chaos` tries many more."""
    runs = {live.trigger(DAG_ID, {"count": FOR_EACH}): delay for delay in DELAYS}
    token = live.token()
    parked: dict[tuple[str, int], float] = {}
    decided: set[tuple[str, int]] = set()
    engine = create_engine(live.database)
    statement = text(
        "select run_id, map_index, updated_at from task_instance"
        " where dag_id = :dag and run_id in :runs and task_id = 'review' and state = 'awaiting_input'"
    ).bindparams(bindparam("runs", list(runs), expanding=True))
    end = time.monotonic() + 180 * PATIENCE
    try:
        while len(decided) < FOR_EACH * len(runs):
            assert time.monotonic() < end, f"only {len(parked)} parked"
            with engine.connect() as connection:
                for run_id, index, at in connection.execute(statement, {"dag": DAG_ID}):
                    parked.setdefault((run_id, index), at.timestamp())
            for (run_id, index), at in parked.items():
                if (run_id, index) not in decided and time.time() >= at + runs[run_id]:
                    answer = call(live, "POST", "approve", token, query(run_id, index), {"iteration": 1})
                    assert answer.status_code == 200, answer.text
                    decided.add((run_id, index))
            time.sleep(0.02)
    finally:
        engine.dispose()
    for run_id, delay in runs.items():
        wait_until(
            lambda run_id=run_id: states(live, run_id) == {"success": FOR_EACH},  # type: ignore[misc]
            timeout=120,
            what=f"{FOR_EACH} successes of those decided {delay} s after their park",
            interval=0.5,
        )


def test_each_part_of_quick_rounds_has_a_log(live: AirflowInstance) -> None:
    run_id, token = live.trigger(DAG_ID, {"count": 1}), live.token()
    params = query(run_id)

    def find() -> Any:
        return call(live, "GET", "find", token, params).json()

    for number in range(1, 6):
        wait_until(lambda n=number: find().get("iteration") == n, timeout=60, what=f"output {number}")  # type: ignore[misc]
        wait_for(live, run_id, {"awaiting_input": 1})  # before that, the worker itself picks up the decision
        body = {"feedback": f"round {number}", "iteration": number}
        path = "feedback" if number < 5 else "approve"
        assert call(live, "POST", path, token, params, body).status_code == 200
    wait_for(live, run_id, {"success": 1}, timeout=60)
    task = f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/review"
    tries = live.api("GET", f"{task}/0/tries")["task_instances"]
    found = sorted((one["try_number"], one["state"]) for one in tries)
    assert found[-1][1] == "success"
    assert {state for _, state in found[:-1]} == {"up_for_reschedule"}
    logs = []
    for number, _ in found:
        content = live.api("GET", f"{task}/logs/{number}", params={"map_index": 0})["content"]
        logs.append("\n".join(str(line) for line in content))
    assert len(set(logs)) == len(found) == 6
    for log in logs:
        assert "Task instance is in running state" in log or "task_runner" in log, log[-500:]


def test_changes_failed_regeneration_and_iteration_limit(live: AirflowInstance, webhook_receiver: Receiver) -> None:
    """One review with changes, a failed regeneration and approval; another one reaches the iteration limit."""
    run_id = live.trigger(DAG_ID, {"count": 3})
    wait_for(live, run_id, {"awaiting_input": 3})
    token = live.token()

    def find(index: int) -> Any:
        return call(live, "GET", "find", token, query(run_id, index)).json()

    def ask(index: int, feedback: str, iteration: int) -> None:
        body = {"feedback": feedback, "iteration": iteration}
        answer = call(live, "POST", "feedback", token, query(run_id, index), body)
        assert answer.status_code == 200, answer.text

    ask(0, "shorter", 1)
    wait_until(lambda: find(0)["iteration"] == 2, timeout=60, what="the second output")
    assert find(0)["current_output"] == "Draft 1 after: shorter"
    ask(0, "please fail", 2)
    wait_until(
        lambda: find(0)["status"] == "pending_review" and bool(find(0)["last_error"]), timeout=60, what="the error"
    )
    review = find(0)
    assert (review["iteration"], review["current_output"]) == (2, "Draft 1 after: shorter")
    assert "the model is not available" in review["last_error"]
    assert [t["kind"] for t in review["conversation"]] == ["output", "feedback", "output", "feedback", "error"]
    ask(0, "longer", 2)
    wait_until(lambda: find(0)["iteration"] == 3, timeout=60, what="the third output")
    assert find(0)["last_error"] is None
    assert call(live, "POST", "approve", token, query(run_id, 0), {"iteration": 2}).status_code == 409
    assert call(live, "POST", "approve", token, query(run_id, 0), {"iteration": 3}).status_code == 200
    answer = call(live, "POST", "reject", token, query(run_id, 1), {"iteration": 1, "feedback": "wrong item"})
    assert answer.status_code == 200
    for iteration in range(1, 6):
        wait_until(lambda n=iteration: find(2)["iteration"] == n, timeout=60, what=f"output {iteration}")  # type: ignore[misc]
        ask(2, f"round {iteration}", iteration)
    wait_for(live, run_id, {"success": 1, "failed": 2})
    result = live.api(
        "GET", f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/review/xcomEntries/return_value?map_index=0"
    )["value"]
    assert result == find(0)["current_output"] == find(0)["conversation"][-1]["content"]
    assert find(2)["status"] == "max_iterations_exceeded"

    def events() -> list[tuple[int, str, str]]:
        mine = [e for e in webhook_receiver.events() if e["data"]["session"]["run_id"] == run_id]
        finals = [e["data"] for e in mine if e["type"] == "hitl_review.finalized"]
        return sorted((d["session"]["map_index"], d["status"], d["feedback"] or "") for d in finals)

    wanted = [(0, "approved", ""), (1, "rejected", "wrong item"), (2, "max_iterations_exceeded", "round 5")]
    wait_until(lambda: events() == wanted, timeout=60, what=f"the final events {wanted}")
    ready = [e for e in webhook_receiver.events() if e["type"] == "hitl_review.output_ready"]
    mine = Counter(e["data"]["session"]["map_index"] for e in ready if e["data"]["session"]["run_id"] == run_id)
    assert mine == {0: 3, 1: 1, 2: 5}


def test_timeout_templates_and_polling(live: AirflowInstance) -> None:
    run_id = live.trigger("timed_review", {"name": "Ada"})
    token = live.token()
    parked = query(run_id, -1, dag_id="timed_review")
    polled = query(run_id, -1, dag_id="timed_review", task_id="polled")

    def find(params: dict[str, Any]) -> Any:
        return call(live, "GET", "find", token, params).json()

    wait_until(lambda: "prompt" in find(parked) and "prompt" in find(polled), timeout=60, what="both reviews")
    assert find(parked)["prompt"] == "Decide soon, Ada"
    assert find(polled)["output_format"] == "json"
    assert live.task_states("timed_review", run_id)["polled", -1] == "running"
    assert call(live, "POST", "feedback", token, polled, {"feedback": "one more", "iteration": 1}).ok
    wait_until(lambda: find(polled)["iteration"] == 2, timeout=60, what="the second output")
    assert call(live, "POST", "approve", token, polled, {"iteration": 2}).ok
    wait_for(live, run_id, {"success": 1}, dag_id="timed_review", task_id="polled")
    path = f"/dags/timed_review/dagRuns/{run_id}/taskInstances/polled/xcomEntries/return_value"
    assert live.api("GET", path)["value"] == {"total": 4, "feedback": "one more"}

    wait_for(live, run_id, {"failed": 1}, dag_id="timed_review")
    assert find(parked)["status"] == "timeout_exceeded"
    late = call(live, "POST", "approve", token, parked, {"iteration": 1})
    assert late.status_code == 409
    assert "timed out" in late.json()["detail"]["message"]


def test_non_text_output_is_returned_as_json_values(live: AirflowInstance) -> None:
    """Also after parking; and a history that cannot be stored does not end the review."""
    run_id = live.trigger("json_review")
    wait_for(live, run_id, {"awaiting_input": 1}, dag_id="json_review")
    token = live.token()
    params = query(run_id, -1, dag_id="json_review")

    def find() -> Any:
        return call(live, "GET", "find", token, params).json()

    assert call(live, "POST", "feedback", token, params, {"feedback": "tuple", "iteration": 1}).ok
    wait_until(lambda: bool(find()["last_error"]), timeout=60, what="the error")
    assert "cannot be stored in XCom" in find()["last_error"]
    assert find()["status"] == "pending_review"
    assert call(live, "POST", "feedback", token, params, {"feedback": "more", "iteration": 1}).ok
    wait_until(lambda: find()["iteration"] == 2, timeout=60, what="the second output")
    assert call(live, "POST", "approve", token, params, {"iteration": 2}).ok
    wait_for(live, run_id, {"success": 1}, dag_id="json_review")
    path = f"/dags/json_review/dagRuns/{run_id}/taskInstances/review/xcomEntries/return_value"
    assert live.api("GET", path)["value"] == {"total": 4, "note": "more"}


def test_a_decision_survives_kill_9_of_the_api_server(live: AirflowInstance) -> None:
    run_id = live.trigger(DAG_ID, {"count": 1})
    wait_for(live, run_id, {"awaiting_input": 1})
    # Immediately after parking, so that the task cannot have been woken before the server dies.
    answer = call(live, "POST", "approve", live.token(), query(run_id), {"iteration": 1})
    live.kill("api-server")
    assert answer.status_code == 200
    live.start("api-server")
    assert call(live, "GET", "find", live.token(), query(run_id)).json()["status"] == "approved"
    wait_for(live, run_id, {"success": 1}, timeout=120)


def test_reviewers_can_decide_as_soon_as_there_is_output(live: AirflowInstance) -> None:
    """However early the decision, the task then waits for the API server to confirm who made it."""
    run_id = live.trigger("for_admin")
    token, params = live.token(), query(run_id, -1, dag_id="for_admin")

    def find() -> Any:
        return call(live, "GET", "find", token, params).json()

    wait_until(lambda: find().get("iteration") == 1, timeout=60, what="the first output", interval=0.05)
    assert call(live, "POST", "feedback", token, params, {"feedback": "shorter", "iteration": 1}).ok
    wait_until(lambda: find()["iteration"] == 2, timeout=90, what="the second output")
    wait_for(live, run_id, {"awaiting_input": 1}, dag_id="for_admin")
    form = live.api("GET", f"/dags/for_admin/dagRuns/{run_id}/taskInstances/review/-1/hitlDetails")
    assert [user["id"] for user in form["assigned_users"]] == ["admin"]
    assert call(live, "POST", "approve", token, params, {"iteration": 2}).ok
    wait_for(live, run_id, {"success": 1}, dag_id="for_admin")
    result = live.api("GET", f"/dags/for_admin/dagRuns/{run_id}/taskInstances/review/xcomEntries/return_value")
    assert result["value"] == "Draft 1 after: shorter"


def test_lost_confirmation_is_repeated(live: AirflowInstance) -> None:
    """As if the process that should carry out the decision was killed after the form had been answered."""
    run_id = live.trigger("for_admin")
    wait_for(live, run_id, {"awaiting_input": 1}, dag_id="for_admin")
    params = query(run_id, -1, dag_id="for_admin")
    assert call(live, "POST", "approve", live.token(), params, {"iteration": 1}).ok
    engine = create_engine(live.database)
    lose = text(
        "update task_instance set next_kwargs = null where run_id = :run and task_id = 'review'"
        " and state in ('scheduled', 'queued')"
    )

    def is_lost() -> bool:
        with engine.begin() as connection:
            return connection.execute(lose, {"run": run_id}).rowcount == 1

    try:
        wait_until(is_lost, timeout=60, what="the resumed task", interval=0.02)
        wait_for(live, run_id, {"success": 1}, timeout=90, dag_id="for_admin")
        with engine.connect() as connection:
            # Not retried: each part ended by parking.
            parts = text("select state from task_instance_history where run_id = :run and task_id = 'review'")
            assert set(connection.scalars(parts, {"run": run_id})) == {"up_for_reschedule"}
    finally:
        engine.dispose()


def test_reviewers_are_taken_from_the_dag_not_from_xcom(live: AirflowInstance) -> None:
    run_id = live.trigger("for_ada")
    wait_for(live, run_id, {"awaiting_input": 1}, dag_id="for_ada")
    token, params = live.token(), query(run_id, -1, dag_id="for_ada")
    refused = call(live, "POST", "approve", token, params, {"iteration": 1})
    assert refused.status_code == 403
    assert "Only these may decide this review: ada. You are admin." in refused.text

    path = f"/dags/for_ada/dagRuns/{run_id}/taskInstances/review/xcomEntries/{SESSION_KEY}"
    session = live.api("GET", path)["value"]
    live.api("PATCH", path, json={"value": {**session, "reviewers": []}, "map_index": -1})
    assert call(live, "POST", "approve", token, params, {"iteration": 1}).ok
    wait_until(
        lambda: live.api("GET", path)["value"]["reviewers"] == ["ada"], timeout=90, what="the worker's refusal"
    )
    wait_for(live, run_id, {"awaiting_input": 1}, dag_id="for_ada")
    assert call(live, "GET", "find", token, params).json()["status"] == "pending_review"
    assert call(live, "POST", "approve", token, params, {"iteration": 1}).status_code == 403
