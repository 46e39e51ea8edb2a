"""Databases with Airflow's tables, made once: ``airflow db migrate`` takes ten seconds each time."""

from __future__ import annotations

import shutil
from pathlib import Path

from demo.airflow_instance import AirflowInstance
from tests.support import postgres

TEMPLATE = "migrated"
"""Name of the PostgreSQL database that others are copied from."""


class Migrated:
    """Copies of a migrated database, one template for each kind.

    Args:
        folder: for the templates.
        dags: any DAG folder; Airflow wants one.
    """

    def __init__(self, folder: Path, dags: Path) -> None:
        self._folder, self._dags = folder, dags
        self._has_postgres = False

    def sqlite(self, home: Path) -> None:
        """Put a database where an ``AirflowInstance`` in ``home`` looks for it."""
        template = self._folder / "sqlite" / "airflow.db"
        if not template.exists():
            AirflowInstance(template.parent, self._dags).migrate()
        home.mkdir(parents=True, exist_ok=True)
        shutil.copy(template, home / "airflow.db")

    def postgresql(self, server: postgres.Server, name: str) -> str:
        """Make a database, and return its URL."""
        if not self._has_postgres:
            AirflowInstance(self._folder / "postgresql", self._dags, database=server.create(TEMPLATE)).migrate()
            self._has_postgres = True
        return server.create(name, TEMPLATE)
