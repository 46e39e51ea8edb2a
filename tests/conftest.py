"""Fixtures: databases, API servers, a whole Airflow. All start on free ports in temporary folders."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.airflow_instance import AirflowInstance
from demo.stack import Receiver, receiver
from tests.support import postgres
from tests.support.api_server import ReviewServer, review_server

DAGS = Path(__file__).parent / "dags"


def pytest_configure() -> None:
    # Importing Airflow makes its home folder: not in the developer's own home.
    os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="hitl-test-home-")
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["AIRFLOW_HOME"], ignore_errors=True)


def missing(what: str, how: str) -> None:
    """Skip for want of ``what``; fail where nothing may be skipped (CI sets HITL_NO_SKIP)."""
    message = f"{what} is not installed here ({how})"
    if os.environ.get("HITL_NO_SKIP"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's own account can reach, which pytest's is not."""
    path = Path(tempfile.mkdtemp(prefix="hitl-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(folder: Path) -> Iterator[postgres.Server]:
    binaries = postgres.find_binaries()
    if binaries is None:
        missing("PostgreSQL", "Debian: apt-get install postgresql")
        raise AssertionError
    with postgres.server(binaries, folder / "postgres") as server:
        yield server


@pytest.fixture(scope="session")
def webhook_receiver(folder: Path) -> Iterator[Receiver]:
    home = folder / "receiver"
    home.mkdir()
    with receiver(home) as running:
        yield running


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def reviews(request: pytest.FixtureRequest, folder: Path) -> Iterator[ReviewServer]:
    """An API server with two processes and seeded reviews, on each database."""
    database = ""
    if request.param == "postgresql":
        database = request.getfixturevalue("postgres_server").create("reviews")
    with review_server(folder / f"reviews-{request.param}", DAGS, database) as server:
        yield server


@pytest.fixture(scope="session")
def live(folder: Path, postgres_server: postgres.Server, webhook_receiver: Receiver) -> Iterator[AirflowInstance]:
    """A whole Airflow on PostgreSQL, with the DAGs of ``tests/dags``."""
    instance = AirflowInstance(
        folder / "live",
        DAGS,
        database=postgres_server.create("live"),
        settings={
            "AIRFLOW_CONN_TEST_WEBHOOK": webhook_receiver.connection(),
            "AIRFLOW__CORE__PARALLELISM": "16",
        },
    )
    instance.migrate()
    try:
        instance.start("api-server", "scheduler", "dag-processor")
        for dag_id in ("many_reviews", "other_work", "timed_review", "json_review"):
            instance.wait_for_dag(dag_id)
        yield instance
    finally:
        instance.stop()
