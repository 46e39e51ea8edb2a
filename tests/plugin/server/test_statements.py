"""Every SQL statement, run on each database, and compiled for all: see ``tests.support.statements``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from demo.airflow_instance import AirflowInstance
from tests.conftest import DAGS, SERVERS
from tests.support.api_server import search_path, team_settings
from tests.support.migrated import Migrated

ALL_DATABASES = [
    "sqlite",
    pytest.param("postgresql", marks=pytest.mark.postgres),
    pytest.param("mysql", marks=pytest.mark.mysql),
]

ONLY_ON_SERVERS = ("server/db/locks.py:", "server/db/open_review_queries.py:")
"""SQLite has no locks that processes share, and no reviews of it are kept in memory."""


@pytest.mark.parametrize("database", ALL_DATABASES)
def test_every_statement_runs_and_compiles_for_all_databases(
    request: pytest.FixtureRequest, folder: Path, migrated: Migrated, database: str
) -> None:
    home, url = folder / f"statements_{database}", ""
    if database == "sqlite":
        migrated.sqlite(home)
    else:
        url = migrated.on(request.getfixturevalue(SERVERS[database]), "statements")
    settings = team_settings(DAGS, teams=False) | {"PYTHONPATH": search_path()}
    printed = AirflowInstance(home, DAGS, database=url, settings=settings).run(
        "python", "-m", "tests.support.statements"
    )
    found = json.loads(printed.splitlines()[-1])
    assert found["database"] == database
    assert found["count"] > 200
    assert found["refused"] == []
    assert [line for line in found["left"] if database != "sqlite" or not line.startswith(ONLY_ON_SERVERS)] == []
