"""Each kind of installation, and what goes wrong in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chaos.evidence import AGENTS_DAG_ID, DAG_ID
from chaos.points import API, CALLS, FAILING_WRITES, RECEIVER, SUPERVISOR, WORKER

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
        agents: whether there are agents that ask, too; Airflow then runs where its AI provider is installed.
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
    agents: bool = False
    settle_seconds: float = 300.0
    at_least: int = 0

    @property
    def dag_ids(self) -> tuple[str, ...]:
        """The DAGs of which each has a run at a time."""
        return (DAG_ID, AGENTS_DAG_ID) if self.agents else (DAG_ID,)

    def until(self, reviews: int) -> Scenario:
        """The same, until there were so many reviews."""
        return replace(self, reviews=reviews, at_least=reviews)


SCENARIOS = (
    Scenario(
        "local",
        "postgresql",
        "LocalExecutor",
        reviews=594,
        per_run=18,
        inside=WORKER + CALLS + FAILING_WRITES + SUPERVISOR + API + RECEIVER,
        outside=("scheduler", "scheduler", "api-server", "receiver", "database", "database", "clock", "load"),
        seconds=420,
        clock=True,
        agents=True,
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
        per_run=6,
        inside=(
            *FEW,
            *CALLS[2:5],
            "api.after.decide",
            "api.before.wake_soon",
            "api.after.resume",
            "api.before.record",
        ),
        outside=("scheduler", "api-server", "receiver", "reads", "reads"),
        seconds=120,
        failing_reads=True,
        agents=True,
    ),
)
