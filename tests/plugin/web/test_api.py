"""The REST API on a real API server with two processes: real database, auth manager and tokens."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from threading import Barrier
from typing import Any

import pytest
import requests

from tests.support.api_server import ReviewServer

ROUTES = [
    ("GET", "/sessions", None),
    ("GET", "/sessions/find", None),
    ("POST", "/sessions/feedback", {"feedback": "shorter"}),
    ("POST", "/sessions/approve", {}),
    ("POST", "/sessions/reject", {}),
]


@pytest.fixture(scope="module")
def run_id(reviews: ReviewServer) -> str:
    """A run whose reviews the tests of this module use up, one map index each."""
    return reviews.seed(16)


def test_health_needs_no_token(reviews: ReviewServer) -> None:
    answer = reviews.call("GET", "/health", user=None)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_other_routes_require_a_token(
    reviews: ReviewServer, run_id: str, method: str, path: str, body: Any
) -> None:
    answer = reviews.call(method, path, user=None, params=reviews.params(run_id), json=body)
    assert answer.status_code == 401
    bad = reviews.call(
        method, path, user=None, params=reviews.params(run_id), json=body, headers={"Authorization": "Bearer x.y.z"}
    )
    assert bad.status_code in (401, 403)


@pytest.mark.parametrize(("method", "path", "body"), ROUTES[1:])
def test_user_of_another_team_is_refused(
    reviews: ReviewServer, run_id: str, method: str, path: str, body: Any
) -> None:
    answer = reviews.call(method, path, user="bob", params=reviews.params(run_id), json=body)
    assert answer.status_code == 403
    assert "many_reviews" in answer.json()["detail"]


def test_user_of_another_team_sees_no_reviews(reviews: ReviewServer, run_id: str) -> None:
    assert reviews.call("GET", "/sessions", user="ann").json()["total_entries"] >= 16
    nothing = {"sessions": [], "total_entries": 0, "waiting": 0, "dag_ids": [], "being_made": []}
    assert reviews.call("GET", "/sessions", user="bob").json() == nothing


def test_another_spelling_of_an_id_finds_nothing(reviews: ReviewServer, run_id: str) -> None:
    """MySQL's collations ignore spaces at the end, and may ignore case; permissions are those of one spelling."""
    params = reviews.params(run_id)
    for user in ("ann", "bob"):
        for name in ("dag_id", "run_id", "task_id"):
            for other in (f"{params[name]} ", params[name].upper(), f"{params[name]}\U0001f642"):
                answer = reviews.call("GET", "/sessions/find", user=user, params=params | {name: other})
                assert answer.status_code in (403, 404), (user, name, other, answer.text)


def test_viewer_may_read_but_not_decide(reviews: ReviewServer, run_id: str) -> None:
    params = reviews.params(run_id)
    assert reviews.call("GET", "/sessions/find", user="viv", params=params).status_code == 200
    for method, path, body in ROUTES[2:]:
        assert reviews.call(method, path, user="viv", params=params, json=body).status_code == 403


def test_find_returns_the_conversation_and_stable_times(reviews: ReviewServer, run_id: str) -> None:
    review = reviews.call("GET", "/sessions/find", params=reviews.params(run_id, 1)).json()
    assert (review["status"], review["iteration"], review["map_index"]) == ("pending_review", 1, 1)
    assert review["task_state"] == "awaiting_input"
    assert review["task_completed"] is False
    assert [(t["role"], t["content"]) for t in review["conversation"]] == [("assistant", "Draft of item 1.")]
    again = reviews.call("GET", "/sessions/find", params=reviews.params(run_id, 1)).json()
    assert again == review  # reading does not generate a time


