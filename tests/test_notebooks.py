"""The notebooks, run from top to bottom against a live Airflow with the demo's DAGs."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from demo import descriptions, figures
from demo.airflow_instance import AirflowInstance
from demo.live_notebook import LiveNotebook
from demo.processes import wait_until
from demo.stack import DAG_ID, DAGS, ROOT, Receiver, notebook_env, started
from hitl_notebook import Client, Review, ReviewKey
from tests.compatibility.conftest import need_python
from tests.compatibility.environments import VERSIONS, environment
from tests.support.lean import AGENTS, lean

FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
USER = "rita"
PASSWORD = secrets.token_urlsafe(24)
TOKEN = re.compile(r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.")


def check_that_nothing_secret_is_in(notebook: LiveNotebook) -> None:
    saved = notebook.saved()
    assert "widget-view+json" in saved
    assert PASSWORD not in saved
    assert not TOKEN.search(saved)


@pytest.fixture(scope="module")
def airflow(folder: Path, webhook_receiver: Receiver) -> Iterator[AirflowInstance]:
    """The demo's Airflow, with a user whose password is unmistakable."""
    instance = AirflowInstance(
        folder / "notebooks",
        DAGS,
        users={"admin": "admin", USER: "admin"},
        settings={
            **lean(folder / "notebooks"),
            "AIRFLOW_CONN_DEMO_WEBHOOK": webhook_receiver.connection(),
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        },
    )
    (instance.home / "passwords.json").write_text(json.dumps({"admin": "admin", USER: PASSWORD}))
    with started(instance):
        yield instance


@pytest.fixture
def env(airflow: AirflowInstance, tmp_path: Path) -> dict[str, str]:
    return {
        **notebook_env(tmp_path, airflow),
        "HITL_REVIEW_USERNAME": USER,
        "HITL_REVIEW_PASSWORD": PASSWORD,
    }


def parked(airflow: AirflowInstance, dag_id: str, reviews: int = 1) -> str:
    """Start a run, and return its id when this many reviews wait."""
    run_id = airflow.trigger(dag_id)

    def waiting() -> int:
        states = airflow.task_states(dag_id, run_id)
        return sum(state == "awaiting_input" for state in states.values())

    wait_until(lambda: waiting() == reviews, timeout=150, what=f"{reviews} reviews of {dag_id}", interval=0.5)
    return run_id


def ends(airflow: AirflowInstance, dag_id: str, run_id: str, state: str, task_id: str = "review") -> None:
    """Wait until all instances of a task have ended in this state."""

    def ended() -> bool:
        states = [s for (task, _), s in airflow.task_states(dag_id, run_id).items() if task == task_id]
        return set(states) == {state}

    wait_until(ended, timeout=120, what=f"{task_id} of {dag_id} to be {state}", interval=0.5)


def found(airflow: AirflowInstance, dag_id: str, run_id: str, task_id: str = "review") -> Review:
    return Client(airflow.url, token=airflow.token()).find(ReviewKey(dag_id, run_id, task_id))


# --- the files


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_saved_without_outputs(path: Path) -> None:
    book = json.loads(path.read_text(encoding="utf-8"))
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert book["metadata"]["kernelspec"]["name"] == "python3"
    assert set(book["metadata"]) == {"kernelspec", "language_info"}  # no widget state
    ids = [cell["id"] for cell in book["cells"]]
    assert len(ids) == len(set(ids))
    for cell in book["cells"]:
        assert cell["cell_type"] in {"code", "markdown"}
        assert cell["metadata"] == {}
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
    nbformat.validate(nbformat.read(path, as_version=4))  # type: ignore[no-untyped-call]


def test_all_notebooks_are_tested() -> None:
    tested = {"review", "review_beside_data", "bulk_review", "edit_and_approve", "answer_an_agent"}
    assert {path.stem for path in NOTEBOOKS} == tested


# --- the agents used in them


