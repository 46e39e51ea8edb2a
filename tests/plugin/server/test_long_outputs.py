"""Lists of reviews with long outputs: correct, without reading the outputs."""

from __future__ import annotations

import json
import time
from typing import Any

from airflow_hitl_review.core.texts import sha256_of
from tests.support.api_server import DAG_ID, TASK_ID, ReviewServer


def listed(server: ReviewServer, **params: Any) -> Any:
    answer = server.call("GET", "/sessions", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def of_run(server: ReviewServer, run_id: str, **params: Any) -> Any:
    (row,) = listed(server, q=run_id, include_ended="true", **params)["sessions"]
    return row


def test_long_output_is_listed_by_its_summary(reviews: ReviewServer) -> None:
    is_listed_by_its_summary(reviews)


def is_listed_by_its_summary(server: ReviewServer) -> None:
    run_id = server.seed(1, "length", "20000")
    whole = server.call("GET", "/sessions/find", params=server.params(run_id)).json()
    assert len(whole["current_output"]) > 20_000
    row = of_run(server, run_id)
    assert row["output_sha256"] == whole["output_sha256"] == sha256_of(whole["current_output"])
    assert row["output_excerpt"] == whole["output_excerpt"] == "Draft of item 0." + (" More of it." * 20)[:184]
    assert {name: whole[name] for name in row} == row
    # The summary has the decision, too; filters and orders use the summary.
    assert server.call("POST", "/sessions/approve", params=server.params(run_id)).status_code == 200
    for filters in ({"status": "approved"}, {"order_by": "created_at"}, {"order_by": "deadline_at"}):
        assert of_run(server, run_id, **filters)["status"] == "approved"
    assert of_run(server, run_id)["decided_by"]["id"] == "ann"
    assert listed(server, q=run_id, status="pending_review")["sessions"] == []


def test_long_output_is_searched_whole(reviews: ReviewServer) -> None:
    """A summary has only its start."""
    run_id = reviews.seed(1, "length", "20000")
    text = "More of it. " * 15  # longer than what the excerpt has of it
    found = listed(reviews, q=f"in:output {text}", limit=500)["sessions"]
    assert run_id in {row["run_id"] for row in found}
    assert listed(reviews, q=text)["sessions"] == []


def test_summary_older_than_the_session_is_ignored(reviews: ReviewServer) -> None:
    """The AI provider's API writes sessions without a summary."""
    run_id = reviews.seed(1, "length", "20000")
    key = "airflow_hitl_review_agent_session"
    path = f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/{TASK_ID}/xcomEntries/{key}"
    session = reviews.airflow.api("GET", path, params={"map_index": 0})["value"]
    changed = session | {"prompt": "Another one", "current_output": "short"}
    reviews.airflow.api("PATCH", path, json={"value": changed, "map_index": 0})
    row = of_run(reviews, run_id)
    assert (row["prompt"], row["output_excerpt"]) == ("Another one", "short")
    assert row["output_sha256"] == sha256_of("short")
    assert of_run(reviews, run_id, order_by="deadline_at")["prompt"] == "Another one"


def test_summary_is_written_with_the_session(reviews: ReviewServer) -> None:
    """In one transaction: otherwise a decision made between the two writes could be hidden."""
    run_id = reviews.seed(1, "length", "20000")
    path = f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/{TASK_ID}/xcomEntries"
    key = "airflow_hitl_review_agent_session"
    session = reviews.airflow.api("GET", f"{path}/{key}", params={"map_index": 0})["value"]

    def write(output: str) -> list[Any]:
        reviews.sql("delete from xcom where run_id = :run and xcom.key = :key", run=run_id, key=key)
        value = session | {"current_output": output}
        reviews.airflow.api("POST", path, json={"key": key, "value": value, "map_index": 0})
        entries = reviews.airflow.api("GET", path, params={"map_index": 0})["xcom_entries"]
        return [e["timestamp"] for e in entries if e["key"] in (key, "airflow_hitl_review_summary")]

    for long in ("a" * 9_000, "b" * 9_000):
        at, same = write(long)
        assert at == same
        assert of_run(reviews, run_id)["output_sha256"] == sha256_of(long)
    assert len(write("short")) == 1  # the summary of the previous output is deleted
    assert of_run(reviews, run_id)["output_excerpt"] == "short"


def test_listing_long_outputs_takes_about_as_long_as_short_ones(reviews: ReviewServer) -> None:
    """20 outputs of 1 MB and 20 of 1 KB, in turns; the shortest time counts, as other processes run here, too."""
    runs = {length: reviews.seed(20, "length", str(length)) for length in (1_000, 1_000_000)}
    took: dict[int, list[float]] = {length: [] for length in runs}
    for _ in range(7):
        for length, run_id in runs.items():
            start = time.perf_counter()
            found = listed(reviews, q=run_id, limit=20)
            took[length].append(time.perf_counter() - start)
            assert len(found["sessions"]) == 20
            assert len(json.dumps(found)) < 100_000
    assert min(took[1_000_000]) < 3 * min(took[1_000]), took
