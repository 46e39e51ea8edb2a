"""Reviews that only some users may decide, and decisions that somebody writes into XCom by hand."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_hitl_review.core.schema import ACTION_KEY, SESSION_KEY
from demo.processes import wait_until
from tests.support.api_server import DAG_ID, TASK_ID, ReviewServer

DENIED = "Only these may decide this review: admin, viv. You are ann."


def xcoms(run_id: str) -> str:
    """Path of a review's XComs in Airflow's API."""
    return f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/{TASK_ID}/xcomEntries"


def write(server: ReviewServer, run_id: str, key: str, value: Any, *, new: bool = False) -> None:
    """Write an XCom by hand, as anybody can who may edit XComs."""
    body = {"value": value, "map_index": 0}
    if new:
        server.airflow.api("POST", xcoms(run_id), user="ann", json={"key": key, **body})
    else:
        server.airflow.api("PATCH", f"{xcoms(run_id)}/{key}", user="ann", json=body)


def stored(server: ReviewServer, run_id: str, key: str) -> Any:
    return server.airflow.api("GET", f"{xcoms(run_id)}/{key}", user="ann", params={"map_index": 0})["value"]


def events(server: ReviewServer, run_id: str) -> list[str]:
    """The event names of a run's audit log entries."""
    params = {"dag_id": DAG_ID, "run_id": run_id, "limit": 100}
    return [entry["event"] for entry in server.airflow.api("GET", "/eventLogs", params=params)["event_logs"]]


def task_instance(server: ReviewServer, run_id: str) -> Any:
    statement = "select state, next_kwargs from task_instance where run_id = :id and map_index = 0"
    (found,) = server.sql(statement, id=run_id)
    return found


def has_state(server: ReviewServer, run_id: str, state: str) -> None:
    """Set the state of all task instances of a run."""
    server.sql("update task_instance set state = :state where run_id = :run", state=state, run=run_id)


def was_written_before_its_park(server: ReviewServer, run_id: str) -> bool:
    statement = (
        "select xcom.timestamp <= task_instance.updated_at as it_was from xcom join task_instance"
        " on xcom.run_id = task_instance.run_id and xcom.map_index = task_instance.map_index"
        " where xcom.key = :key and xcom.run_id = :id and xcom.map_index = 0"
    )
    (found,) = server.sql(statement, id=run_id, key=SESSION_KEY)
    return bool(found.it_was)


def wait_for_wake(server: ReviewServer, run_id: str) -> None:
    wait_until(
        lambda: task_instance(server, run_id).state == "scheduled", timeout=90, what="the wake", interval=0.5
    )


@pytest.mark.parametrize(("path", "body"), [("approve", {}), ("reject", {}), ("feedback", {"feedback": "shorter"})])
def test_only_reviewers_may_decide(reviews: ReviewServer, path: str, body: dict[str, Any]) -> None:
    run_id = reviews.seed(1, "reviewers", "viv", "admin")
    where = reviews.params(run_id)
    shown = reviews.call("GET", "/sessions/find", params=where).json()
    assert shown["reviewers"] == ["viv", "admin"]
    refused = reviews.call("POST", f"/sessions/{path}", params=where, json=body)
    assert (refused.status_code, refused.json()["detail"]) == (403, DENIED)
    assert reviews.call("GET", "/sessions/find", params=where).json() == shown
    # Being named as a reviewer does not grant permission to decide reviews of the DAG.
    viewer = reviews.call("POST", f"/sessions/{path}", user="viv", params=where, json=body)
    assert viewer.status_code == 403
    assert "You may not decide the reviews of DAG" in viewer.text
    taken = reviews.call("POST", f"/sessions/{path}", user="admin", params=where, json=body)
    assert taken.status_code == 200


def test_page_says_who_may_decide(reviews: ReviewServer) -> None:
    where = reviews.params(reviews.seed(1, "reviewers", "admin"))
    ann = reviews.call("GET", "/chat", params=where).text
    assert "Only these may: <bdi>admin</bdi>" in ann
    assert "to be decided by <bdi>admin</bdi>" in ann
    assert "data-action" not in ann
    assert "data-action" in reviews.call("GET", "/chat", user="admin", params=where).text