def test_figures_are_corrected_by_the_right_feedback() -> None:
    lines = figures.read()
    first = figures.write(lines)
    assert first["total"] == sum(region["revenue"] for region in first["regions"])
    assert "West grew most" in first["summary"]
    misunderstood = figures.write(lines, ["Make it nicer."])
    assert (misunderstood["total"], "did not understand" in misunderstood["note"]) == (first["total"], True)
    mended = figures.write(lines, ["Make it nicer.", "Where are the returns?"])
    assert mended["total"] == sum(line.amount for line in lines if line.quarter == figures.QUARTER)
    assert "West shrank" in mended["summary"]
    assert "note" not in mended


def test_descriptions_follow_the_feedback() -> None:
    products = descriptions.read()
    assert len(products) == 12
    clip = next(product for product in products if product.name == "Drammen clip light")
    assert "unbeatable" in descriptions.write(clip)
    assert "unbeatable" not in descriptions.write(clip, ["Leave out: unbeatable."])
    assert "did not understand" in descriptions.write(clip, ["Sing it."])
    assert "did not understand" in descriptions.write(clip, ["> short of price\n\nSing it."])
    desk = next(product for product in products if "standing" in product.name)
    assert len(descriptions.write(desk)) > 240 > len(descriptions.write(desk, ["Shorter, please."]))
    pendant = next(product for product in products if product.price != product.list_price)
    assert pendant.price in descriptions.write(pendant, ["Leave out the word dome.", "The price is wrong."])
    for product in products:
        assert descriptions.described_in(descriptions.write(product), products) is product


# --- the notebooks


@pytest.mark.live
@pytest.mark.timeout(600)
def test_review(airflow: AirflowInstance, env: dict[str, str]) -> None:
    runs = [parked(airflow, DAG_ID) for _ in range(2)]
    notebook = LiveNotebook(FOLDER / "review.ipynb", env)
    with notebook.kernel():
        notebook.run_all()
        assert all(run in notebook.outputs_of("inbox") for run in runs)
        assert "Sales by month" in notebook.outputs_of("open-first")

        opened = notebook.run("print(panel.session.key.run_id)").strip()
        other = next(run for run in runs if run != opened)

        # The notebook's code for decisions, line by line.
        text = next(cell.source for cell in notebook.book.cells if cell.id == "decide")
        request_changes, approve, reject = re.findall(r"^panel\.client\..*$", text, re.MULTILINE)
        notebook.run(request_changes)
        notebook.run_until("print(panel.session.iteration, panel.session.is_pending)", "2 True")
        assert "| Region | Revenue |" in notebook.run("print(panel.output)")
        notebook.run(approve)
        notebook.run_until("panel.open(); await panel.settled(); print(panel.session.key.run_id)", other)
        notebook.run(reject)
        check_that_nothing_secret_is_in(notebook)
    ends(airflow, DAG_ID, opened, "success")
    ends(airflow, DAG_ID, other, "failed")
    approved, rejected = (found(airflow, DAG_ID, run_id) for run_id in (opened, other))
    assert (approved.status, approved.iteration) == ("approved", 2)
    assert rejected.status == "rejected"
    assert {review.decided_by.name for review in (approved, rejected) if review.decided_by} == {USER}


@pytest.mark.live
@pytest.mark.timeout(600)
def test_review_beside_data(airflow: AirflowInstance, env: dict[str, str]) -> None:
    run_id = parked(airflow, "figures_review")
    notebook = LiveNotebook(FOLDER / "review_beside_data.ipynb", env)
    with notebook.kernel():
        notebook.run_all()
        assert "West grew most" in notebook.outputs_of("open")
        assert "image/png" in notebook.outputs_of("plot")
        assert "West: revenue is €246,730, not €301,250." in notebook.outputs_of("request")
        assert "West shrank" in notebook.outputs_of("again")
        assert "approved" in notebook.outputs_of("approve")
        check_that_nothing_secret_is_in(notebook)
    ends(airflow, "figures_review", run_id, "success")
    ends(airflow, "figures_review", run_id, "success", "publish")
    review = found(airflow, "figures_review", run_id)
    assert (review.status, review.iteration) == ("approved", 2)
    assert review.output["total"] == 1_030_780
    assert review.decided_by is not None
    assert review.decided_by.name == USER


