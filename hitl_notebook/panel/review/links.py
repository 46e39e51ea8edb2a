"""Links from a review to its run, its task and the task's log in Airflow's UI."""

from __future__ import annotations

from urllib.parse import quote

from hitl_notebook.records import ReviewKey
from hitl_rendering.render import inline


def links_html(key: ReviewKey, base_url: str) -> str:
    """Return the links as HTML.

    Args:
        key: the task instance. Airflow shows its log first, so that page has no name of its own.
        base_url: URL of Airflow's API server, without a trailing slash; it serves the UI, too.
    """
    dag_id, run_id, task_id = (quote(part, safe="") for part in (key.dag_id, key.run_id, key.task_id))
    run = f"{base_url}/dags/{dag_id}/runs/{run_id}"
    task = f"{run}/tasks/{task_id}" + (f"/mapped/{key.map_index}" if key.map_index >= 0 else "")
    links = (("Run", run), ("Task", f"{task}/details"), ("Log", task))
    shown = " · ".join(
        f'<a href="{inline(url)}" target="_blank" rel="noopener noreferrer nofollow">{name}</a>'
        for name, url in links
    )
    return f'<div class="hitl-meta">In Airflow: {shown}</div>'
