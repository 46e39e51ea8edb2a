"""What the dispatcher needs besides XCom: connections, and a lock that all API servers share."""

from __future__ import annotations

import hashlib
from typing import Any

from airflow.exceptions import AirflowNotFoundException  # type: ignore[attr-defined]
from airflow.models.connection import Connection
from airflow.utils.session import create_session
from sqlalchemy import text
from sqlalchemy.orm import Session

from airflow_hitl_review.internals.people import connection_team, team_names


def load_connection(db: Session, conn_id: str, dag_id: str | None) -> Any:
    """Look up a connection as the API server sees it: secrets backends, environment, database.

    Args:
        db: an open session.
        conn_id: which one.
        dag_id: the DAG on whose behalf: its team's connections are found too. None for a person who may use this
            very connection.

    Raises:
        LookupError: there is none.
    """
    team = team_names(db, [dag_id])[dag_id] if dag_id is not None else connection_team(conn_id)
    try:
        # Airflow 3.1 has no teams, and no such argument.
        return Connection.get_connection_from_secrets(conn_id, **({"team_name": team} if team is not None else {}))
    except AirflowNotFoundException:
        raise LookupError(
            f"there is no connection {conn_id!r} where the API server looks for it. One that is defined in the "
            "workers' environment only must be defined in the API server's too"
        ) from None


class Exclusive:
    """A lock by name that one process at a time holds, among all that share the database.

    PostgreSQL's and MySQL's advisory locks; a process that dies gives its locks back. SQLite has none: there
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
        """Give the lock back; nothing happens if it is not held."""
        if self._context is None:
            return
        try:
            if self._dialect == "mysql":
                self._db.execute(text("SELECT RELEASE_LOCK(:n)"), {"n": f"hitl_review_{self._number}"})
        finally:
            context, self._context, self._db = self._context, None, None
            context.__exit__(None, None, None)
