"""An Airflow API server of two processes, without scheduler, with seeded reviews."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from demo.airflow_instance import AirflowInstance

DAG_ID = "many_reviews"
TASK_ID = "review"

# Name, role, team: of SimpleAuthManager with teams. The DAGs belong to the team "red".
USERS = {
    "admin": "admin",
    "ann": "user:red",
    "viv": "viewer:red",
    "bob": "user:blue",
}


@dataclass
class ReviewServer:
    """The running server."""

    airflow: AirflowInstance
    _tokens: dict[str, str] = field(default_factory=dict)

    def seed(self, count: int = 1) -> str:
        """Make a run with parked reviews; returns its id."""
        return self.airflow.run("python", "-m", "tests.support.seed", str(count)).split()[-1]

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

    @staticmethod
    def params(run_id: str, map_index: int | str = 0) -> dict[str, Any]:
        """The query that names a seeded review."""
        return {"dag_id": DAG_ID, "run_id": run_id, "task_id": TASK_ID, "map_index": map_index}


@contextmanager
def review_server(home: Path, dags: Path, database: str) -> Iterator[ReviewServer]:
    """Start the server."""
    bundle = {
        "name": "dags-folder",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(dags)},
        "team_name": "red",
    }
    instance = AirflowInstance(
        home,
        dags,
        database=database,
        users=USERS,
        settings={
            "AIRFLOW__CORE__MULTI_TEAM": "True",
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
        },
        api_workers=2,
    )
    instance.migrate()
    for team in ("red", "blue"):
        instance.run("airflow", "teams", "create", team)
    instance.run("airflow", "dags", "reserialize")
    try:
        instance.start("api-server")
        yield ReviewServer(instance)
    finally:
        instance.stop()
