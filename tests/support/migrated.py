"""Databases with Airflow's tables, and with DAGs, made once: each of Airflow's commands takes some ten seconds."""

from __future__ import annotations

import shutil
from pathlib import Path

from sqlalchemy import make_url

from demo.airflow_instance import AirflowInstance
from tests.support import mysql, postgres
from tests.support.api_server import fill, team_settings

TEMPLATE = "migrated"
"""Name of a server's database that others are copied from; with ``_filled``, of the one with teams and DAGs."""


class Migrated:
    """Copies of a migrated database, one template for each kind.

    Args:
        folder: for the templates.
        dags: the DAG folder.
    """

    def __init__(self, folder: Path, dags: Path) -> None:
        self._folder, self._dags = folder, dags
        self._made: set[tuple[postgres.Server | mysql.Server, str]] = set()

    def sqlite(self, home: Path, *, filled: bool = False) -> None:
        """Put a database where an ``AirflowInstance`` in ``home`` looks for it.

        Args:
            home: its folder.
            filled: whether it has the teams and the DAGs of ``api_server.review_server``.
        """
        template = self._folder / ("sqlite_filled" if filled else "sqlite") / "airflow.db"
        if not template.exists():
            template.parent.mkdir(parents=True)
            if filled:
                self.sqlite(template.parent)
            self._make(template.parent, "", filled=filled)
        home.mkdir(parents=True, exist_ok=True)
        shutil.copy(template, home / "airflow.db")

    def on(self, server: postgres.Server | mysql.Server, name: str, *, filled: bool = False) -> str:
        """Make a database on a server, and return its URL; ``filled`` as above."""
        template = f"{TEMPLATE}_filled" if filled else TEMPLATE
        if (server, template) not in self._made:
            database = self.on(server, template) if filled else server.create(template)
            self._make(self._folder / make_url(database).get_backend_name() / template, database, filled=filled)
            self._made.add((server, template))
        return server.create(name, template)

    def _make(self, home: Path, database: str, *, filled: bool) -> None:
        settings = team_settings(self._dags, teams=True) if filled else {}
        instance = AirflowInstance(home, self._dags, database=database, settings=settings)
        if filled:
            fill(instance, teams=True)
        else:
            instance.migrate()
