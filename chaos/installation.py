"""An Airflow of its own, with its database, its webhook receiver and, for Celery, Redis."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from chaos.faults import Clock
from chaos.keeper import Keeper
from chaos.points import Points
from chaos.reviewers import REVIEWERS, USERS
from chaos.scenarios import Scenario
from demo.airflow_instance import BIN, AirflowInstance
from demo.processes import Process, StartError, free_port, wait_until
from demo.stack import ROOT, connection_to, launch_receiver
from hitl_webhooks import generate_secret
from tests.compatibility.environments import VERSIONS
from tests.compatibility.environments import environment as airflow_environment
from tests.support import postgres
from tests.support.redis_server import RedisServer

DAGS = Path(__file__).parent / "dags"
RECEIVER_PROGRAM = (
    "-c",
    f"import sys; sys.path.insert(0, {str(ROOT)!r}); from demo.webhook_receiver import main; sys.exit(main())",
)
"""Not ``-m``, which names the module ``__main__``: the points are in modules by their names."""


@dataclass
class Installation:
    """The running parts."""

    airflow: AirflowInstance
    keeper: Keeper
    points: Points
    others: dict[str, Callable[[], None]] = field(default_factory=dict)
    events: Path = Path()


@contextmanager
def _database(scenario: Scenario, folder: Path) -> Iterator[tuple[str, dict[str, Callable[[], None]]]]:
    if scenario.database == "sqlite":
        yield "", {}
        return
    binaries = postgres.find_binaries()
    if binaries is None:
        raise StartError("This needs PostgreSQL. On Debian: apt-get install postgresql")
    with postgres.server(binaries, folder / "postgres") as server:
        yield server.create("chaos"), {"database": server.restart}


def _load() -> None:
    """Both processors are busy for a while, so that the scheduler takes note late of what has ended."""
    burners = [
        Process([sys.executable, "-c", "while True: pass"], env=os.environ, log=Path(os.devnull), cwd=Path("/"))
        for _ in range(2 * (os.cpu_count() or 1))
    ]
    try:
        time.sleep(15)
    finally:
        for burner in burners:
            burner.kill()


def _with_ai_provider() -> tuple[Path, Path]:
    """The programs of an environment that has it, and a folder with what else Airflow's processes need here.

    Raises:
        StartError: they cannot be installed.
    """
    try:
        programs = airflow_environment(VERSIONS[-1])
        more = programs.parent / "chaos"
        install = (str(BIN / "uv"), "pip", "install", "--quiet", "--python", str(programs / "python"))
        what = ("--target", str(more), "--constraint", str(ROOT / "constraints.txt"), "time-machine")
        subprocess.run([*install, *what], check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        raise StartError(f"time-machine cannot be installed:\n{error.stderr}") from None
    except RuntimeError as error:
        raise StartError(str(error)) from None
    return programs, more


@contextmanager
def installation(scenario: Scenario, folder: Path, *, named: bool) -> Iterator[Installation]:
    """Start it.

    Args:
        scenario: what to start.
        folder: for all that it writes; empty.
        named: whether the reviews have ``reviewers``, so that each decision must be confirmed to the worker.

    Raises:
        StartError: something that it needs is not on this machine.
    """
    points = Points(folder / "points")
    port, secret = free_port(), generate_secret()
    environment = points.environment | {
        "HITL_CHAOS_REVIEWERS": " ".join(REVIEWERS) if named else "",
        "HITL_CHAOS_PER_RUN": str(scenario.per_run),
    }
    programs = BIN
    if scenario.agents:
        programs, more_packages = _with_ai_provider()
        environment["HITL_CHAOS_AGENTS"] = "1"
        environment["PYTHONPATH"] += f"{os.pathsep}{more_packages}"
    others: dict[str, Callable[[], None]] = {"load": _load}
    if scenario.clock:
        clock = Clock(folder / "clock")
        environment |= clock.environment
        others["clock"] = clock.jump
    if scenario.failing_reads:
        environment["AIRFLOW__CORE__XCOM_BACKEND"] = "chaos_xcoms.FailingXComs"
        others["reads"] = points.fail_reads
    redis = RedisServer(folder / "redis") if scenario.executor == "CeleryExecutor" else None
    with _database(scenario, folder) as (database, more):
        others |= more
        airflow = AirflowInstance(
            folder / "airflow",
            DAGS,
            database=database,
            programs=programs,
            users=USERS,
            api_workers=2,
            settings={
                "AIRFLOW__CORE__PARALLELISM": "16" if database else "4",
                "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "120",  # under load
                # One that dies while it is being asked for a sign of life is replaced after so many seconds.
                "AIRFLOW__API__WORKER_TIMEOUT": "10",
                "AIRFLOW_CONN_CHAOS_WEBHOOK": connection_to(port, secret),
                "AIRFLOW__HITL_REVIEW__WEBHOOK_RETRY_SCHEDULE": ", ".join(["2"] * 150),
                "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
                "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
                "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
                "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
                "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
                "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
                "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",
                # What a killed Celery worker had taken is given to another one after so many seconds.
                "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "60",
                **(redis.executor(database) if redis is not None else {"AIRFLOW__CORE__EXECUTOR": "LocalExecutor"}),
            },
        )
        airflow.migrate()
        airflow.env |= environment  # not for what is run before: it is not to be killed
        start: dict[str, Callable[[], Process]] = {
            "receiver": partial(
                launch_receiver, folder, port, secret, program=RECEIVER_PROGRAM, env=points.environment
            ),
            "api-server": partial(airflow.launch, "api-server"),
            "scheduler": partial(airflow.launch, "scheduler"),
            "dag-processor": partial(airflow.launch, "dag-processor"),
        }
        if redis is not None:
            worker = partial(airflow.launch, "celery", "worker", "--skip-serve-logs", "--concurrency", "8")
            start = {"redis": redis.launch, **start, "celery-worker": worker}
        keeper = Keeper(start)
        with keeper.at_work():
            wait_until(airflow.answers, timeout=180, what="the API server")
            for dag_id in scenario.dag_ids:
                airflow.wait_for_dag(dag_id)
            yield Installation(airflow, keeper, points, others, folder / "events.jsonl")
