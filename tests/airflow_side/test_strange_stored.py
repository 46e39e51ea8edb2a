"""What others have written, deleted or paused around a review: told in words, and in nobody's way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from demo.airflow_instance import wait_until
from tests.airflow_side.test_dispatch import server_log
from tests.airflow_side.test_reviewers import stored, write, xcoms
from tests.support.api_server import DAG_ID, URL_SECRET, ReviewServer
from tests.support.hook_server import HookServer

SESSION_KEY = "airflow_hitl_review_agent_session"
ACTION_KEY = "airflow_hitl_review_human_action"


def find(server: ReviewServer, run_id: str) -> Any:
    answer = server.call("GET", "/sessions/find", params=server.params(run_id))
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_times_without_an_offset_are_utc(reviews: ReviewServer) -> None:
    run_id = reviews.seed(1)
    naive = dict.fromkeys(("created_at", "updated_at", "deadline_at"), "2999-01-01T10:00:00")
    decision = {"action": "changes_requested", "iteration": 1, "at": "2026-01-01T10:00:00"}
    session = stored(reviews, run_id, SESSION_KEY) | naive | {"decisions": [decision]}
    write(reviews, run_id, SESSION_KEY, session)
    assert find(reviews, run_id)["deadline_at"] == "2999-01-01T10:00:00Z"
    for order in ("deadline_at", "-created_at"):
        listed = reviews.call("GET", "/sessions", params={"q": run_id, "order_by": order})
        assert [row["created_at"] for row in listed.json()["sessions"]] == ["2999-01-01T10:00:00Z"]
    assert reviews.call("GET", "/chat", params=reviews.params(run_id)).status_code == 200
    decided = reviews.call("POST", "/sessions/approve", params=reviews.params(run_id))
    assert (decided.status_code, decided.json()["status"]) == (200, "approved")


def test_a_deadline_without_an_offset_that_has_passed(reviews: ReviewServer) -> None:
    run_id = reviews.seed(1)
    write(
        reviews, run_id, SESSION_KEY, stored(reviews, run_id, SESSION_KEY) | {"deadline_at": "2026-01-01T00:00:00"}
    )
    answer = reviews.call("POST", "/sessions/approve", params=reviews.params(run_id))
    assert answer.status_code == 409
    assert "timed out at 2026-01-01 00:00:00 UTC" in answer.json()["detail"]["message"]


STRANGE: list[Any] = [
    None,
    5,
    "text",
    [],
    {},
    {"status": "approved"},
    {"iteration": -1},
    {"at": "soon"},
    {"action": "approve"},
]


@pytest.mark.parametrize("key", [SESSION_KEY, ACTION_KEY, "airflow_hitl_review_summary"])
def test_no_stored_value_is_an_error_of_the_server(reviews: ReviewServer, key: str) -> None:
    run_id = reviews.seed(1)
    session = stored(reviews, run_id, SESSION_KEY)
    new = key != SESSION_KEY
    for value in [*STRANGE, session | {"prompt": ["no text"]}, session | {"deadline_at": 10**30}]:
        if new and value is None:
            continue
        write(reviews, run_id, key, value, new=new)
        new = False
        for method, path in (
            ("GET", "/sessions/find"),
            ("GET", "/chat"),
            ("GET", "/sessions"),
            ("GET", "/inbox"),
            ("POST", "/sessions/approve"),
        ):
            answer = reviews.call(method, path, params=reviews.params(run_id) if "find" in path else {"q": run_id})
            assert answer.status_code < 500, (value, path, answer.text)


def test_a_row_that_somebody_else_wrote_does_not_block_a_resend(reviews: ReviewServer) -> None:
    with HookServer() as server:
        hook = server.add("/hook", [URL_SECRET])
        run_id = reviews.seed(1, "due", hook.url)
        wait_until(lambda: len(hook.events()) == 1, timeout=60, what="the event")
        (delivery,) = reviews.call("GET", "/deliveries", params=reviews.params(run_id)).json()["deliveries"]
        # Older, of another run, with whatever in it: as a look-up by the key alone would find it first.
        other = reviews.seed(1)
        name = f"airflow_hitl_review_webhook_{delivery['event_id']}"
        entry = stored(reviews, run_id, name)
        write(reviews, other, name, entry, new=True)
        reviews.sql(
            "update xcom set timestamp = '2020-01-01 00:00:00+00:00' where key = :key and run_id = :run",
            key=name,
            run=other,
        )
        answer = reviews.call("POST", f"/deliveries/{delivery['event_id']}/resend")
        assert answer.status_code == 200, answer.text
        assert answer.json()["run_id"] == run_id
        wait_until(lambda: len(hook.events()) == 2, timeout=60, what="the event again")


def test_a_decision_about_a_paused_dag_says_when_the_task_goes_on(reviews: ReviewServer) -> None:
    run_id = reviews.seed(1)
    words = "the DAG is paused: the task goes on when the DAG does"
    was = reviews.airflow.api("GET", f"/dags/{DAG_ID}")["is_paused"]
    reviews.airflow.api("PATCH", f"/dags/{DAG_ID}", json={"is_paused": True})
    try:
        assert find(reviews, run_id)["dag_paused"] is True
        decided = reviews.call("POST", "/sessions/approve", params=reviews.params(run_id)).json()
        assert (decided["status"], decided["dag_paused"]) == ("approved", True)
        assert words in reviews.call("GET", "/chat", params=reviews.params(run_id)).text
        reviews.airflow.api("PATCH", f"/dags/{DAG_ID}", json={"is_paused": False})
        assert find(reviews, run_id)["dag_paused"] is False
        assert words not in reviews.call("GET", "/chat", params=reviews.params(run_id)).text
    finally:
        reviews.airflow.api("PATCH", f"/dags/{DAG_ID}", json={"is_paused": was})


@pytest.mark.timeout(180)
def test_a_parked_task_whose_review_is_gone_is_told(reviews: ReviewServer) -> None:
    """As ``airflow db clean`` leaves it. An API server process looks for such tasks when it starts."""
    run_id, kept = reviews.seed(1), reviews.seed(1)
    reviews.airflow.api("DELETE", f"{xcoms(run_id)}/{SESSION_KEY}?map_index=0")
    reviews.airflow.processes["api-server"].stop()
    reviews.airflow.start("api-server")
    wait_until(lambda: "that is gone from XCom" in server_log(reviews), timeout=90, what="the log", interval=0.5)
    told = [line for line in server_log(reviews).splitlines() if "that is gone from XCom" in line]
    assert any(run_id in line and "Clear the task" in line for line in told)
    assert not any(kept in line for line in told)
    assert json.loads(reviews.call("GET", "/sessions/find", params=reviews.params(run_id)).text)["detail"]
