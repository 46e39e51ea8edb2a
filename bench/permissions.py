"""The list's first page over 600 DAGs, with an auth manager that takes 30 ms for each question. On PostgreSQL."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import requests

from bench.inbox import figures_of, milliseconds
from bench.measures import database_server
from bench.multiply import multiply
from bench.remote_auth_manager import SECONDS
from tests.support.api_server import review_server

ROOT = Path(__file__).resolve().parent.parent
DAGS = 600
READERS = [f"reader{number}" for number in range(20)]


def run(folder: Path) -> dict[str, Any]:
    """Measure; ``folder`` is empty and temporary."""
    settings = {
        "AIRFLOW__CORE__AUTH_MANAGER": "bench.remote_auth_manager.RemoteAuthManager",
        "PYTHONPATH": str(ROOT),
    }
    with (
        database_server(folder / "postgres") as database,
        review_server(
            folder / "airflow",
            ROOT / "tests" / "dags",
            database.create("bench"),
            users={"admin": "admin", "ann": "user", **dict.fromkeys(READERS, "viewer")},
            teams=False,
            api_workers=1,  # each process remembers the answers for itself
            settings=settings,
        ) as server,
    ):
        multiply(server, server.seed(1), DAGS, per_run=1, dag="dag_")

        def ask(token: str) -> requests.Response:
            headers = {"Authorization": f"Bearer {token}"}
            return requests.get(f"{server.airflow.url}/hitl-review/sessions", headers=headers, timeout=60)

        tokens = [server.token(reader) for reader in READERS]
        ask(server.token("ann"))
        first = [milliseconds(partial(ask, token), 200) for token in tokens]
        again = [milliseconds(partial(ask, token), 200) for token in tokens]
        return {
            "dags": DAGS,
            "question_ms": SECONDS * 1000,
            "first_page": figures_of(first),
            "first_page_again": figures_of(again),
        }
