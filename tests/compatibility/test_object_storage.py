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
from demo.processes import PATIENCE, wait_until
from hitl_notebook import Client, ConflictError, ReviewKey
from hitl_webhooks import generate_secret
from tests.conftest import DAGS
from tests.support import postgres
from tests.support.hook_server import Hook, HookServer
from tests.support.lean import lean
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
            database=migrated.on(postgres_server, "object_storage"),
            settings={
                **lean(folder / "object_storage"),
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
    newer = client.wait_for(client.find(approved), until="output", timeout=60 * PATIENCE, interval=0.5)
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


def test_edits_with_xcoms_in_files(stored: Stored) -> None:
    run_id = stored.airflow.trigger("many_reviews", {"count": 2})
    approved, changed = (ReviewKey("many_reviews", run_id, "review", index) for index in (0, 1))
    client = Client(stored.airflow.url, username="admin", password="admin")
    _wait_for_park(stored, run_id, 2)
    edit = "Better  \n\n\u2603 \n"
    first = client.approve(client.find(approved), output=edit)
    assert (first.edited, first.edited_output) == (True, edit)
    asked = client.request_changes(client.find(changed), "go on", output="A start")
    newer = client.wait_for(asked, until="output", timeout=60 * PATIENCE, interval=0.5)
    assert [(turn.kind, turn.content) for turn in newer.conversation] == [
        ("output", "Draft of item 1."),
        ("edit", "A start"),
        ("feedback", "go on"),
        ("output", "Draft 1 after: go on"),
    ]
    client.approve(newer)
    ends = {("review", 0): "success", ("review", 1): "success", ("items", -1): "success"}
    wait_until(lambda: stored.airflow.task_states("many_reviews", run_id) == ends, timeout=60, what="the ends")
    assert json.loads(_file(stored, run_id, "return_value").read_text()) == edit


def test_a_forged_edit_in_its_file_is_refused(stored: Stored) -> None:
    """It is overwritten after the decision, before the task runs; what the reviewer approved is not lost."""
    run_id = stored.airflow.trigger("many_reviews", {"count": 1})
    key = ReviewKey("many_reviews", run_id, "review", 0)
    client = Client(stored.airflow.url, username="admin", password="admin")
    _wait_for_park(stored, run_id, 1)
    stored.airflow.api("PATCH", "/dags/many_reviews", json={"is_paused": True})
    try:
        client.approve(client.find(key), output="What I approve")
        wait_until(lambda: _states(stored, run_id) == ["scheduled"], timeout=60, what="the resume")
        file = _file(stored, run_id, "airflow_hitl_review_edited_output_1")
        assert json.loads(file.read_text()) == "What I approve"
        file.write_text(json.dumps("Forged"))
    finally:
        stored.airflow.api("PATCH", "/dags/many_reviews", json={"is_paused": False})
    wait_until(lambda: client.find(key).is_pending, timeout=60, what="the refusal")
    wait_until(lambda: _states(stored, run_id) == ["awaiting_input"], timeout=60, what="the park")
    again = client.find(key)
    assert "Forged" not in [turn.content for turn in again.conversation]
    assert again.edited_output is None
    client.approve(again, output="What I approve")
    wait_until(lambda: _states(stored, run_id) == ["success"], timeout=60, what="the end")
    assert json.loads(_file(stored, run_id, "return_value").read_text()) == "What I approve"


def _states(stored: Stored, run_id: str) -> list[str | None]:
    """Those of the reviews of a run."""
    found = stored.airflow.task_states("many_reviews", run_id)
    return [state for (task_id, _), state in sorted(found.items()) if task_id == "review"]


def _wait_for_park(stored: Stored, run_id: str, count: int) -> None:
    wait_until(lambda: _states(stored, run_id) == ["awaiting_input"] * count, timeout=60, what="the park")


def _file(stored: Stored, run_id: str, key: str) -> Path:
    """Where the XCom of the first review is."""
    statement = text("select value from xcom where run_id = :run and key = :key and map_index = 0")
    engine = create_engine(stored.airflow.database)
    with engine.connect() as connection:
        value = connection.execute(statement, {"run": run_id, "key": key}).scalar_one()
    engine.dispose()
    return Path(str(value).strip('"').removeprefix("file://"))
