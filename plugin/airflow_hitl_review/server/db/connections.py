"""Airflow's connections, as the API server sees them."""

from __future__ import annotations

from typing import Any

from airflow.exceptions import AirflowNotFoundException  # type: ignore[attr-defined]
from airflow.models.connection import Connection
from sqlalchemy.orm import Session

from airflow_hitl_review.server.db.auth import connection_team, team_names


def load_connection(db: Session, conn_id: str, dag_id: str | None) -> Any:
    """Look up a connection as the API server sees it: secrets backends, environment, database.

    Args:
        db: an open session.
        conn_id: the connection's id.
        dag_id: the DAG that needs it: the connections of its team are found too. None for a user who is
            authorized for this connection.

    Raises:
        LookupError: there is no such connection.
    """
    team = team_names(db, [dag_id])[dag_id] if dag_id is not None else connection_team(conn_id)
    try:
        # Airflow 3.1 has no teams, and no such argument.
        return Connection.get_connection_from_secrets(conn_id, **({"team_name": team} if team is not None else {}))
    except AirflowNotFoundException:
        raise LookupError(
            f"the API server finds no connection {conn_id!r}. If it is defined only in the workers' "
            "environment, define it in the API server's environment, too"
        ) from None