def test_a_decision_is_recorded(reviews: ReviewServer, run_id: str) -> None:
    params = reviews.params(run_id, 2)
    answer = reviews.call(
        "POST",
        "/sessions/feedback",
        params=params,
        json={"feedback": "shorter ☃", "iteration": 1, "channel": "notebook"},
    )
    assert answer.status_code == 200, answer.text
    review = answer.json()
    assert (review["status"], review["decided_by"]) == ("changes_requested", {"id": "ann", "name": "ann"})
    said = review["conversation"][-1]
    assert (said["content"], said["user"]["name"]) == ("shorter ☃", "ann")
    action = reviews.airflow.api(
        "GET",
        f"/dags/many_reviews/dagRuns/{run_id}/taskInstances/review/xcomEntries/airflow_hitl_review_human_action",
        params={"map_index": 2},
    )["value"]
    assert action["action"] == "changes_requested"
    assert action["channel"] == "notebook"
    assert action["output_sha256"] == review["output_sha256"]
    assert action["at"].rstrip("Z")[:19] == review["decided_at"].rstrip("Z")[:19]
    about = {"event": "hitl_review.changes_requested", "run_id": run_id}
    log = reviews.airflow.api("GET", "/eventLogs", params=about)
    mine = [e for e in log["event_logs"] if e["map_index"] == 2]
    assert [e["owner"] for e in mine] == ["ann"]
    assert "shorter" not in mine[0]["extra"]


def test_an_approval_may_have_a_comment(reviews: ReviewServer, run_id: str) -> None:
    comment = "Good, but mind the units ☃"
    params = reviews.params(run_id, 7)
    body = {"feedback": comment, "iteration": 1}
    review = reviews.call("POST", "/sessions/approve", params=params, json=body).json()
    assert (review["status"], review["conversation"][-1]["kind"]) == ("approved", "feedback")
    assert (review["conversation"][-1]["content"], review["conversation"][-1]["user"]["name"]) == (comment, "ann")
    action = reviews.airflow.api(
        "GET",
        f"/dags/many_reviews/dagRuns/{run_id}/taskInstances/review/xcomEntries/airflow_hitl_review_human_action",
        params={"map_index": 7},
    )["value"]
    assert (action["action"], action["feedback"]) == ("approve", comment)
    log = reviews.airflow.api("GET", "/eventLogs", params={"event": "hitl_review.approve", "run_id": run_id})
    (mine,) = [e for e in log["event_logs"] if e["map_index"] == 7]
    assert json.loads(mine["extra"])["feedback_sha256"] == sha256(comment.encode()).hexdigest()


def test_a_stale_iteration_is_refused_with_the_current_output(reviews: ReviewServer, run_id: str) -> None:
    params = reviews.params(run_id, 3)
    for path in ("approve", "reject", "feedback"):
        body = {"iteration": 2, "feedback": "x"}
        answer = reviews.call("POST", f"/sessions/{path}", params=params, json=body)
        assert answer.status_code == 409
        detail = answer.json()["detail"]
        assert detail["session"]["current_output"] == "Draft of item 3."
        assert detail["session"]["status"] == "pending_review"
        assert "output 1 is the current one" in detail["message"]


def test_decision_with_another_output_hash_is_refused(reviews: ReviewServer, run_id: str) -> None:
    params = reviews.params(run_id, 3)
    for path in ("approve", "reject", "feedback"):
        body = {"iteration": 1, "feedback": "x", "output_sha256": "0" * 64}
        answer = reviews.call("POST", f"/sessions/{path}", params=params, json=body)
        assert answer.status_code == 409
        assert "not the one that you saw" in answer.json()["detail"]["message"]
    assert reviews.call("GET", "/sessions/find", params=params).json()["status"] == "pending_review"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("feedback", {"feedback": "  \n"}, 400),
        ("feedback", {}, 422),
        ("feedback", {"feedback": "x" * 100_001}, 422),
        ("approve", {"feedback": "x" * 100_001}, 422),
        ("approve", {"iteration": 0}, 422),
        ("approve", {"iteration": "two"}, 422),
    ],
)
def test_invalid_bodies_change_nothing(
    reviews: ReviewServer, run_id: str, path: str, body: dict[str, Any], status: int
) -> None:
    params = reviews.params(run_id, 4)
    assert reviews.call("POST", f"/sessions/{path}", params=params, json=body).status_code == status
    assert reviews.call("GET", "/sessions/find", params=params).json()["status"] == "pending_review"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"map_index": "{MAP_INDEX}"}, 404),  # means -1, which the mapped task does not have
        ({"map_index": "first"}, 422),
        ({"map_index": "-2"}, 422),
        ({"map_index": "99999999999"}, 422),
        ({"dag_id": "~"}, 400),
        ({"dag_id": ""}, 400),
        ({"run_id": "no such run"}, 404),
    ],
)
def test_invalid_queries_are_refused(
    reviews: ReviewServer, run_id: str, change: dict[str, str], status: int
) -> None:
    answer = reviews.call("GET", "/sessions/find", params={**reviews.params(run_id, 4), **change})
    assert answer.status_code == status, answer.text
    if status == 404:
        assert answer.json()["detail"]["task_active"] is False


