"""Authorization checks through Airflow's auth manager."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal, cast

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
from sqlalchemy.orm import Session

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.models.batch_apis import IsAuthorizedDagRequest

__all__ = ["BaseUser", "get_user"]

Method = Literal["GET", "PUT"]

_IN_A_ROW = 0.02
"""Seconds during which authorization checks run sequentially: most take microseconds."""

_asking = ThreadPoolExecutor(200, thread_name_prefix="hitl-auth")
"""Runs authorization checks in parallel; its size limits the whole process, however many lists are read.

A list of 600 DAGs with 30 ms for each check needs three rounds.
"""


def _auth_manager() -> BaseAuthManager[BaseUser]:
    return cast("BaseAuthManager[BaseUser]", get_auth_manager())


def may(user: BaseUser, method: Method, dag_id: str, team_name: str | None) -> bool:
    """Whether the auth manager lets ``user`` read (GET) or decide (PUT) the reviews of a DAG."""
    return _auth_manager().is_authorized_dag(
        method=method,
        access_entity=DagAccessEntity.HITL_DETAIL,
        details=DagDetails(id=dag_id, team_name=team_name),
        user=user,
    )


def may_each(user: BaseUser, method: Method, teams: Mapping[str, str | None]) -> dict[str, bool]:
    """Whether ``user`` may do that with the reviews of each of those DAGs; ``teams`` maps a DAG id to its team.

    Some auth managers make a network request for each check. So this uses one batch check where the auth manager
    implements its own, and parallel checks for what the batch leaves open.
    """
    manager = _auth_manager()
    if len(teams) > 1 and type(manager).batch_is_authorized_dag is not BaseAuthManager.batch_is_authorized_dag:
        questions: list[IsAuthorizedDagRequest] = [
            {
                "method": method,
                "access_entity": DagAccessEntity.HITL_DETAIL,
                "details": DagDetails(id=dag_id, team_name=team),
            }
            for dag_id, team in teams.items()
        ]
        if manager.batch_is_authorized_dag(questions, user=user):
            return dict.fromkeys(teams, True)
    answers: dict[str, bool] = {}
    left = list(teams)
    # FAB's user is a row of its database session, which only one thread may use.
    is_of_this_thread = hasattr(user, "_sa_instance_state")
    end = time.monotonic() + _IN_A_ROW
    while left and (is_of_this_thread or time.monotonic() < end):
        dag_id = left.pop()
        answers[dag_id] = may(user, method, dag_id, teams[dag_id])
    if left:
        found = _asking.map(lambda dag_id: may(user, method, dag_id, teams[dag_id]), left)
        answers.update(zip(left, found, strict=True))
    return answers


def origins() -> list[str]:
    """Origins that may use Airflow's API in a browser, from Airflow's settings."""
    return [str(conf.get("api", "base_url", fallback="")), *conf.getlist("api", "access_control_allow_origins")]


def everybody_is_logged_in() -> bool:
    """Whether SimpleAuthManager adds an administrator's token to each request."""
    return bool(conf.getboolean("core", "simple_auth_manager_all_admins", fallback=False))


def team_names(db: Session, dag_ids: Sequence[str]) -> dict[str, str | None]:
    """The team of each DAG; None where it has none or teams are not in use."""
    if not dag_ids or not conf.getboolean("core", "multi_team", fallback=False):
        return dict.fromkeys(dag_ids)
    known = DagModel.get_dag_id_to_team_name_mapping(list(dag_ids), session=db)
    return {dag_id: known.get(dag_id) for dag_id in dag_ids}


def connection_team(conn_id: str) -> str | None:
    """The team that a connection in the database belongs to; None for none, or where teams are not in use."""
    if not conf.getboolean("core", "multi_team", fallback=False):
        return None
    return Connection.get_team_name(conn_id)


def may_use_connection(user: BaseUser, conn_id: str | None) -> bool:
    """Whether ``user`` may make Airflow post to a connection, or (None) to an address of their own.

    Requires the same permissions as Airflow's connection test: to create connections, and to read this one.
    """
    manager = _auth_manager()
    wanted = ConnectionDetails(conn_id=conn_id, team_name=connection_team(conn_id) if conn_id else None)
    methods: tuple[Literal["POST", "GET"], ...] = ("POST", "GET") if conn_id is not None else ("POST",)
    return all(manager.is_authorized_connection(method=m, details=wanted, user=user) for m in methods)
