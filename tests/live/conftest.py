"""A whole Airflow for these tests, which ends with them: idle, it would slow down the tests after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.airflow_instance import AirflowInstance
from demo.stack import Receiver
from tests.conftest import DAGS
from tests.support import postgres
from tests.support.hook_server import LiveHooks
from tests.support.lean import lean
from tests.support.migrated import Migrated
from tests.support.statsd_server import StatsdServer

LIVE_DAGS = ["many_reviews", "other_work", "timed_review", "json_review", "for_admin", "for_ada"]
LIVE_DAGS += ["webhook_review", "webhook_cleared", "webhook_retried", "webhook_kept", "webhook_endings"]
LIVE_DAGS += ["webhook_three", "webhook_none", "webhook_callbacks", "webhook_secrets"]


@pytest.fixture(scope="package")
def hooks() -> Iterator[LiveHooks]:
    """Receivers in this process, known to ``live`` as connections ``hook_...``."""
    with LiveHooks() as running:
        yield running


@pytest.fixture(scope="package")
def statsd() -> Iterator[StatsdServer]:
    """Gets the measures of ``live``."""
    server = StatsdServer()
    yield server
    server.close()


@pytest.fixture(scope="package")
def live(
    folder: Path,
    postgres_server: postgres.Server,
    webhook_receiver: Receiver,
    hooks: LiveHooks,
    migrated: Migrated,
    statsd: StatsdServer,
) -> Iterator[AirflowInstance]:
    """A whole Airflow on PostgreSQL, with the DAGs of ``tests/dags``."""
    instance = AirflowInstance(
        folder / "live",
        DAGS,
        database=migrated.on(postgres_server, "live"),
        settings={
            **lean(folder / "live"),
            "AIRFLOW_CONN_TEST_WEBHOOK": webhook_receiver.connection(),
            **{f"AIRFLOW_CONN_{name.upper()}": connection for name, connection in hooks.connections.items()},
            **statsd.settings,
            "AIRFLOW__CORE__PARALLELISM": "16",
            # As in the demo.
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "AIRFLOW__HITL_REVIEW__WEBHOOK_CONN_IDS": "hook_default",
            # Five minutes of short waits, so that the tests need not wait long; few in all, as each costs a try.
            "AIRFLOW__HITL_REVIEW__WEBHOOK_RETRY_SCHEDULE": ", ".join(["2"] * 30 + ["6"] * 40),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
        },
    )
    try:
        instance.start("api-server", "scheduler", "dag-processor")
        for dag_id in LIVE_DAGS:
            instance.wait_for_dag(dag_id)
        yield instance
    finally:
        instance.stop()
