"""What happens to reviews while version 0.1.0 is replaced by this one, part by part, on the newest Airflow.

Two API servers serve one database, one of each version. The workers first are of version 0.1.0, then of this one.
"""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

from demo.airflow_instance import AirflowInstance
from demo.processes import wait_until
from hitl_webhooks import generate_secret
from tests.compatibility.environments import VERSIONS
from tests.compatibility.story import DAGS, LONG, Story
from tests.support import version_before
from tests.support.hook_server import Hook, HookServer

DAG_ID = "before"
REVIEWS = [(DAG_ID, task_id, -1) for task_id in ("approved", "changed")]
EVENTS = 2 * (2 + 2 + 2)
"""Of two runs with two reviews: the first outputs, a request for changes and what came of it, and the ends."""


EDIT = '{"round": 3}'


def rolling_restart(home: Path, database: str) -> dict[str, Any]:
    """Go through it; returns what was seen, by name.

    Args:
        home: folder for its files; empty.
        database: SQLAlchemy URL of a migrated database.
    """
    with HookServer() as receiver:
        steady, waiting = (receiver.add(f"/{name}", [generate_secret()]) for name in ("steady", "waiting"))
        waiting.behave(status=503)
        (home / "dags").mkdir(parents=True)
        shutil.copy(DAGS / "before.py", home / "dags")
        old, new = _airflows(home, database, steady, waiting)
        try:
            return _restart(old, new, steady, waiting) | {"version 0.1.0": str(home / "code")}
        finally:
            old.stop()
            new.stop()


def _airflows(home: Path, database: str, *hooks: Hook) -> tuple[AirflowInstance, AirflowInstance]:
    """The same Airflow twice: with version 0.1.0, and with this one."""
    settings = {
        **{f"AIRFLOW_CONN_{hook.url.rpartition('/')[2].upper()}_HOOK": hook.connection() for hook in hooks},
        "AIRFLOW__HITL_REVIEW__WEBHOOK_RETRY_SCHEDULE": ", ".join(["2"] * 500),
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    }
    old = AirflowInstance(
        home / "old",
        home / "dags",
        database=database,
        settings=settings | {"PYTHONPATH": version_before.search_path(home / "code")},
    )
    shared = ("AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__API__SECRET_KEY")
    settings |= {name: old.env[name] for name in shared}
    # Its workers, too, report to the old API server: behind a proxy, they might.
    settings["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] = old.env["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]
    return old, AirflowInstance(home / "new", home / "dags", database=database, settings=settings)


def _restart(old: AirflowInstance, new: AirflowInstance, steady: Hook, waiting: Hook) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    before, after = Story(VERSIONS[-1], old, new), Story(VERSIONS[-1], new, old)
    old.start("scheduler", "dag-processor", "api-server")
    joins = threading.Thread(target=lambda: new.start("api-server"))
    joins.start()
    try:
        old.wait_for_dag(DAG_ID)
        _park(before)
        facts["waiting events"] = _events(before, "pending")
    finally:
        joins.join()
    facts["at both"] = [told.find(*REVIEWS[0]) for told in (before, Story(VERSIONS[-1], new, old, before.runs))]
    _decide(before, by=new)
    # The workers, which are the scheduler's children, and what reads the DAGs.
    for name in ("scheduler", "dag-processor"):
        old.processes.pop(name).stop()
    new.start("scheduler", "dag-processor")
    _park(after)
    _decide(after, by=old)
    answers = [
        before.decide("approve", DAG_ID, "changed", at=old),
        after.decide("approve", DAG_ID, "changed", at=new, json={"edited_output": EDIT}),
    ]
    assert [answer.status_code for answer in answers] == [200, 200], [answer.text for answer in answers]
    _wait_for_ends(before, after)
    for name, told in (("before", before), ("after", after)):
        facts[name] = {key[0]: state for key, state in told.states(DAG_ID).items()}
        facts[f"results {name}"] = {task_id: told.result(DAG_ID, task_id) for task_id in ("approved", "changed")}
    old.stop()
    waiting.behave()
    wait_until(lambda: len(_events(after, "delivered")) == EVENTS, timeout=LONG, what="the events")
    facts["events"] = _events(after, "delivered")
    facts["accepted"] = [request.id for request in waiting.requests() if request.status == 204]
    facts["steady"] = [event.id for event in steady.events()]
    return facts


def _park(told: Story) -> None:
    """Begin a run, and wait until its tasks are parked."""
    told.runs[DAG_ID] = told.airflow.trigger(DAG_ID)
    told.wait_for_outputs(REVIEWS, 1)
    told.wait_for_parks(REVIEWS)


def _wait_for_ends(*stories: Story) -> None:
    def ends() -> set[str | None]:
        return {state for told in stories for state in told.states(DAG_ID).values()}

    wait_until(lambda: ends() <= {"success", "failed"}, timeout=LONG, what="the ends", interval=0.5)


def _decide(told: Story, *, by: AirflowInstance) -> None:
    """Approve one review, and ask for changes in the other; wait for what comes of it."""
    answers = [
        told.decide("approve", DAG_ID, "approved", at=by),
        told.decide("feedback", DAG_ID, "changed", at=by, json={"feedback": "more"}),
    ]
    assert [answer.status_code for answer in answers] == [200, 200], [answer.text for answer in answers]
    wait_until(lambda: told.state_of(REVIEWS[0]) == "success", timeout=LONG, what="the end", interval=0.5)
    changed = [(DAG_ID, "changed", -1)]
    told.wait_for_outputs(changed, 2)
    told.wait_for_parks(changed)


def _events(told: Story, status: str) -> list[tuple[str, str]]:
    """Type and id of each event in that status, as this version's API server tells."""
    where = {"dag_id": DAG_ID, "status": status, "limit": 100}
    found = told.call("GET", "/deliveries", params=where).json()["deliveries"]
    return sorted((one["type"], one["event_id"]) for one in found)
