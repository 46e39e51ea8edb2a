"""Authentication and authorization: dependencies of the routes.

A mounted FastAPI app inherits no authentication from Airflow, so each route except ``/health`` has one of
these. If Airflow's security module cannot be imported, this module and the plugin fail to import: then no
route is served, rather than one without a check.
"""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, HTTPException, Query

from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db import auth
from airflow_hitl_review.server.db.auth import (
    BaseUser,
    Method,
    get_user,
    may_use_connection,
    team_names,
)
from airflow_hitl_review.server.db.mysql import findable_as_id
from airflow_hitl_review.server.db.transactions import transaction
from airflow_hitl_review.web.http.field_limits import MAP_INDEX_PATTERN, Id, MapIndex, OneId

CurrentUser = Annotated[BaseUser, Depends(get_user)]

_UNREPLACED = "{MAP_INDEX}"


def task_key(
    dag_id: Annotated[OneId, Query(description="DAG id")],
    run_id: Annotated[OneId, Query(description="DAG run id")],
    task_id: Annotated[OneId, Query(description="Task id")],
    map_index: Annotated[
        MapIndex, Query(description="Index of a mapped task instance; -1 if the task is not mapped")
    ] = "-1",
) -> TaskKey:
    """The task instance that the query names.

    Airflow leaves its placeholder ``{MAP_INDEX}`` in the links of a task that is not mapped: that means -1.
    ``~`` means "any DAG" to Airflow's own checks, so it is rejected, as is an empty id.
    """
    for name, value in (("dag_id", dag_id), ("run_id", run_id), ("task_id", task_id)):
        if not value or value == "~":
            raise HTTPException(400, f"{name} must name one {name.removesuffix('_id')}, not {value!r}.")
    dag_id, run_id, task_id = map(findable_as_id, (dag_id, run_id, task_id))
    return TaskKey(dag_id, run_id, task_id, _index(map_index))


def _index(map_index: str) -> int:
    if map_index == _UNREPLACED:
        return -1
    if not re.fullmatch(MAP_INDEX_PATTERN, map_index):
        raise HTTPException(422, f"map_index must be an integer from -1 to 999999999, not {map_index[:20]!r}.")
    return int(map_index)


def _allowed(user: BaseUser, dag_id: str, *methods: Method) -> bool:
    with transaction() as db:
        team = team_names(db, [dag_id])[dag_id]
    return all(auth.may(user, method, dag_id, team) for method in methods)


def may_read(user: BaseUser, key: TaskKey) -> bool:
    """Whether the caller may read the reviews of that task instance's DAG."""
    return _allowed(user, key.dag_id, "GET")


def may_decide(user: BaseUser, key: TaskKey) -> bool:
    """Whether the caller may both decide and read the reviews of that task instance's DAG.

    Airflow's auth managers can permit one without the other. But the response to a decision has the review, even
    if the decision is refused because it comes too late.
    """
    return _allowed(user, key.dag_id, "PUT", "GET")


def readable(user: CurrentUser, key: Annotated[TaskKey, Depends(task_key)]) -> TaskKey:
    """The task instance, if the caller may read its DAG's reviews; else 403."""
    if not may_read(user, key):
        raise HTTPException(403, f"You may not read the reviews of DAG {key.dag_id!r}.")
    return key


def decidable(user: CurrentUser, key: Annotated[TaskKey, Depends(task_key)]) -> TaskKey:
    """The task instance, if the caller may decide its DAG's reviews; else 403."""
    require_decidable(user, key)
    return key


def require_decidable(user: BaseUser, key: TaskKey) -> None:
    """403 unless the caller may decide the reviews of that task instance's DAG."""
    if not may_decide(user, key):
        raise HTTPException(403, f"You may not decide the reviews of DAG {key.dag_id!r}.")


def require_connection(user: BaseUser, conn_id: str | None) -> None:
    """403 unless the caller may make Airflow post to a connection, or (None) to an address of their own."""
    if not may_use_connection(user, conn_id):
        raise HTTPException(403, "You may not use Airflow's connections, so you may not test webhooks.")


def optional_task_key(
    user: CurrentUser,
    dag_id: Annotated[Id | None, Query(description="DAG id")] = None,
    run_id: Annotated[Id | None, Query(description="DAG run id; only with dag_id and task_id")] = None,
    task_id: Annotated[Id | None, Query(description="Task id; only with dag_id and run_id")] = None,
    map_index: Annotated[
        MapIndex, Query(description="Index of a mapped task instance; only with the three ids")
    ] = "-1",
) -> TaskKey | None:
    """The task instance that the query names, if it names one that the caller may read; else None."""
    _index(map_index)  # an invalid one is an error even if it is not needed
    if run_id is None and task_id is None:
        return None
    if dag_id is None or run_id is None or task_id is None:
        raise HTTPException(400, "Name one review by dag_id, run_id and task_id, or leave run_id and task_id out.")
    return readable(user, task_key(dag_id, run_id, task_id, map_index))


ReadableTask = Annotated[TaskKey, Depends(readable)]
DecidableTask = Annotated[TaskKey, Depends(decidable)]
OptionalTask = Annotated[TaskKey | None, Depends(optional_task_key)]
