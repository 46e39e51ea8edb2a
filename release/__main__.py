"""``make release-check``: build, install into three fresh environments, and use all three together.

The Airflow of one runs a DAG that is no part of this project; from the second a reviewer asks for changes and
approves; the receiver in the third is told, and verifies it. A fourth has the oldest versions that are allowed.
"""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from demo.airflow_instance import AirflowInstance
from demo.processes import StartError, free_port, wait_until
from demo.stack import connection_to, launch_receiver
from hitl_webhooks import generate_secret
from release.environments import ROOT, CheckError, Environment, build, install
from release.lowest import NEWEST_PYTHON, check_lowest

DAG = """
from airflow.sdk import dag, task


@dag(schedule=None)
def greetings():
    @task.hitl_review(prompt="A greeting")
    def write(feedback=None):
        return f"Dear customers, {feedback}" if feedback else "Dear customers!"

    write()


greetings()
"""

REVIEW = """
import sys
from hitl_notebook import Client, ReviewPanel

client = Client(sys.argv[1], username="admin", password="admin")
(row,) = client.sessions(status="pending_review")
client.request_changes(client.find(row), "with kind regards")
print(client.approve(client.wait_for(row, until="output", timeout=90)).current_output)
"""


def expect(what: str, holds: bool) -> None:
    """Print one check, or end with it."""
    if not holds:
        raise CheckError(f"This does not hold: {what}")
    print(f"ok  {what}", flush=True)


def contents(wheel: Path, sdist: Path) -> None:
    """Nothing is missing in what is built, and nothing is in it that belongs to no user."""
    names = zipfile.ZipFile(wheel).namelist()
    packages = {name.split("/")[0] for name in names if not name.split("/")[0].endswith(".dist-info")}
    wanted = {"airflow_hitl_review", "hitl_notebook", "hitl_rendering", "hitl_webhooks"}
    expect(f"the wheel has the packages {', '.join(sorted(wanted))} and no other", packages == wanted)
    for package in sorted(wanted):
        expect(f"{package} is typed", f"{package}/py.typed" in names)
    for folder, module in (("plugin", "airflow_hitl_review"), ("", "hitl_notebook")):
        own = [
            path
            for path in (ROOT / folder / module).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        ]
        missing = [path.name for path in own if str(path.relative_to(ROOT / folder)) not in names]
        expect(f"all {len(own)} files of {module} are in the wheel", not missing)
    with tarfile.open(sdist) as archive:
        sources = {name.partition("/")[2] for name in archive.getnames()}
    expect("the sdist has README, licence and changes", {"README.md", "LICENSE", "CHANGELOG.md"} <= sources)


def version(airflow: Environment, reviewer: Environment) -> None:
    """It is the same everywhere, and Airflow knows it."""
    wanted = importlib.metadata.version("hitl-notebook")
    for environment, package in ((airflow, "airflow_hitl_review"), (reviewer, "hitl_notebook")):
        found = environment.python("-c", f"import {package}; print({package}.__version__)").split()[-1]
        expect(f"{package} says version {wanted}", found == wanted)


def together(airflow_has: Environment, reviewer: Environment, receiver: Environment, home: Path) -> None:
    """A review of a DAG that is not ours, from the reviewer's environment, with webhooks."""
    (home / "dags").mkdir(parents=True)
    (home / "dags" / "greetings.py").write_text(DAG)
    port, secret, events = free_port(), generate_secret(), home / "events.jsonl"
    airflow = AirflowInstance(
        home / "airflow",
        home / "dags",
        programs=airflow_has.programs,
        settings={
            "AIRFLOW_CONN_TOLD": connection_to(port, secret),
            "AIRFLOW__HITL_REVIEW__WEBHOOK_CONN_IDS": "told",
        },
    )
    listens = launch_receiver(home, port, secret, python=receiver.programs / "python")
    try:
        airflow.migrate()
        airflow.start("standalone")
        airflow.wait_for_dag("greetings")
        run_id = airflow.trigger("greetings")
        wait_until(
            lambda: airflow.task_states("greetings", run_id).get(("write", -1)) in ("awaiting_input", "deferred"),
            timeout=120,
            what="the review",
        )
        said = reviewer.python("-c", REVIEW, airflow.url)
        expect(
            "the reviewer got the next output, and approved it", said.strip() == "Dear customers, with kind regards"
        )
        wait_until(
            lambda: airflow.task_states("greetings", run_id)[("write", -1)] == "success",
            timeout=90,
            what="the task",
        )
        wait_until(lambda: len(told(events)) == 4, timeout=60, what="four webhooks")
        kinds = ["output_ready", "changes_requested", "output_ready", "finalized"]
        expect(
            "the receiver has verified all four events",
            sorted(told(events)) == sorted(f"hitl_review.{k}" for k in kinds),
        )
    finally:
        airflow.stop()
        listens.stop()


def told(events: Path) -> list[str]:
    """Types of the events that the receiver has verified."""
    return [json.loads(line)["type"] for line in events.read_text().splitlines()] if events.exists() else []


def main() -> int:
    """Build, install and use."""
    folder = Path(tempfile.mkdtemp(prefix="hitl-release-"))
    try:
        wheel, sdist = build(folder / "dist")
        contents(wheel, sdist)
        airflow, reviewer, receiver = (
            install(wheel, extra, folder / extra) for extra in ("airflow", "notebook", "receiver")
        )
        expect("the reviewer's environment has no Airflow", not reviewer.has("airflow"))
        expect(
            "the receiver's has neither Airflow nor Jupyter",
            not receiver.has("airflow") and not receiver.has("ipywidgets"),
        )
        version(airflow, reviewer)
        oldest = check_lowest(wheel, folder / "lowest")
        if oldest is None:
            newest = ".".join(map(str, NEWEST_PYTHON))
            print(f"--  the oldest versions were not tried: they are for Python up to {newest}")
        else:
            expect(f"the oldest versions that are allowed do: {oldest}", True)
        together(airflow, reviewer, receiver, folder / "together")
    except (CheckError, StartError) as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"release-check: {wheel.name} and {sdist.name} can be released")
    return 0


if __name__ == "__main__":
    sys.exit(main())