def test_inbox_filters_paginates_and_returns_304(reviews: ReviewServer, run_id: str) -> None:
    def get(**params: Any) -> Any:
        return reviews.call("GET", "/sessions", params=params).json()

    page = get(q=run_id, limit=5, order_by="task_id")
    assert (len(page["sessions"]), page["total_entries"]) == (5, 16)
    rest = get(q=run_id, limit=50, offset=5, order_by="task_id")
    assert len(rest["sessions"]) == 11
    indexes = [s["map_index"] for s in page["sessions"] + rest["sessions"]]
    assert indexes == list(range(16))
    assert get(q="Item 15")["total_entries"] >= 1
    assert get(q="100%_")["total_entries"] == 0
    assert get(dag_id="no_such_dag")["total_entries"] == 0
    requested = get(q=run_id, status="changes_requested")
    assert all(s["status"] == "changes_requested" for s in requested["sessions"])
    first = reviews.call("GET", "/sessions", params={"q": run_id})
    tag = {"If-None-Match": first.headers["ETag"]}
    assert reviews.call("GET", "/sessions", params={"q": run_id}, headers=tag).status_code == 304
    reviews.call("POST", "/sessions/approve", params=reviews.params(run_id, 5))
    assert reviews.call("GET", "/sessions", params={"q": run_id}, headers=tag).status_code == 200


def test_ended_tasks_leave_the_inbox_and_cannot_be_decided(reviews: ReviewServer, run_id: str) -> None:
    path = f"/dags/many_reviews/dagRuns/{run_id}/taskInstances/review/6"
    reviews.airflow.api("PATCH", path, json={"new_state": "failed"})
    listed = reviews.call("GET", "/sessions", params={"q": run_id}).json()["sessions"]
    assert 6 not in [s["map_index"] for s in listed]
    ended = reviews.call("GET", "/sessions", params={"q": run_id, "include_ended": "true"}).json()["sessions"]
    assert [s["task_completed"] for s in ended if s["map_index"] == 6] == [True]
    answer = reviews.call("POST", "/sessions/approve", params=reviews.params(run_id, 6))
    assert answer.status_code == 409
    assert "failed" in answer.json()["detail"]["message"]


def test_one_of_two_simultaneous_decisions_is_accepted(reviews: ReviewServer) -> None:
    """In each of 50 pairs, the refused request is told who decided; the server keeps responding."""
    run_id = reviews.seed(50)
    reviews.token("ann"), reviews.token("admin")

    def send(action: str, user: str, index: int, barrier: Barrier) -> requests.Response:
        barrier.wait(30)
        params = reviews.params(run_id, index)
        return reviews.call("POST", f"/sessions/{action}", user=user, params=params, json={"iteration": 1})

    outcomes: Counter[tuple[int, ...]] = Counter()
    with ThreadPoolExecutor(2) as pool:
        for index in range(50):
            barrier = Barrier(2)
            pair = [
                pool.submit(send, "approve", "ann", index, barrier),
                pool.submit(send, "reject", "admin", index, barrier),
            ]
            approve, reject = (future.result(60) for future in pair)
            outcomes[tuple(sorted((approve.status_code, reject.status_code)))] += 1
            won, lost = (approve, reject) if approve.status_code == 200 else (reject, approve)
            detail = lost.json()["detail"]
            assert detail["decided_by"]["name"] == ("ann" if won is approve else "admin")
            assert detail["decided_by"]["name"] in detail["message"]
            stored = reviews.call("GET", "/sessions/find", params=reviews.params(run_id, index)).json()
            assert stored["status"] == won.json()["status"] == detail["session"]["status"]
    assert outcomes == {(200, 409): 50}
    assert reviews.call("GET", "/health", user=None).status_code == 200
