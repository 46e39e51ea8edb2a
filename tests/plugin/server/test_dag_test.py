"""``dag.test()`` with an API server beside it: on Airflow 3.3 both ways of waiting can be answered."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.airflow_instance import AirflowInstance
from demo.processes import PATIENCE
from hitl_notebook import Client
from tests.conftest import DATABASES, SERVERS
from tests.support.migrated import Migrated

DAG_FILE = """
from airflow.sdk import DAG
from airflow_hitl_review import HITLReviewOperator

with DAG("tried", schedule=None, catchup=False) as dag:
    for wait in ("park", "poll"):
        HITLReviewOperator(
            task_id=wait,
            prompt="p",
            hitl_wait=wait,
            hitl_poll_interval=0.5,
            generate=lambda context: "Draft",
            regenerate=lambda feedback, history: f"Draft, {feedback}",
        )

if __name__ == "__main__":
    print("ended as", dag.test().state)
"""


@pytest.fixture(params=DATABASES)
def airflow(request: pytest.FixtureRequest, folder: Path, migrated: Migrated) -> Iterator[AirflowInstance]:
    """An API server and a DAG folder, without a scheduler."""
    home, database = folder / f"dag_test_{request.param}", ""
    if request.param == "sqlite":
        migrated.sqlite(home)
    else:
        database = migrated.on(request.getfixturevalue(SERVERS[request.param]), "dag_test")
    dags = folder / "dag_test_dags"
    dags.mkdir(exist_ok=True)
    (dags / "tried.py").write_text(DAG_FILE, encoding="utf-8")
    instance = AirflowInstance(home, dags, database=database)
    instance.run("airflow", "dags", "reserialize")
    try:
        instance.start("api-server")
        yield instance
    finally:
        instance.stop()


def test_dag_test_can_be_answered(airflow: AirflowInstance) -> None:
    client = Client(airflow.url, username="admin", password="admin")
    with (airflow.home / "dag_test.log").open("w+") as log:
        program = [str(airflow.programs / "python"), str(airflow.dags / "tried.py")]
        running = subprocess.Popen(program, env=airflow.env, cwd=airflow.home, stdout=log, stderr=subprocess.STDOUT)
        try:
            decided: set[tuple[str, int]] = set()
            end = time.monotonic() + 240 * PATIENCE
            while running.poll() is None and time.monotonic() < end:
                for review in client.sessions(status="pending_review"):
                    decided.add((review.key.task_id, review.iteration))
                    if review.iteration == 1:
                        client.request_changes(review, "shorter")
                    else:
                        client.approve(review)
                time.sleep(0.3)
        finally:
            running.kill()
            running.wait()
        log.seek(0)
        assert "ended as success" in log.read()
    assert decided == {("park", 1), ("park", 2), ("poll", 1), ("poll", 2)}
