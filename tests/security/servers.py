"""API servers with each of Airflow's auth managers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.compatibility.environments import FAB, environment
from tests.conftest import DAGS
from tests.security.callers import SIMPLE_USERS
from tests.support.api_server import DAG_ID, ReviewServer, review_server

FAB_MANAGER = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
OTHER_DAG = "other_work"

_ROLES = {
    "pub": "Public",
    "bob": "only_another_dag",
    "nil": "this_dag_without_reviews",
    "una": "this_dag_to_edit_unread",
    "viv": "Viewer",
    "ron": "this_dag_to_read",
    "ann": "User",
    "edi": "this_dag_to_edit",
    "opa": "Op",
}


def _on_dag(dag_id: str, *methods: str) -> list[tuple[str, str]]:
    return [(method, f"DAG:{dag_id}") for method in methods]


_READ, _EDIT = "can_read", "can_edit"
_DETAILS = [(_READ, "HITL Detail"), (_EDIT, "HITL Detail")]
_NEW_ROLES = {
    "only_another_dag": [*_DETAILS, *_on_dag(OTHER_DAG, _READ, _EDIT, "can_delete")],
    "this_dag_without_reviews": [(_READ, "Task Instances"), *_on_dag(DAG_ID, _READ, _EDIT, "can_delete")],
    "this_dag_to_edit_unread": [*_DETAILS, *_on_dag(DAG_ID, _EDIT)],
    "this_dag_to_read": [*_DETAILS, *_on_dag(DAG_ID, _READ)],
    "this_dag_to_edit": [*_DETAILS, *_on_dag(DAG_ID, _READ, _EDIT)],
}


@contextmanager
def simple_server(home: Path) -> Iterator[ReviewServer]:
    """A server with SimpleAuthManager and teams; the database in ``home`` is migrated."""
    with review_server(home, DAGS, "", migrate=False, api_workers=1, users=SIMPLE_USERS) as server:
        yield server


@contextmanager
def fab_server(home: Path) -> Iterator[ReviewServer]:
    """A server with FAB's auth manager; users and roles are created over its API, as administrators do."""
    settings = {"AIRFLOW__CORE__AUTH_MANAGER": FAB_MANAGER}
    programs = environment(FAB)
    with review_server(
        home, DAGS, "", api_workers=1, programs=programs, settings=settings, users={}, teams=False
    ) as server:
        _add_people(server)
        yield server


def _add_people(server: ReviewServer) -> None:
    names = ["--firstname", "a", "--lastname", "b", "--email", "admin@example.org"]
    wanted = ["--username", "admin", "--password", "admin", "--role", "Admin", *names]
    server.airflow.run("airflow", "users", "create", *wanted)
    for role, permissions in _NEW_ROLES.items():
        actions = [{"action": {"name": action}, "resource": {"name": name}} for action, name in permissions]
        _make(server, "roles", {"name": role, "actions": actions})
    for name, role in _ROLES.items():
        person = {"username": name, "password": name, "email": f"{name}@example.org"}
        _make(server, "users", {**person, "first_name": name, "last_name": "b", "roles": [{"name": role}]})


def _make(server: ReviewServer, what: str, body: object) -> None:
    answer = requests.post(
        f"{server.airflow.url}/auth/fab/v1/{what}",
        json=body,
        headers={"Authorization": f"Bearer {server.token('admin')}"},
        timeout=30,
    )
    assert answer.ok, answer.text
