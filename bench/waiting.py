"""What pending reviews hold: 500 of ours against 500 of the provider's, in an Airflow with 32 slots (its default).

For each: worker slots, processes, memory, SQL statements per second, and how long another task takes to start and
end. Ours are parked by real workers first; then the provider's are started, until nothing moves.
"""

from __future__ import annotations

import statistics
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.measures import Statements, database_server, per_second, usage
from bench.peers import peers
from demo.airflow_instance import AirflowInstance
from demo.processes import StartError, wait_until

REVIEWS = 500
SLOTS = 32
OTHER_TASKS = 3
STARVED_SECONDS = 30.0
"""How long another task is waited for."""


def _count(airflow: AirflowInstance, dag_id: str, run_id: str, state: str) -> int:
    path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=1&task_id=review&state={state}"
    return int(airflow.api("GET", path)["total_entries"])


def other_task(airflow: AirflowInstance) -> float | None:
    """Seconds from the trigger of another task to its end; None if it has not ended in ``STARVED_SECONDS``."""
    start = time.time()
    run_id = airflow.trigger("other_work")
    path = f"/dags/other_work/dagRuns/{run_id}/taskInstances/work"

    def ended() -> bool:
        return bool(airflow.api("GET", path)["state"] == "success")

    try:
        wait_until(ended, timeout=STARVED_SECONDS, what="the other task", interval=0.25)
    except StartError:
        return None
    end = datetime.fromisoformat(airflow.api("GET", path)["end_date"])
    return end.timestamp() - start


def now(airflow: AirflowInstance, statements: Statements, *, others: int = OTHER_TASKS) -> dict[str, Any]:
    """What Airflow takes at this moment."""
    rate = per_second(statements)
    pool = airflow.api("GET", "/pools/default_pool")
    used = usage(airflow)
    times = [other_task(airflow) for _ in range(others)]
    done = [seconds for seconds in times if seconds is not None]
    return {
        "worker_slots": pool["running_slots"],
        "processes": used.processes,
        "memory_mb": used.memory_mb,
        "statements_per_second": round(rate, 1),
        "other_task_seconds": round(statistics.median(done), 2) if len(done) == len(times) else None,
    }


def run(folder: Path) -> dict[str, Any]:
    """Measure; ``folder`` is empty and temporary."""
    with (
        database_server(folder / "postgres") as database,
        peers(folder / "airflow", database.create("bench"), slots=SLOTS) as airflow,
    ):
        statements = Statements(airflow.database)
        try:
            other_task(airflow)  # the first one pays for what is loaded once
            figures: dict[str, Any] = {
                "reviews": REVIEWS,
                "slots": SLOTS,
                "patience_seconds": STARVED_SECONDS,
                "nothing_pending": now(airflow, statements),
            }
            start = time.monotonic()
            run_id = airflow.trigger("parked", {"count": REVIEWS})
            wait_until(
                lambda: _count(airflow, "parked", run_id, "awaiting_input") == REVIEWS,
                timeout=600,
                what=f"{REVIEWS} parked reviews",
                interval=1.0,
            )
            figures["seconds_to_park_all"] = round(time.monotonic() - start, 1)
            time.sleep(10)
            figures["parked"] = now(airflow, statements)
            theirs = airflow.trigger("provider", {"count": REVIEWS})
            wait_until(
                lambda: _count(airflow, "provider", theirs, "running") >= SLOTS,
                timeout=120,
                what="the provider's reviews in all slots",
                interval=1.0,
            )
            time.sleep(10)
            figures["provider"] = now(airflow, statements, others=1)
            figures["provider"]["pending"] = _count(airflow, "provider", theirs, "running")
            return figures
        finally:
            statements.close()
