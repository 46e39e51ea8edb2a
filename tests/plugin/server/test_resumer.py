"""Parked tasks resume immediately: soon after the park as the next try, later as the same. Real API servers."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from tests.plugin.server.test_reviewers import wait_for_wake
from tests.support.api_server import DAG_ID, TASK_ID, ReviewServer

PART = "up_for_reschedule"
"""State of a part that ended with the park: the attempt is over, so its log is read to the end."""

HISTORY = "select * from task_instance_history where run_id = :run and map_index = 0 order by try_number"


def task_instance(server: ReviewServer, run_id: str) -> Any:
    return server.sql("select * from task_instance where run_id = :run and map_index = 0", run=run_id)[0]


def tries(server: ReviewServer, run_id: str) -> list[tuple[int, str]]:
    """Number and state of each try, as Airflow's page of the task shows them."""
    path = f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/{TASK_ID}/0/tries"
    found = server.airflow.api("GET", path)["task_instances"]
    return sorted((one["try_number"], one["state"]) for one in found)


def park(server: ReviewServer, run_id: str, ago: timedelta = timedelta()) -> None:
    """Park the task, as a worker does after it has generated another output, that long ago."""
    server.sql(
        "update task_instance set state = 'awaiting_input', updated_at = :at where run_id = :run and map_index = 0",
        at=datetime.now(timezone.utc) - ago,
        run=run_id,
    )


def ask(server: ReviewServer, run_id: str) -> None:
    where = server.params(run_id)
    assert server.call("POST", "/sessions/feedback", params=where, json={"feedback": "shorter"}).status_code == 200
    wait_for_wake(server, run_id)


def have_pending_again(server: ReviewServer, run_id: str) -> None:
    """Set the review back to pending, as after a failed regeneration."""
    path = f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/{TASK_ID}/xcomEntries/airflow_hitl_review_agent_session"
    session = server.airflow.api("GET", path, params={"map_index": 0})["value"]
    value = {**session, "status": "pending_review"}
    server.airflow.api("PATCH", path, json={"value": value, "map_index": 0})


def test_task_resumed_soon_after_its_park_is_the_next_try(reviews: ReviewServer) -> None:
    run_id = reviews.seed()
    before = task_instance(reviews, run_id)
    for number in (2, 3):
        ask(reviews, run_id)
        after = task_instance(reviews, run_id)
        assert (after.id, after.try_number, after.next_method) == (before.id, number, "resume_hitl_review")
        assert after.max_tries - after.try_number == before.max_tries - before.try_number
        have_pending_again(reviews, run_id)
        park(reviews, run_id)
    assert tries(reviews, run_id) == [(1, PART), (2, PART), (3, "awaiting_input")]
    parts = reviews.sql(HISTORY, run=run_id)
    assert len({before.id, *(part.task_instance_id for part in parts)}) == 3
    for part in parts:
        assert part.end_date is not None
    # However a part ends, its id and number are not in use when Airflow writes the whole try to its history.
    body = {"dag_run_id": run_id, "task_ids": [TASK_ID], "dry_run": False, "only_failed": False}
    reviews.airflow.api("POST", f"/dags/{DAG_ID}/clearTaskInstances", json=body)
    parts = reviews.sql(HISTORY, run=run_id)
    assert [(part.try_number, part.state) for part in parts[:2]] == [(n, PART) for n in (1, 2)]
    assert (parts[2].try_number, parts[2].task_instance_id) == (3, before.id)


def test_settled_task_is_resumed_as_the_same_try(reviews: ReviewServer) -> None:
    """That is, once its scheduler, alive or not, had a heartbeat long enough after the park."""
    run_id, other = reviews.seed(), reviews.seed()
    now = datetime.now(timezone.utc)
    for number, (run, heartbeat) in enumerate(
        ((run_id, now - timedelta(seconds=39)), (other, now - timedelta(seconds=41)))
    ):
        job = 9_000_000 + number
        insert = (
            "insert into job (id, job_type, state, latest_heartbeat) values (:id, 'SchedulerJob', 'failed', :at)"
        )
        reviews.sql(insert, id=job, at=heartbeat)
        reviews.sql("update task_instance set queued_by_job_id = :id where run_id = :run", id=job, run=run)
        park(reviews, run, timedelta(seconds=100))
        ask(reviews, run)
    assert (task_instance(reviews, run_id).try_number, task_instance(reviews, other).try_number) == (1, 2)
    assert reviews.sql(HISTORY, run=run_id) == []
