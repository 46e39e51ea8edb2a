"""Who may do what, and who did."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, Protocol, cast

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.base_auth_manager import BaseAuthManager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import (
    ConnectionDetails,
    DagAccessEntity,
    DagDetails,
)
from airflow.api_fastapi.core_api.security import get_user
from airflow.configuration import conf
from airflow.models.connection import Connection
from airflow.models.dag import DagModel
from airflow.models.log import Log
from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_hitl_review.internals.tasks import TaskInstanceFacts

__all__ = ["BaseUser", "get_user"]

Method = Literal["GET", "PUT"]

_APP = "hitl_review"
"""Owner, in the audit log, of what no person has done."""


class Person(Protocol):
    """Somebody who does something: Airflow's ``BaseUser``, or who it says has done it."""

    def get_id(self) -> str:
        """As the auth manager knows them."""

    def get_name(self) -> str:
        """For people."""


def may(user: BaseUser, method: Method, dag_id: str, team_name: str | None) -> bool:
    """Whether the auth manager lets ``user`` read (GET) or decide (PUT) the reviews of a DAG."""
    manager = cast("BaseAuthManager[BaseUser]", get_auth_manager())
    return manager.is_authorized_dag(
        method=method,
        access_entity=DagAccessEntity.HITL_DETAIL,
        details=DagDetails(id=dag_id, team_name=team_name),
        user=user,
    )


def origins() -> list[str]:
    """Addresses whose pages may use Airflow's API in a browser, by Airflow's own settings."""
    return [str(conf.get("api", "base_url", fallback="")), *conf.getlist("api", "access_control_allow_origins")]


def everybody_is_logged_in() -> bool:
    """Whether SimpleAuthManager adds an administrator's token to each request by itself."""
    return bool(conf.getboolean("core", "simple_auth_manager_all_admins", fallback=False))


def team_names(db: Session, dag_ids: Sequence[str]) -> dict[str, str | None]:
    """The team of each DAG; None where it has none or teams are not in use."""
    if not dag_ids or not conf.getboolean("core", "multi_team", fallback=False):
        return dict.fromkeys(dag_ids)
    known = DagModel.get_dag_id_to_team_name_mapping(list(dag_ids), session=db)
    return {dag_id: known.get(dag_id) for dag_id in dag_ids}


def write_audit_log(
    db: Session, task_instance: TaskInstanceFacts, *, event: str, user: Person | None, extra: Mapping[str, Any]
) -> None:
    """Add an entry to Airflow's audit log; it stays when a retry clears the XComs. No ``user``: it was this app."""
    key = task_instance.key
    owner = user.get_name() if user is not None else _APP
    db.add(
        Log(
            event=event,
            owner=owner,
            owner_display_name=owner,
            extra=json.dumps(dict(extra)),
            dag_id=key.dag_id,
            run_id=key.run_id,
            task_id=key.task_id,
            map_index=key.map_index,
            try_number=task_instance.try_number,
        )
    )


def read_last_audit_entry(
    db: Session, task_instance: TaskInstanceFacts, events: Collection[str]
) -> tuple[str, dict[str, Any]] | None:
    """Event and ``extra`` of the last of these entries about this try of a task instance, by an index."""
    key = task_instance.key
    query = (
        select(Log.event, Log.extra)
        .where(
            Log.event.in_(events),
            Log.dag_id == key.dag_id,
            Log.run_id == key.run_id,
            Log.task_id == key.task_id,
            Log.map_index == key.map_index,
            Log.try_number == task_instance.try_number,
        )
        .order_by(Log.id.desc())
        .limit(1)
    )
    row = db.execute(query).one_or_none()
    return (row.event, json.loads(row.extra or "{}")) if row is not None else None


def connection_team(conn_id: str) -> str | None:
    """The team that a connection in the database belongs to; None for none, or where teams are not in use."""
    if not conf.getboolean("core", "multi_team", fallback=False):
        return None
    return Connection.get_team_name(conn_id)


def may_use_connection(user: BaseUser, conn_id: str | None) -> bool:
    """Whether ``user`` may make Airflow post to a connection, or (None) to an address of their own.

    The rights are those that Airflow's own connection test asks for: to make connections, and to read this one.
    """
    manager = cast("BaseAuthManager[BaseUser]", get_auth_manager())
    wanted = ConnectionDetails(conn_id=conn_id, team_name=connection_team(conn_id) if conn_id else None)
    methods: tuple[Literal["POST", "GET"], ...] = ("POST", "GET") if conn_id is not None else ("POST",)
    return all(manager.is_authorized_connection(method=m, details=wanted, user=user) for m in methods)