@pytest.mark.live
@pytest.mark.timeout(600)
def test_bulk_review(airflow: AirflowInstance, env: dict[str, str]) -> None:
    dag_id = "descriptions_review"
    run_id = parked(airflow, dag_id, 12)
    notebook = LiveNotebook(FOLDER / "bulk_review.ipynb", env)
    with notebook.kernel():
        notebook.run_all()
        for said in (
            "Leave out: unbeatable.",
            "Shorter: at most 240",
            "€74.50, not €89.50",
            "€199.00, not €229.00",
        ):
            assert said in notebook.outputs_of("request")
        assert notebook.outputs_of("approve").count(": approved") == 5
        check_that_nothing_secret_is_in(notebook)

        def count(state: str) -> int:
            states = airflow.task_states(dag_id, run_id)
            return sum(s == state for (task, _), s in states.items() if task == "review")

        wait_until(lambda: count("success") == 5, timeout=120, what="the second drafts", interval=0.5)
        assert count("awaiting_input") == 7  # nothing is decided without a click
        notebook.press("approve", several=True)
    ends(airflow, dag_id, run_id, "success")
    ends(airflow, dag_id, run_id, "success", "publish")


@pytest.mark.live
@pytest.mark.timeout(600)
def test_edit_and_approve(airflow: AirflowInstance, env: dict[str, str]) -> None:
    dag_id = "example_hitl_review_typed"
    run_id = parked(airflow, dag_id)
    notebook = LiveNotebook(FOLDER / "edit_and_approve.ipynb", env)
    with notebook.kernel():
        notebook.run_all()
        assert "Train to Bergen" in notebook.outputs_of("open")
        refused = notebook.outputs_of("refused-at-once")
        assert "('pay_on',) must be a date" in refused
        assert "('expenses', 1, 'euros') must be more than 0" in refused
        assert "the total is 300, but the expenses add up to 311" in notebook.outputs_of("refused-by-the-task")
        assert "approved edited" in notebook.outputs_of("approve")
        assert "edit rita" in notebook.outputs_of("conversation")
        check_that_nothing_secret_is_in(notebook)
    ends(airflow, dag_id, run_id, "success", "claim")
    ends(airflow, dag_id, run_id, "success", "pay")
    ends(airflow, dag_id, run_id, "success", "close")
    path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/pay/xcomEntries/return_value"
    assert airflow.api("GET", path)["value"] == "Ada gets €216 on 31 March, €84 of it for travel."
    review = found(airflow, dag_id, run_id, "claim")
    assert (review.status, review.iteration, review.edited) == ("approved", 1, True)
    assert json.loads(review.edited_output or "")["expenses"][0]["category"] == "travel"
    assert review.output["expenses"][0]["category"] == "meals"


@pytest.mark.live
@pytest.mark.timeout(900)
def test_answer_an_agent(folder: Path, tmp_path: Path) -> None:
    """In an environment that has the AI provider."""
    version = next(version for version in VERSIONS if version.examples)
    need_python(version)
    dag_id, dags = "example_hitl_review_tool_calls", tmp_path / "dags"
    dags.mkdir()
    (dags / "agents.py").write_text(f"from airflow_hitl_review.example_dags.{dag_id} import example  # a DAG\n")
    airflow = AirflowInstance(
        folder / "agents", dags, programs=environment(version), settings=lean(folder / "agents", *AGENTS)
    )
    try:
        airflow.start("standalone")
        airflow.wait_for_dag(dag_id)
        run_id = parked(airflow, dag_id)
        notebook = LiveNotebook(FOLDER / "answer_an_agent.ipynb", notebook_env(tmp_path, airflow))
        with notebook.kernel():
            notebook.run_all()
            assert "refund {'order': 7, 'amount': 20.5, 'reason': 'It came late.'}" in notebook.outputs_of("open")
            assert "'args', 'amount') must be a number" in notebook.outputs_of("refused")
            assert "Paid back 10.25 for order 7." in notebook.outputs_of("answer")
            assert "edit request admin" in notebook.outputs_of("approve")
        ends(airflow, dag_id, run_id, "success", "support")
    finally:
        airflow.stop()
