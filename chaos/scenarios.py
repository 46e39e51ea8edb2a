"""An Airflow in which things go wrong while twenty people review, once on each kind of installation."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import requests
from sqlalchemy.exc import DBAPIError

from chaos.faults import Clock, Faults
from chaos.forgotten import Forgotten
from chaos.invariants import broken, count_ended, ids_of_tasks, load
from chaos.keeper import Keeper
from chaos.points import API, FAILING_WRITES, RECEIVER, SUPERVISOR, WORKER, Points
from chaos.reviewers import REVIEWERS, USERS, Reviewers
from demo.airflow_instance import AirflowInstance
from demo.processes import Process, StartError, free_port, wait_until
from demo.stack import ROOT, connection_to, launch_receiver
from hitl_webhooks import generate_secret
from tests.support import postgres
from tests.support.redis_server import RedisServer

DAGS = Path(__file__).parent / "dags"
DAG_ID = "chaos_reviews"
RECEIVER_PROGRAM = (
    "-c",
    f"import sys; sys.path.insert(0, {str(ROOT)!r}); from demo.webhook_receiver import main; sys.exit(main())",
)
"""Not ``-m``, which names the module ``__main__``: the points are in modules by their names."""
FEW = ("worker.after.xcom.agent_session", "worker.before.park", "worker.before.result")
"""Points of the worker where less time is."""


@dataclass(frozen=True)
class Scenario:
    """One kind of installation, and what goes wrong in it.

    Attributes:
        database: ``postgresql`` or ``sqlite``.
        executor: ``LocalExecutor`` or ``CeleryExecutor``.
        reviews: at most so many, in runs of ``per_run``; the next run begins when the last one is nearly through.
        inside: points at which processes are killed.
        outside: processes that are killed, and other faults, by name.
        seconds: how long faults are made at most.
        at_least: the faults are made again and again, however long it takes, until there were so many reviews.
        clock: whether Airflow's clock can jump.
        failing_reads: whether XComs are in a backend whose reads can fail (``reads``).
        settle_seconds: how long it may take afterwards until all reviews have ended.
    """

    name: str
    database: str
    executor: str
    reviews: int
    per_run: int
    inside: tuple[str, ...]
    outside: tuple[str, ...]
    seconds: float
    clock: bool = False
    failing_reads: bool = False
    settle_seconds: float = 300.0
    at_least: int = 0

    def until(self, reviews: int) -> Scenario:
        """The same, until there were so many reviews."""
        return replace(self, reviews=reviews, at_least=reviews)


SCENARIOS = (
    Scenario(
        "local",
        "postgresql",
        "LocalExecutor",
        reviews=600,
        per_run=15,
        inside=WORKER + FAILING_WRITES + SUPERVISOR + API + RECEIVER,
        outside=("scheduler", "scheduler", "api-server", "receiver", "database", "database", "clock", "load"),
        seconds=420,
        clock=True,
    ),
    Scenario(
        "celery",
        "postgresql",
        "CeleryExecutor",
        reviews=300,
        per_run=15,
        inside=(*FEW, *SUPERVISOR, "worker.lost.xcom.agent_session", "api.before.wake_soon", "api.after.resume"),
        outside=("celery-worker", "celery-worker", "redis", "scheduler", "api-server", "database", *3 * ("reads",)),
        seconds=180,
        failing_reads=True,
    ),
    Scenario(
        "sqlite",
        "sqlite",
        "LocalExecutor",
        reviews=60,
        per_run=5,
        inside=(*FEW, "api.after.decide", "api.before.wake_soon", "api.after.resume", "api.before.record"),
        outside=("scheduler", "api-server", "receiver"),
        seconds=90,
    ),
)


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
    environment = points.environment | {"HITL_CHAOS_REVIEWERS": " ".join(REVIEWERS) if named else ""}
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
            users=USERS,
            api_workers=2,
            settings={
                "AIRFLOW__CORE__PARALLELISM": "16" if database else "4",
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
            airflow.wait_for_dag(DAG_ID)
            yield Installation(airflow, keeper, points, others, folder / "events.jsonl")


@dataclass
class Traffic:
    """Starts runs, so that there are always some reviews under way while faults are made.

    Attributes:
        triggered: reviews so far.
    """

    airflow: AirflowInstance
    scenario: Scenario
    triggered: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """While the block runs, or until there are as many as the scenario has at most."""
        thread = threading.Thread(target=self._flow, name="traffic", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(150)

    def _flow(self) -> None:
        while not self._stop.is_set() and self.triggered < self.scenario.reviews:
            if _open_tasks(self.airflow, self.triggered) < self.scenario.per_run:
                self._trigger()
            self._stop.wait(1.0)

    def _trigger(self) -> None:
        run_id = f"chaos_{time.time_ns()}"
        body = {"logical_date": None, "dag_run_id": run_id, "conf": {"count": self.scenario.per_run}}

        def triggered() -> bool:
            headers = {"Authorization": f"Bearer {self.airflow.token()}"}
            url = f"{self.airflow.url}/api/v2/dags/{DAG_ID}/dagRuns"
            answer = requests.post(url, json=body, headers=headers, timeout=30)
            return answer.status_code in (200, 409)  # 409: it was, and the server was killed in its answer

        wait_until(_calmly(triggered), timeout=120, what="a run", interval=1.0)
        self.triggered += self.scenario.per_run


def _calmly(ask: Callable[[], bool]) -> Callable[[], bool]:
    """False while the server cannot be asked."""

    def asked() -> bool:
        try:
            return ask()
        except (requests.RequestException, RuntimeError, ValueError):
            return False

    return asked


def _in_time(ready: Callable[[], bool], *, timeout: float, what: str) -> list[str]:
    """Wait for something; what did not come in time does not hold."""
    try:
        wait_until(ready, timeout=timeout, what=what, interval=1.0)
    except StartError as error:
        return [str(error)]
    return []


def _open_tasks(airflow: AirflowInstance, triggered: int) -> int:
    """How many reviews have not ended; all, while the database cannot be asked."""
    try:
        return triggered - count_ended(airflow.database)
    except DBAPIError:
        return triggered


@dataclass
class End:
    """The end of all reviews.

    Attributes:
        forgotten: how many Airflow had forgotten in its queue, until its scheduler was started anew.
    """

    airflow: AirflowInstance
    keeper: Keeper
    reviews: int
    forgotten: int = 0
    _looks: Forgotten = field(default_factory=Forgotten)

    def is_reached(self) -> bool:
        """Whether all have ended; does what whoever runs Airflow would do about tasks that are forgotten."""
        left = _open_tasks(self.airflow, self.reviews)
        if left and not self.forgotten:
            try:
                forgotten = self._looks.among(ids_of_tasks(self.airflow.database, "queued"))
            except DBAPIError:
                return False
            if forgotten == left:
                self.forgotten = forgotten
                self.keeper.kill("scheduler")
        return left == 0


def received(path: Path) -> dict[str, set[str]]:
    """Ids of the events that the receiver has kept, and the statuses that each told of."""
    found: dict[str, set[str]] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else ():
        try:
            event = json.loads(line)
            found.setdefault(event["id"], set()).add(event["data"]["status"])
        except (ValueError, KeyError):
            continue  # torn by a kill; it is sent again
    return found


def run(scenario: Scenario, folder: Path, seed: int) -> dict[str, Any]:
    """Make the faults, wait until all has come to an end, and look whether everything holds.

    Returns:
        Counts, and under ``broken`` what does not hold.
    """
    start = time.monotonic()
    with installation(scenario, folder, named=seed % 2 == 0) as running:
        airflow = running.airflow
        faults = Faults(running.points, running.keeper, running.others)
        traffic = Traffic(airflow, scenario)
        with Reviewers(airflow, seed).at_work() as reviewers:
            with traffic.flowing():
                for turn in count():
                    until = time.monotonic() + scenario.seconds
                    faults.make(scenario.inside, scenario.outside, seed=seed + turn, until=until)
                    if traffic.triggered >= scenario.at_least:
                        break
            end = End(airflow, running.keeper, traffic.triggered)
            found = _in_time(end.is_reached, timeout=scenario.settle_seconds, what="the end of all reviews")
        if not found:
            found = _in_time(_calmly(lambda: _undelivered(airflow) == 0), timeout=90, what="the last deliveries")
        ended, logged = load(airflow.database)
        events = received(running.events)
        found += broken(ended, logged, reviewers.told, events)
        if len(ended) != traffic.triggered:
            found.append(f"{len(ended)} reviews of {traffic.triggered}")
        found += [f"an answer that no client expects: {one}" for one in reviewers.unexpected]
        return {
            "scenario": scenario.name,
            "seed": seed,
            "named_reviewers": seed % 2 == 0,
            "seconds": round(time.monotonic() - start),
            "reviews": len(ended),
            "tries": sum(one.try_number for one in ended),
            "faults": sum(faults.done.values()),
            "restarts": running.keeper.restarts,
            "forgotten_in_queue": end.forgotten,
            "missed_points": faults.missed,
            "decisions": dict(Counter(one.outcome for one in reviewers.told)),
            "events": len(events),
            "states": dict(Counter(str(one.state) for one in ended)),
            "broken": found,
        }


def _undelivered(airflow: AirflowInstance) -> int:
    headers = {"Authorization": f"Bearer {airflow.token()}"}
    url = f"{airflow.url}/hitl-review/deliveries"
    answer = requests.get(url, params={"status": "pending", "limit": "1"}, headers=headers, timeout=30)
    return int(answer.json()["total_entries"])