FORGED_ACTION = {
    "action": "approve",
    "feedback": "",
    "iteration": 1,
    "user": {"id": "admin", "name": "admin"},
    "channel": "rest",
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("reviewers", [(), ("reviewers", "admin")])
def test_a_decision_written_by_hand_is_refused(reviews: ReviewServer, reviewers: tuple[str, ...]) -> None:
    run_id = reviews.seed(1, *reviewers)
    session = stored(reviews, run_id, SESSION_KEY)
    write(reviews, run_id, ACTION_KEY, FORGED_ACTION, new=True)
    write(reviews, run_id, SESSION_KEY, {**session, "status": "approved", "reviewers": []})
    wait_until(
        lambda: stored(reviews, run_id, SESSION_KEY)["status"] == "pending_review",
        timeout=90,
        what="the refusal",
        interval=0.5,
    )
    assert task_instance(reviews, run_id).state == "awaiting_input"
    assert "hitl_review.refused" in events(reviews, run_id)
    assert "hitl_review.approve" not in events(reviews, run_id)
    assert was_written_before_its_park(reviews, run_id)  # otherwise the sweep would check it again and again
    # And it can be decided as usual.
    where = reviews.params(run_id)
    assert reviews.call("POST", "/sessions/approve", user="admin", params=where, json={}).status_code == 200
    wait_for_wake(reviews, run_id)
    assert "hitl_review.approve" in events(reviews, run_id)


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("key", "change"),
    [
        (ACTION_KEY, {"feedback": "do something else"}),
        (ACTION_KEY, {"action": "reject"}),
        (SESSION_KEY, {"current_output": "Another text"}),
        (SESSION_KEY, {"status": "rejected"}),
    ],
)
def test_a_decision_changed_by_hand_is_refused(reviews: ReviewServer, key: str, change: dict[str, Any]) -> None:
    run_id = reviews.seed()
    where = reviews.params(run_id)
    has_state(reviews, run_id, "running")
    answer = reviews.call("POST", "/sessions/feedback", params=where, json={"feedback": "shorter"})
    assert answer.status_code == 200
    write(reviews, run_id, key, {**stored(reviews, run_id, key), **change})  # before it parks
    has_state(reviews, run_id, "awaiting_input")
    wait_until(
        lambda: "hitl_review.refused" in events(reviews, run_id), timeout=90, what="the refusal", interval=0.5
    )
    assert task_instance(reviews, run_id).state == "awaiting_input"
    assert stored(reviews, run_id, SESSION_KEY)["status"] == "pending_review"


@pytest.mark.timeout(180)
def test_undone_decision_cannot_be_restored_by_hand(reviews: ReviewServer) -> None:
    """It is in the audit log, but so are later entries."""
    run_id = reviews.seed()
    where = reviews.params(run_id)
    has_state(reviews, run_id, "running")
    assert reviews.call("POST", "/sessions/approve", params=where, json={}).status_code == 200
    action, session = (stored(reviews, run_id, key) for key in (ACTION_KEY, SESSION_KEY))

    def overwritten(times: int, **change: Any) -> None:
        write(reviews, run_id, ACTION_KEY, {**action, **change})
        write(reviews, run_id, SESSION_KEY, session)
        has_state(reviews, run_id, "awaiting_input")
        wait_until(
            lambda: events(reviews, run_id).count("hitl_review.refused") == times,
            timeout=90,
            what="the refusal",
            interval=0.5,
        )

    overwritten(1, feedback="something else")
    overwritten(2)
    assert task_instance(reviews, run_id).state == "awaiting_input"
    assert stored(reviews, run_id, SESSION_KEY)["status"] == "pending_review"


@pytest.mark.timeout(120)
def test_task_learns_who_decided_from_its_event(reviews: ReviewServer) -> None:
    run_id = reviews.seed(1, "reviewers", "admin")
    reviews.call("POST", "/sessions/approve", user="admin", params=reviews.params(run_id), json={})
    wait_for_wake(reviews, run_id)
    told = str(task_instance(reviews, run_id).next_kwargs)
    assert "recorded" in told
    assert "admin" in told
