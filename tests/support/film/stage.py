"""What the film is of: Airflow with four reviews, and a notebook in JupyterLab. All of it is live."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from playwright.sync_api import Page

from demo.airflow_instance import AirflowInstance
from demo.processes import wait_until
from demo.stack import DAGS, jupyter_server, notebook_env, own_folder, receiver
from hitl_notebook import Client
from tests.compatibility.environments import VERSIONS, environment
from tests.notebook.lab import write_notebook
from tests.support import browser

USER = "ada"

EXAMPLES = {
    "support_agent": "example_hitl_review_tool_calls",
    "expense_claims": "example_hitl_review_typed",
}
"""DAGs of ``airflow_hitl_review.example_dags``, under the names that a team would give them."""

WAITING = ("late_orders", "support_agent", "expense_claims", "report_review")
"""DAGs with a review each, the oldest first."""

CELL = "%load_ext hitl_notebook\n%hitl_review --dock tab"

UNWANTED = ("Show Left Activity Bar", "Show Right Activity Bar", "Show Status Bar")
"""Entries of JupyterLab's menu that hide what the film does without."""


@contextmanager
def stage(home: Path) -> Iterator[tuple[AirflowInstance, str]]:
    """Start all that is filmed; the second value is the notebook's address."""
    with own_folder(home), receiver(home) as hook:
        dags = home / "dags"
        _write_dags(dags)
        airflow = AirflowInstance(
            home / "airflow",
            dags,
            users={"admin": "admin", USER: "admin"},
            settings={
                "AIRFLOW_CONN_DEMO_WEBHOOK": hook.connection(),
                "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            },
            programs=environment(next(version for version in VERSIONS if version.examples)),
        )
        try:
            airflow.start("standalone")
            notebooks = home / "jupyter" / "notebooks"
            notebooks.mkdir(parents=True)
            write_notebook(notebooks / "reviews.ipynb", CELL)
            env = {
                **notebook_env(home / "jupyter", airflow),
                "HITL_REVIEW_USERNAME": USER,
                "HITL_REVIEW_PASSWORD": USER,
            }
            with jupyter_server(home / "jupyter", notebooks, env) as address:
                _be_quiet(home / "jupyter")
                yield airflow, address("lab/tree/reviews.ipynb")
        finally:
            airflow.stop()


def _write_dags(folder: Path) -> None:
    folder.mkdir()
    for file in (DAGS / "report_review.py", Path(__file__).parent / "dags" / "late_orders.py"):
        shutil.copy(file, folder)
    for name, example in EXAMPLES.items():
        source = (resources.files("airflow_hitl_review.example_dags") / f"{example}.py").read_text(encoding="utf-8")
        (folder / f"{name}.py").write_text(source.replace(example, name), encoding="utf-8")


def _be_quiet(home: Path) -> None:
    """JupyterLab tells of new reviews in its notification centre alone, and not over the panel's buttons."""
    (settings,) = (home / "settings").rglob("notification.jupyterlab-settings")
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "doNotDisturbMode": True}))


def start_reviews(airflow: AirflowInstance) -> None:
    """Start a run of each DAG, and wait until its output waits for a decision."""
    client = Client(airflow.url, username=USER, password=USER)
    for number, dag_id in enumerate(WAITING, 1):
        airflow.wait_for_dag(dag_id)
        body = {"dag_run_id": "week_48", "logical_date": None}
        airflow.api("POST", f"/dags/{dag_id}/dagRuns", json=body)

        def is_waiting(wanted: int = number) -> bool:
            listed = client.sessions(status="pending_review")
            return sum(one.task_state == "awaiting_input" for one in listed) == wanted

        wait_until(is_waiting, timeout=180, what=f"the review of {dag_id}", interval=1.0)


def open_notebook(page: Page, address: str) -> None:
    """Open the notebook, and hide what is around it."""
    page.goto(address)
    browser.wait_for_kernel(page)
    page.keyboard.press("Control+b")  # JupyterLab's side bar
    for entry in UNWANTED:
        page.get_by_role("menuitem", name="View", exact=True).click()
        page.get_by_text("Appearance", exact=True).hover()
        page.get_by_text(entry, exact=True).click()
    page.locator(".jp-Notebook .jp-CodeCell .jp-InputArea-editor").first.click()
