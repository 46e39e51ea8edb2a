"""What a benchmark reads of a running server: SQL statements, and memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, text

from demo.airflow_instance import AirflowInstance
from tests.support import postgres
from tests.support.api_server import ReviewServer

REST_SECONDS = 10.0


class Statements:
    """Counts the SQL statements that a database has executed."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url)
        with self._engine.begin() as connection:
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_stat_statements"))

    def total(self) -> int:
        """Number of statements so far; without BEGIN, COMMIT and the like."""
        query = text(
            "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements"
            " WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND query !~* '^(begin|commit|rollback)'"
        )
        with self._engine.connect() as connection:
            return int(connection.scalar(query))

    def spent(self, containing: str) -> tuple[int, float]:
        """How often statements with this text were executed so far, and for how many milliseconds in all."""
        query = text(
            "SELECT coalesce(sum(calls), 0), coalesce(sum(total_exec_time), 0) FROM pg_stat_statements"
            " WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND position(:containing in query) > 0 AND query !~ 'pg_stat_statements'"
        )
        with self._engine.connect() as connection:
            calls, milliseconds = connection.execute(query, {"containing": containing}).one()
        return int(calls), float(milliseconds)

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()


class Plans:
    """What PostgreSQL plans for the statements of some moments, as it writes into its log.

    Args:
        url: of the database.
        log: the server's log.
    """

    def __init__(self, url: str, log: Path) -> None:
        self._engine = create_engine(url, isolation_level="AUTOCOMMIT")
        self._log = log

    def of(self, work: Callable[[], object], containing: str) -> list[str]:
        """How tables are read in the statements that ``work`` leads to, of those with this text in them."""
        self._set("0")
        start = self._log.stat().st_size
        work()
        time.sleep(0.2)
        self._set("-1")
        written = self._log.read_bytes()[start:].decode(errors="replace")
        plans = [plan for plan in written.split("Query Text:")[1:] if containing in plan.partition("\tLimit")[0]]
        return [
            line.strip(" \t->").partition("  (")[0]
            for plan in plans
            for line in plan.splitlines()
            if "Scan" in line
        ]

    def _set(self, milliseconds: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(text(f"ALTER SYSTEM SET auto_explain.log_min_duration = {milliseconds}"))
            connection.execute(text("SELECT pg_reload_conf()"))
        time.sleep(0.2)

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()


def percentile(values: Sequence[float], percent: int) -> float:
    """The value below which so many percent of ``values`` are, interpolated; of a single one, that one."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


@dataclass(frozen=True)
class Usage:
    """What a part of Airflow takes of the machine.

    Attributes:
        processes: how many, its children included.
        memory_mb: what no other process holds too (PSS), in MB: forked processes share most of theirs.
    """

    processes: int
    memory_mb: float


def usage(airflow: AirflowInstance, *parts: str) -> Usage:
    """Of those parts of a running Airflow, together; of all if none is named."""
    groups = {str(process.pid) for name, process in airflow.processes.items() if not parts or name in parts}
    processes, memory = 0, 0.0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if not {fields[2], fields[3]} & groups:  # process group, session
                continue
            rollup = (entry / "smaps_rollup").read_text()
        except (OSError, IndexError):
            continue  # it has ended
        processes += 1
        memory += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024
    return Usage(processes, round(memory, 1))


def memory_mb(server: ReviewServer) -> float:
    """Memory of the API server with its processes, in MB."""
    return usage(server.airflow, "api-server").memory_mb


def per_second(statements: Statements) -> float:
    """Statements per second, over the next ``REST_SECONDS``."""
    before, start = statements.total(), time.monotonic()
    time.sleep(REST_SECONDS)
    return (statements.total() - before) / (time.monotonic() - start)


def at_rest(statements: Statements) -> float:
    """Statements per second while nothing happens."""
    while True:  # what was seeded is looked at once
        before = statements.total()
        time.sleep(3)
        if statements.total() - before < 3 * 20:
            break
    return per_second(statements)


@contextmanager
def database_server(folder: Path, settings: str = "") -> Iterator[postgres.Server]:
    """A PostgreSQL that counts its statements, for ``Statements``, with further ``settings`` of the server."""
    binaries = postgres.find_binaries()
    if binaries is None:
        raise SystemExit("The benchmarks need PostgreSQL. On Debian: apt-get install postgresql")
    with postgres.server(
        binaries, folder, f"-c shared_preload_libraries=pg_stat_statements,auto_explain {settings}"
    ) as server:
        yield server
