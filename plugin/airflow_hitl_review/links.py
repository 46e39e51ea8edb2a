"""Addresses of a review: for people, and for programs. No Airflow."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from airflow_hitl_review.schema import TaskKey


def query_of(key: TaskKey) -> str:
    """The query that names a review on all our routes."""
    return urlencode(
        {"dag_id": key.dag_id, "run_id": key.run_id, "task_id": key.task_id, "map_index": key.map_index}
    )


def task_path(key: TaskKey) -> str:
    """Path of the task instance's page in Airflow, below its base URL, without a slash at the start."""
    dag_id, run_id, task_id = (quote(part, safe="") for part in (key.dag_id, key.run_id, key.task_id))
    mapped = f"/mapped/{key.map_index}" if key.map_index >= 0 else ""
    return f"dags/{dag_id}/runs/{run_id}/tasks/{task_id}{mapped}"


TAB_ROUTE = "hitl-review"
"""Airflow's UI knows this route: it shows the tab only where ``GET /hitl-review/sessions/find`` finds a review."""


def chat_path(key: TaskKey) -> str:
    """Path of the review's own page, likewise."""
    return f"hitl-review/chat?{query_of(key)}"


def links_of(key: TaskKey, base_url: str) -> dict[str, str]:
    """Where a person and a program find the review.

    Returns:
        ``review``: the task instance's page in Airflow; ``chat``: the review's own page; ``api``: the review over
        REST.
    """
    base = base_url.rstrip("/")
    return {
        "review": f"{base}/{task_path(key)}",
        "chat": f"{base}/{chat_path(key)}",
        "api": f"{base}/hitl-review/sessions/find?{query_of(key)}",
    }
