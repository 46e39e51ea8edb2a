"""Who may do what, and who did."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

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

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.models.batch_apis import IsAuthorizedDagRequest

__all__ = ["BaseUser", "get_user"]

Method = Literal["GET", "PUT"]

_IN_A_ROW = 0.02
"""Seconds in which questions to the auth manager are asked one after the other: most take microseconds."""

_asking = ThreadPoolExecutor(16, thread_name_prefix="hitl-auth")
"""Asks an auth manager several questions at the same time: so many of this process, however many lists are read."""

_ID = "task_instance_id"
"""In ``extra`` of an entry; those that version 0.1.0 wrote have only the number of the try."""

_APP = "hitl_review"
"""Owner, in the audit log, of what no person has done."""


class Person(Protocol):
    """Somebody who does something: Airflow's ``BaseUser``, or who it says has done it."""

    def get_id(self) -> str:
        """As the auth manager knows them."""

    def get_name(self) -> str:
        """For people."""


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


def may_read_each(user: BaseUser, teams: Mapping[str, str | None]) -> dict[str, bool]:
    """Of each of those DAGs, given with its team, whether ``user`` may read its reviews.

    Some auth managers make a request over the network for each question. So all are asked about in one where the
    auth manager has a way of its own for that; and what that does not settle, at the same time.
    """
    manager = _auth_manager()
    if len(teams) > 1 and type(manager).batch_is_authorized_dag is not BaseAuthManager.batch_is_authorized_dag:
        questions: list[IsAuthorizedDagRequest] = [
            {
                "method": "GET",
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
        answers[dag_id] = may(user, "GET", dag_id, teams[dag_id])
    if left:
        found = _asking.map(lambda dag_id: may(user, "GET", dag_id, teams[dag_id]), left)
        answers.update(zip(left, found, strict=True))
    return answers


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
            extra=json.dumps({**extra, _ID: task_instance.id}),
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
    """Event and ``extra`` of the last of these entries about a task instance, if it is about this id of it.

    Not by the number of the try: a task whose worker died before it could start goes on under the same id and the
    next number, with a decision that was taken before.
    """
    key = task_instance.key
    query = (
        select(Log.event, Log.extra, Log.try_number)
        .where(
            Log.event.in_(events),
            Log.dag_id == key.dag_id,
            Log.run_id == key.run_id,
            Log.task_id == key.task_id,
            Log.map_index == key.map_index,
        )
        .order_by(Log.id.desc())
        .limit(1)
    )
    row = db.execute(query).one_or_none()
    if row is None:
        return None
    extra = json.loads(row.extra or "{}")
    about = extra.get(_ID)
    is_this_one = about == task_instance.id if about is not None else row.try_number == task_instance.try_number
    return (row.event, extra) if is_this_one else None


def connection_team(conn_id: str) -> str | None:
    """The team that a connection in the database belongs to; None for none, or where teams are not in use."""
    if not conf.getboolean("core", "multi_team", fallback=False):
        return None
    return Connection.get_team_name(conn_id)


def may_use_connection(user: BaseUser, conn_id: str | None) -> bool:
    """Whether ``user`` may make Airflow post to a connection, or (None) to an address of their own.

    The rights are those that Airflow's own connection test asks for: to make connections, and to read this one.
    """
    manager = _auth_manager()
    wanted = ConnectionDetails(conn_id=conn_id, team_name=connection_team(conn_id) if conn_id else None)
    methods: tuple[Literal["POST", "GET"], ...] = ("POST", "GET") if conn_id is not None else ("POST",)
    return all(manager.is_authorized_connection(method=m, details=wanted, user=user) for m in methods)
