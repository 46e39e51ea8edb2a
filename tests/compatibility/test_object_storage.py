"""A whole Airflow whose XComs are files: Airflow's object storage backend, from the first byte on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from demo.airflow_instance import AirflowInstance
from demo.processes import wait_until
from hitl_notebook import Client, ConflictError, ReviewKey
from hitl_webhooks import generate_secret
from tests.conftest import DAGS
from tests.support import postgres
from tests.support.hook_server import Hook, HookServer
from tests.support.migrated import Migrated

pytestmark = [pytest.mark.live, pytest.mark.postgres, pytest.mark.timeout(600)]


@dataclass
class Stored:
    """The instance, where its XComs are, and who hears of its reviews."""

    airflow: AirflowInstance
    folder: Path
    server: HookServer
    hook: Hook


@pytest.fixture(scope="module")
def stored(folder: Path, postgres_server: postgres.Server, migrated: Migrated) -> Iterator[Stored]:
    xcoms = folder / "xcom_files"
    with HookServer() as server:
        hook = server.add("/hook", [generate_secret()])
        airflow = AirflowInstance(
            folder / "object_storage",
            DAGS,
            database=migrated.postgresql(postgres_server, "object_storage"),
            settings={
                "AIRFLOW__CORE__XCOM_BACKEND": "airflow.providers.common.io.xcom.backend.XComObjectStorageBackend",
                "AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_PATH": f"file://{xcoms}",
                "AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_THRESHOLD": "0",
                "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
                "AIRFLOW__HITL_REVIEW__WEBHOOK_RETRY_SCHEDULE": ", ".join(["2"] * 150),
                "AIRFLOW_CONN_TEST_WEBHOOK": hook.connection(),
            },
        )
        try:
            airflow.start("api-server", "scheduler", "dag-processor")
            airflow.wait_for_dag("many_reviews")
            yield Stored(airflow, xcoms, server, hook)
        finally:
            airflow.stop()


def test_everything_works_with_xcoms_in_files(stored: Stored) -> None:
    stored.server.down()  # so that its events stay in the outbox, to be sent from there
    run_id = stored.airflow.trigger("many_reviews", {"count": 2})
    approved, rejected = (ReviewKey("many_reviews", run_id, "review", index) for index in (0, 1))
    client = Client(stored.airflow.url, username="admin", password="admin")

    def listed(**filters: Any) -> set[ReviewKey]:
        return {row.key for row in client.sessions(**filters)}

    wait_until(lambda: listed(status="pending_review") == {approved, rejected}, timeout=60, what="the reviews")
    assert listed(dag_id="many_reviews", order_by="created_at") == {approved, rejected}
    assert listed(status="approved") == set()
    assert client.find(approved).current_output == "Draft of item 0."
    client.request_changes(client.find(approved), "shorter, please")
    newer = client.wait_for(client.find(approved), until="output", timeout=60, interval=0.5)
    assert [turn.content for turn in newer.conversation] == [
        "Draft of item 0.",
        "shorter, please",
        "Draft 1 after: shorter, please",
    ]
    assert client.approve(newer).decided_by is not None
    with pytest.raises(ConflictError):
        client.approve(newer)
    client.reject(client.find(rejected), feedback="no")
    ends = {("review", 0): "success", ("review", 1): "failed", ("items", -1): "success"}
    wait_until(lambda: stored.airflow.task_states("many_reviews", run_id) == ends, timeout=60, what="the ends")
    path = f"/dags/many_reviews/dagRuns/{run_id}/taskInstances/review/xcomEntries/return_value?map_index=0"
    result = stored.airflow.api("GET", path)["value"]  # Airflow's API gives where it is
    assert json.loads(Path(result.removeprefix("file://")).read_text()) == newer.current_output

    pending = client.deliveries(dag_id="many_reviews", status="pending")
    assert len(pending) == 6  # output_ready for three outputs, changes_requested, finalized for two
    stored.server.up()
    wait_until(lambda: len({e.id for e in stored.hook.events()}) == 6, timeout=60, what="all events")
    wait_until(lambda: not len(client.deliveries(status="pending")), timeout=60, what="an outbox at rest")

    engine = create_engine(stored.airflow.database)
    with engine.connect() as connection:
        values = list(connection.execute(text("select value from xcom where key like 'airflow_hitl_review_%'")))
    engine.dispose()
    assert len(values) > 10
    assert all(str(value).startswith(f"file://{stored.folder}") for (value,) in values)
    assert "Draft of item" not in json.dumps([str(value) for (value,) in values])
