"""The logs of a complete Airflow name the review, but never contain what a person wrote."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.airflow_instance import AirflowInstance
from demo.processes import wait_until
from tests.live.test_reviews import DAG_ID, call, query, wait_for

pytestmark = [pytest.mark.live, pytest.mark.postgres, pytest.mark.timeout(600)]


def log_files(airflow: AirflowInstance) -> Iterator[Path]:
    """Log files of tasks, scheduler, API server and DAG processor."""
    yield from (path for path in airflow.home.rglob("*") if path.is_file() and ".log" in path.name)


def lines_with(airflow: AirflowInstance, text: str) -> list[str]:
    found = []
    for path in log_files(airflow):
        found += [line for line in path.read_text(errors="replace").splitlines() if text in line]
    return found


def test_logs_name_the_review_but_not_its_text(live: AirflowInstance) -> None:
    """The next output contains the feedback, so one mark covers both."""
    changes, reason = f"mark-{uuid.uuid4()}", f"mark-{uuid.uuid4()}"
    run_id = live.trigger(DAG_ID, {"count": 2})
    wait_for(live, run_id, {"awaiting_input": 2})
    token = live.token()
    for index, what, feedback in ((0, "feedback", changes), (1, "reject", reason)):
        answer = call(live, "POST", what, token, query(run_id, index), {"feedback": feedback, "iteration": 1})
        assert answer.status_code == 200, answer.text

    def output() -> str:
        found: str = call(live, "GET", "find", token, query(run_id, 0)).json()["current_output"]
        return found

    wait_until(lambda: changes in output(), timeout=60, what="the second output")
    wait_for(live, run_id, {"awaiting_input": 1, "failed": 1})
    assert call(live, "POST", "approve", token, query(run_id, 0), {"iteration": 2}).status_code == 200
    wait_for(live, run_id, {"success": 1, "failed": 1})

    woken = [line for line in lines_with(live, run_id) if "its review is decided" in line]
    assert any("api-server" in path.name for path in log_files(live))
    assert len(woken) >= 3, "the API server names each review that it wakes"
    failed = [line for line in lines_with(live, "was rejected by") if "the reason is in the review" in line]
    assert failed, "the task's log has its end"
    assert lines_with(live, changes) + lines_with(live, reason) == []
