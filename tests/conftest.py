"""Fixtures: databases, API servers, a whole Airflow. All start on free ports in temporary folders."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from demo.processes import PATIENCE
from demo.stack import Receiver, receiver
from tests.support import mysql, postgres
from tests.support.api_server import ReviewServer, review_server
from tests.support.migrated import Migrated

DAGS = Path(__file__).parent / "dags"


def pytest_configure() -> None:
    # Importing Airflow makes its home folder: not in the developer's own home.
    os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="hitl-test-home-")
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["AIRFLOW_HOME"], ignore_errors=True)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Of the processes of ``make test`` each takes a whole folder, whose tests share servers.

    Not ``--dist loadgroup``: pytest-xdist 3.8 loses its groups with pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    scheduler: Any = LoadScopeScheduling(config, log)
    scheduler._split_scope = lambda nodeid: "/".join(nodeid.split("::")[0].split("/")[:2])
    return scheduler


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each test ``PATIENCE`` times its time, as ``wait_until`` does."""
    usual = float(config.getini("timeout"))
    for item in items:
        marker = item.get_closest_marker("timeout")
        most = float(marker.args[0]) if marker else usual
        item.add_marker(pytest.mark.timeout(most * PATIENCE), append=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show in full what failed and passed when it was repeated (``--reruns``): it is a finding all the same."""
    for report in terminalreporter.getreports("rerun"):
        terminalreporter.section(f"failed, and was repeated: {report.nodeid} ({report.when})", "_")
        terminalreporter.write_line(report.longreprtext)


def missing(what: str, how: str) -> None:
    """Skip for want of ``what``; fail where nothing may be skipped (CI sets HITL_NO_SKIP)."""
    message = f"{what} is not installed here ({how})"
    if os.environ.get("HITL_NO_SKIP"):
        pytest.fail(message)
    pytest.skip(message)


def need_chromium() -> str:
    """Path of a Chromium; without one as ``missing``."""
    from tests.support import browser

    found = browser.find_chromium()
    if found is None:
        missing("Chromium", "Debian: apt-get install chromium")
        raise AssertionError
    return found


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's own account can reach, which pytest's is not."""
    path = postgres.reachable_folder("hitl-test-")
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
def mysql_server(folder: Path) -> Iterator[mysql.Server]:
    if lacking := mysql.what_is_missing():
        missing(*lacking)
    with mysql.server(folder / "mysql") as server:
        yield server


@pytest.fixture(scope="session")
def webhook_receiver(folder: Path) -> Iterator[Receiver]:
    home = folder / "receiver"
    home.mkdir()
    with receiver(home) as running:
        yield running


SERVERS = {"postgresql": "postgres_server", "mysql": "mysql_server"}
"""Fixtures by the names of databases."""

DATABASES: list[Any] = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
if os.environ.get(mysql.GIVEN):  # the same tests on that server instead
    DATABASES = [pytest.param("mysql", marks=pytest.mark.mysql)]


@pytest.fixture(scope="session")
def migrated(folder: Path) -> Migrated:
    """Databases with Airflow's tables."""
    return Migrated(folder / "migrated", DAGS)


@contextmanager
def reviews_on(
    request: pytest.FixtureRequest, folder: Path, name: str, settings: Mapping[str, str] | None = None
) -> Iterator[ReviewServer]:
    """An API server on the database that the fixture's parameter names; on a server's with two processes."""
    name = f"{name}_{request.param}"
    migrated: Migrated = request.getfixturevalue("migrated")
    database, processes = "", 1
    if request.param == "sqlite":
        migrated.sqlite(folder / name, filled=True)
    else:
        processes = 2
        database = migrated.on(request.getfixturevalue(SERVERS[request.param]), name, filled=True)
    with review_server(
        folder / name, DAGS, database, migrate=False, settings=settings, api_workers=processes
    ) as server:
        yield server


@pytest.fixture(scope="session", params=DATABASES)
def reviews(request: pytest.FixtureRequest, folder: Path) -> Iterator[ReviewServer]:
    """An API server on each database, on which each module seeds reviews of its own.

    A module whose tests are about all reviews there are has a server of its own.
    """
    with reviews_on(request, folder, "reviews", {"AIRFLOW__HITL_REVIEW__WAKE_SWEEP_INTERVAL": "3"}) as server:
        yield server
