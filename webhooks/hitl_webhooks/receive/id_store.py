"""Stores the ids of events that are being handled or were handled: in memory, or in a file."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

_LOCKED = 5.0
"""Seconds to wait while another process writes the file."""


class IdStore(Protocol):
    """Storage of ids. Times are Unix timestamps in seconds."""

    def take(self, event_id: str, owner: str, now: float) -> bool | None:
        """Try to claim. True: claimed. False: already handled. None: claimed by another process."""

    def keep(self, event_id: str, now: float) -> None:
        """Record the event as handled."""

    def forget(self, event_id: str, owner: str) -> None:
        """Release the claim; does nothing if it no longer belongs to ``owner``."""


class MemoryStore:
    """Ids in the memory of this process. Its methods are those of ``IdStore``.

    Args:
        max_ids: maximum number of ids; beyond that, the oldest are forgotten.
        max_age: seconds that an id is kept.
    """

    def __init__(self, max_ids: int, max_age: float) -> None:
        self._max_ids, self._max_age = max_ids, max_age
        self._handled: OrderedDict[str, float] = OrderedDict()

    def take(self, event_id: str, owner: str, now: float) -> bool | None:
        self._prune(now)
        return event_id not in self._handled

    def keep(self, event_id: str, now: float) -> None:
        self._handled[event_id] = now
        self._prune(now)

    def forget(self, event_id: str, owner: str) -> None:
        pass  # the guard knows the open claims

    def _prune(self, now: float) -> None:
        while self._handled:
            oldest = next(iter(self._handled.values()))
            if len(self._handled) <= self._max_ids and now - oldest <= self._max_age:
                return
            self._handled.popitem(last=False)


class FileStore:
    """Ids in an SQLite file. Its methods are those of ``IdStore``.

    In the table, ``owner`` is null for an event handled at ``at``, else who claimed it at ``at``.

    Args:
        path: the file; created if missing.
        max_ids: maximum number of ids; beyond that, the oldest are forgotten.
        max_age: seconds that an id is kept.
        lease: seconds for which a claim of another process is valid.
    """

    def __init__(self, path: Path, max_ids: int, max_age: float, lease: float) -> None:
        self._path, self._max_ids, self._max_age, self._lease = path, max_ids, max_age, lease
        with self._transaction() as file:
            file.execute("CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, owner TEXT, at REAL NOT NULL)")
            file.execute("CREATE INDEX IF NOT EXISTS events_by_age ON events (owner, at)")

    def take(self, event_id: str, owner: str, now: float) -> bool | None:
        with self._transaction() as file:
            file.execute("DELETE FROM events WHERE owner IS NULL AND at < ?", (now - self._max_age,))
            # Claims of dead processes whose events never arrived again.
            given_up = now - max(self._max_age, self._lease)
            file.execute("DELETE FROM events WHERE owner IS NOT NULL AND at < ?", (given_up,))
            row = file.execute("SELECT owner, at FROM events WHERE id = ?", (event_id,)).fetchone()
            if row is not None:
                holder, since = row
                if holder is None:
                    return False
                # abs: after the clock was set back, a claim from the future must not be valid for long.
                if abs(now - since) < self._lease:
                    return None
            file.execute("INSERT OR REPLACE INTO events VALUES (?, ?, ?)", (event_id, owner, now))
            return True

    def keep(self, event_id: str, now: float) -> None:
        with self._transaction() as file:
            # Even if another process claimed it after the lease ended: it was handled.
            file.execute("INSERT OR REPLACE INTO events VALUES (?, NULL, ?)", (event_id, now))
            file.execute(
                "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE owner IS NULL "
                "ORDER BY at, rowid LIMIT max(0, (SELECT count(*) FROM events WHERE owner IS NULL) - ?))",
                (self._max_ids,),
            )

    def forget(self, event_id: str, owner: str) -> None:
        with self._transaction() as file:
            file.execute("DELETE FROM events WHERE id = ? AND owner = ?", (event_id, owner))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        # A connection per use costs a fraction of a millisecond. A persistent one would belong to one thread, would
        # not survive a fork (which is how many servers start their workers), and would have to be closed.
        try:
            with closing(sqlite3.connect(self._path, timeout=_LOCKED, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")  # skipped after an exception: closing then rolls back
        except sqlite3.Error as error:
            raise type(error)(f"{self._path}: {error}") from error
