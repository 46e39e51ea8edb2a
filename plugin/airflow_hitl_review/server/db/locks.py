"""A lock that all API servers share."""

from __future__ import annotations

import hashlib
from typing import Any

from airflow.utils.session import create_session
from sqlalchemy import text


class Exclusive:
    """A named lock that one process at a time holds, among all that share the database.

    Uses the advisory locks of PostgreSQL and MySQL; a process that dies releases its locks. SQLite has none: there
    ``acquire`` always succeeds, and only one process should serve.
    """

    def __init__(self, name: str) -> None:
        self._number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        self._context: Any = None
        self._dialect = ""
        self._db: Any = None

    def acquire(self) -> bool:
        """Take the lock if it is free; holds a database connection until ``release``."""
        context = create_session(scoped=False)
        db = context.__enter__()
        self._dialect = db.get_bind().dialect.name
        try:
            if self._dialect == "postgresql":
                free = db.scalar(text("SELECT pg_try_advisory_xact_lock(:n)"), {"n": self._number})
            elif self._dialect == "mysql":
                free = db.scalar(text("SELECT GET_LOCK(:n, 0)"), {"n": f"hitl_review_{self._number}"})
            else:
                free = True
        except BaseException:
            context.__exit__(None, None, None)
            raise
        if free and self._dialect != "sqlite":
            self._context, self._db = context, db
        else:
            context.__exit__(None, None, None)
        return bool(free)

    def release(self) -> None:
        """Release the lock; does nothing if it is not held."""
        if self._context is None:
            return
        try:
            if self._dialect == "mysql":
                self._db.execute(text("SELECT RELEASE_LOCK(:n)"), {"n": f"hitl_review_{self._number}"})
        finally:
            context, self._context, self._db = self._context, None, None
            context.__exit__(None, None, None)
