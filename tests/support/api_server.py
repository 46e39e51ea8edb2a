"""An Airflow API server of two processes, without scheduler, with seeded reviews."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import create_engine, make_url, text

from demo.airflow_instance import BIN, AirflowInstance
from hitl_webhooks import generate_secret

DAG_ID = "many_reviews"
TASK_ID = "review"

# Name, role, team: of SimpleAuthManager with teams. The DAGs belong to the team "red".
USERS = {
    "admin": "admin",
    "ann": "user:red",
    "viv": "viewer:red",
    "bob": "user:blue",
}

ROOT = Path(__file__).resolve().parents[2]

URL_SECRET = generate_secret()
"""Signs webhooks to endpoints given as a plain URL."""


@dataclass
class ReviewServer:
    """The running server."""

    airflow: AirflowInstance
    _tokens: dict[str, str] = field(default_factory=dict)
    _seeder: subprocess.Popen[str] | None = None
    _seeding: threading.Lock = field(default_factory=threading.Lock)

    @property
    def dialect(self) -> str:
        """Name of its database, as SQLAlchemy has it."""
        return make_url(self.airflow.database).get_backend_name()

    def seed(self, count: int = 1, *outbox: str) -> str:
        """Make a run with parked reviews; returns its id.

        Args:
            count: how many.
            outbox: a kind and endpoints, ``required_actions`` and a kind, or ``reviewers`` and ids; see
                ``tests.support.seed``.
        """
        with self._seeding:
            return self._seed(json.dumps([count, *outbox]))

    def _seed(self, wanted: str) -> str:
        if self._seeder is None:
            with (self.airflow.home / "seed.log").open("ab") as log:
                self._seeder = subprocess.Popen(
                    [str(self.airflow.programs / "python"), "-m", "tests.support.seed"],
                    env=self.airflow.env | {"PYTHONPATH": search_path()},
                    cwd=self.airflow.home,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
        assert self._seeder.stdin is not None
        assert self._seeder.stdout is not None
        self._seeder.stdin.write(wanted + "\n")
        self._seeder.stdin.flush()
        for line in self._seeder.stdout:
            if line.startswith("made "):
                return line.split()[1]
        raise RuntimeError((self.airflow.home / "seed.log").read_text(errors="replace")[-3000:])

    def close(self) -> None:
        """End the process that seeds."""
        if self._seeder is not None:
            for pipe in (self._seeder.stdin, self._seeder.stdout):
                if pipe is not None:
                    pipe.close()
            self._seeder.wait(30)

    def token(self, user: str) -> str:
        if user not in self._tokens:
            self._tokens[user] = self.airflow.token(user)
        return self._tokens[user]

    def call(self, method: str, path: str, *, user: str | None = "ann", **kwargs: Any) -> requests.Response:
        """Call the plugin's API, without a token if ``user`` is None."""
        headers = dict(kwargs.pop("headers", {}))
        if user is not None:
            headers["Authorization"] = f"Bearer {self.token(user)}"
        url = f"{self.airflow.url}/hitl-review{path}"
        return requests.request(method, url, headers=headers, timeout=60, **kwargs)

    def sql(self, statement: str, **values: Any) -> list[Any]:
        """Execute SQL in its database, for what no API tells or does; returns the rows, if there are any."""
        engine = create_engine(self.airflow.database)
        try:
            with engine.begin() as connection:
                result = connection.execute(text(statement), values)
                return list(result.all()) if result.returns_rows else []
        finally:
            engine.dispose()

    @staticmethod
    def params(run_id: str, map_index: int | str = 0) -> dict[str, Any]:
        """The query that names a seeded review."""
        return {"dag_id": DAG_ID, "run_id": run_id, "task_id": TASK_ID, "map_index": map_index}


def search_path() -> str:
    """Where Python looks for modules: here, then where this process does."""
    return os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))


def team_settings(dags: Path, *, teams: bool) -> dict[str, str]:
    """Settings by which the DAGs are of team ``red``, or of none."""
    bundle = {
        "name": "dags-folder",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(dags)},
        **({"team_name": "red"} if teams else {}),
    }
    return {
        "AIRFLOW__CORE__MULTI_TEAM": str(teams),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
    }


def fill(instance: AirflowInstance, *, teams: bool) -> None:
    """Put the teams and the DAGs into a migrated database."""
    for team in ("red", "blue") if teams else ():
        instance.run("airflow", "teams", "create", team)
    instance.run("airflow", "dags", "reserialize")


@contextmanager
def review_server(
    home: Path,
    dags: Path,
    database: str,
    *,
    path: str = "",
    migrate: bool = True,
    api_workers: int = 2,
    programs: Path = BIN,
    settings: Mapping[str, str] | None = None,
    users: Mapping[str, str] = USERS,
    teams: bool = True,
) -> Iterator[ReviewServer]:
    """Start the server with so many processes, below ``path``; not ``migrate``: its database is a filled one.

    ``programs`` is another environment's folder of programs, ``settings`` are more environment variables, ``users``
    are those of SimpleAuthManager. Without ``teams``, nobody has one, as FAB's auth manager knows none.
    """
    instance = AirflowInstance(
        home,
        dags,
        database=database,
        users=users,
        settings={
            **team_settings(dags, teams=teams),
            "AIRFLOW__HITL_REVIEW__WEBHOOK_SECRET": URL_SECRET,
            "AIRFLOW__HITL_REVIEW__WEBHOOK_TIMEOUT": "2",
            "AIRFLOW__HITL_REVIEW__WEBHOOK_RETRY_SCHEDULE": ", ".join(["1"] * 200),
            **(settings or {}),
        },
        api_workers=api_workers,
        path=path,
        programs=programs,
    )
    if migrate:
        instance.migrate()
        fill(instance, teams=teams)
    try:
        instance.start("api-server")
        server = ReviewServer(instance)
        try:
            yield server
        finally:
            server.close()
    finally:
        instance.stop()
