"""Tasks that Airflow starts from the beginning: rescheduled tasks continue their review, new tries do not."""

from __future__ import annotations

import uuid

import pytest

from demo.processes import wait_until
from tests.plugin.server.test_reviewers import events, has_state, wait_for_wake
from tests.support.api_server import DAG_ID, ReviewServer


def next_methods(server: ReviewServer, run_id: str) -> list[str | None]:
    statement = "select next_method from task_instance where run_id = :run and map_index >= 0 order by map_index"
    return [row.next_method for row in server.sql(statement, run=run_id)]


def test_rescheduled_task_continues_its_review(reviews: ReviewServer) -> None:
    """A decision that was confirmed to a reviewer is kept; a new try starts from the beginning."""
    run_id = reviews.seed(3)
    for index in range(3):
        assert reviews.call("POST", "/sessions/approve", params=reviews.params(run_id, index)).status_code == 200
    # As Airflow leaves them. The third one's session is of another try; the second one is parked.
    change = "update task_instance set {} where run_id = :run and map_index in (0, 2)"
    reviews.sql(change.format("state = 'running', next_method = null, next_kwargs = null"), run=run_id)
    key = "airflow_hitl_review_agent_session"
    path = f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/review/xcomEntries/{key}?map_index=2"
    session = reviews.airflow.api("GET", path)["value"] | {"task_instance_id": "of another try"}
    reviews.airflow.api("PATCH", path.partition("?")[0], json={"value": session, "map_index": 2})
    reviews.sql(change.format("state = 'up_for_reschedule'"), run=run_id)
    wait_until(lambda: next_methods(reviews, run_id)[0] is not None, timeout=30, what="the sweep", interval=0.5)
    assert next_methods(reviews, run_id) == ["resume_hitl_review", "resume_hitl_review", None]
    review = reviews.call("GET", "/sessions/find", params=reviews.params(run_id, 0)).json()
    assert (review["status"], review["task_completed"]) == ("approved", False)


def test_review_of_an_earlier_try_cannot_be_decided(reviews: ReviewServer) -> None:
    """The start of the next try would delete a decision that was confirmed to a reviewer."""
    run_id = reviews.seed(1)
    body = {"dag_run_id": run_id, "task_ids": ["review"], "dry_run": False, "only_failed": False}
    cleared = reviews.airflow.api("POST", f"/dags/{DAG_ID}/clearTaskInstances", json=body)
    assert "review" in [one["task_id"] for one in cleared["task_instances"]]
    # If the task is already running, the worker itself deletes the review.
    for state in ("scheduled", "queued", "running"):
        reviews.sql(f"update task_instance set state = '{state}' where run_id = :run", run=run_id)
        before = reviews.call("GET", "/sessions/find", params=reviews.params(run_id)).json()
        assert (before["status"], before["task_state"]) == ("pending_review", state)
        answer = reviews.call("POST", "/sessions/approve", params=reviews.params(run_id), json={"iteration": 1})
        assert answer.status_code == 409
        assert "starts again" in answer.json()["detail"]["message"]
        assert reviews.call("GET", "/sessions/find", params=reviews.params(run_id)).json() == before


@pytest.mark.timeout(120)
def test_decision_counts_for_the_next_try_number_of_the_same_id(reviews: ReviewServer) -> None:
    """If a worker dies before the resumed task starts, Airflow continues with the same id and the next number."""
    run_id = reviews.seed(1)
    has_state(reviews, run_id, "running")
    assert reviews.call("POST", "/sessions/approve", params=reviews.params(run_id)).status_code == 200
    # The task then parks again, since the event that confirmed the decision was lost with that worker.
    reviews.sql("update task_instance set try_number = 2 where run_id = :run and map_index = 0", run=run_id)
    has_state(reviews, run_id, "awaiting_input")
    wait_for_wake(reviews, run_id)
    assert "hitl_review.refused" not in events(reviews, run_id)


def test_decision_about_another_task_instance_id_does_not_count(reviews: ReviewServer) -> None:
    """Its audit log entry has another id, whatever the try numbers are."""
    run_id = reviews.seed(1)
    has_state(reviews, run_id, "running")
    assert reviews.call("POST", "/sessions/approve", params=reviews.params(run_id)).status_code == 200
    other = str(uuid.uuid4())
    reviews.sql(
        "update log set extra = replace(extra, :id, :other) where run_id = :run",
        id=_id_of(reviews, run_id),
        other=other,
        run=run_id,
    )
    has_state(reviews, run_id, "awaiting_input")
    wait_until(
        lambda: "hitl_review.refused" in events(reviews, run_id), timeout=90, what="the refusal", interval=0.5
    )


def _id_of(server: ReviewServer, run_id: str) -> str:
    (row,) = server.sql("select id from task_instance where run_id = :run and map_index = 0", run=run_id)
    return str(uuid.UUID(str(row.id)))
