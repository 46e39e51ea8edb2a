"""An Airflow with all four ways of a review in it, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.airflow_instance import AirflowInstance
from tests.compatibility.environments import VERSIONS, environment

DAGS = Path(__file__).parent / "dags"
NAMES = {
    "parked": "hitl-notebook, parked",
    "approval": "Airflow's `ApprovalOperator`",
    "polled": "hitl-notebook, polling",
    "provider": "the AI provider, at its default",
}
"""The kinds of reviews, as tables and plots name them."""
NEWEST = VERSIONS[-1]
USERS = {"admin": "admin", "ann": "user"}
"""Of an API server alone: its start is quicker without teams."""
MOVED = "/reviews"
"""Where this project's app is, so that the provider's answers at its own path."""


def path_of(kind: str) -> str:
    """Path of the app that serves reviews of this kind: the provider's or ours."""
    return "/hitl-review" if kind == "provider" else MOVED


@contextmanager
def peers(home: Path, database: str, *, slots: int) -> Iterator[AirflowInstance]:
    """Start it; ``slots`` is Airflow's ``[core] parallelism``."""
    airflow = AirflowInstance(
        home,
        DAGS,
        database=database,
        programs=environment(NEWEST),
        settings={
            "AIRFLOW__CORE__PARALLELISM": str(slots),
            "AIRFLOW__HITL_REVIEW__URL_PREFIX": MOVED,
        },
        api_workers=2,
    )
    airflow.migrate()
    airflow.run("airflow", "pools", "set", "default_pool", "2000", "wide enough for all that wait")
    try:
        airflow.start("api-server", "scheduler", "dag-processor")
        for dag_id in ("parked", "polled", "approval", "asking", "provider", "other_work"):
            airflow.wait_for_dag(dag_id)
        yield airflow
    finally:
        airflow.stop()
