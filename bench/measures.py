"""What a benchmark reads of a running server: SQL statements, and memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text

from tests.support import postgres
from tests.support.api_server import ReviewServer

REST_SECONDS = 20.0


class Statements:
    """Counts the SQL statements that a database has executed."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url)
        with self._engine.begin() as connection:
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_stat_statements"))

    def total(self) -> int:
        """So many so far; without BEGIN, COMMIT and the like."""
        query = text(
            "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements"
            " WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND query !~* '^(begin|commit|rollback)'"
        )
        with self._engine.connect() as connection:
            return int(connection.scalar(query))

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()


def memory_mb(server: ReviewServer) -> float:
    """Resident memory of the API server with its processes, in MB."""
    group, total = str(server.airflow.processes["api-server"].pid), 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if fields[2] == group:  # the process group
                total += int((entry / "statm").read_text().split()[1]) * 4096
        except (OSError, IndexError):
            continue  # it has ended
    return total / 1e6


def at_rest(statements: Statements) -> float:
    """Statements per second while nothing happens."""
    while True:  # what was seeded is looked at once
        before = statements.total()
        time.sleep(3)
        if statements.total() - before < 3 * 20:
            break
    before, start = statements.total(), time.monotonic()
    time.sleep(REST_SECONDS)
    return (statements.total() - before) / (time.monotonic() - start)


@contextmanager
def database_server(folder: Path) -> Iterator[postgres.Server]:
    """A PostgreSQL that counts its statements, for ``Statements``."""
    binaries = postgres.find_binaries()
    if binaries is None:
        raise SystemExit("The benchmarks need PostgreSQL. On Debian: apt-get install postgresql")
    with postgres.server(binaries, folder, "-c shared_preload_libraries=pg_stat_statements") as server:
        yield server
