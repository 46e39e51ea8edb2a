"""Every route of the app requested by every caller, on a real API server with each of Airflow's auth managers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compatibility.conftest import need_python
from tests.compatibility.environments import FAB
from tests.security.asking import Asked, asking
from tests.security.callers import FAB_PEOPLE, SIMPLE_PEOPLE, callers
from tests.security.routes import ROUTES, Right, routes_of
from tests.security.servers import fab_server, simple_server
from tests.security.table import check, table
from tests.support.migrated import Migrated

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]  # the first run creates an environment


@pytest.fixture(scope="module")
def simple(folder: Path, migrated: Migrated) -> Iterator[Asked]:
    """The answers with SimpleAuthManager."""
    migrated.sqlite(folder / "security_simple", filled=True)
    with simple_server(folder / "security_simple") as server, asking(server) as asked:
        asked.ask_all(callers(server, SIMPLE_PEOPLE))
        yield asked


@pytest.fixture(scope="module")
def fab(folder: Path) -> Iterator[Asked]:
    """The answers with FAB's auth manager."""
    need_python(FAB)
    with fab_server(folder / "security_fab") as server, asking(server) as asked:
        asked.ask_all(callers(server, FAB_PEOPLE))
        yield asked


@pytest.fixture(params=["simple", "fab"])
def asked(request: pytest.FixtureRequest) -> Asked:
    """The answers with each of both."""
    found: Asked = request.getfixturevalue(request.param)
    return found


def test_all_routes_are_covered(asked: Asked) -> None:
    """The kind of a new route must be declared in ``ROUTES``."""
    assert routes_of(asked.server) == {(route.method, route.path) for route in ROUTES}


def test_each_caller_gets_the_expected_answer(asked: Asked) -> None:
    wrong = {
        f"{caller.name}: {route.name}": (seen, wanted)
        for (caller, route), seen in asked.answers.items()
        if seen != (wanted := route.kind.to(caller.right))
    }
    assert wrong == {}, "what was seen, and what it should be"
    assert {caller.right for caller, _ in asked.answers} == set(Right)


def test_anonymous_callers_reach_only_public_routes_and_login(asked: Asked) -> None:
    """The same without ``Kind``, so that no mistake in it opens a route."""
    open_to_all = {
        route.path
        for (caller, route), seen in asked.answers.items()
        if caller.right in (Right.NOT_LOGGED_IN, Right.FORGED) and seen.startswith("200")
    }
    assert open_to_all == {"/health", "/assets"}
    redirected = {
        route.path
        for (caller, route), seen in asked.answers.items()
        if caller.right is Right.NOT_LOGGED_IN and seen not in ("200", "401")
    }
    assert redirected == {"/chat", "/chat-by-task", "/inbox"}


def test_readers_change_nothing(asked: Asked) -> None:
    changed = {
        caller.right
        for (caller, route), seen in asked.answers.items()
        # A run of AG-UI without an answer only reads; ``tests/pages/test_ag_ui.py`` has those with one.
        if route.method not in ("GET", "mount") and route.path != "/ag-ui" and seen.startswith("2")
    }
    assert changed == {Right.DECIDE, Right.CONNECT}
    assert len(asked.refused) > 10
    assert asked.still_pending() == asked.refused
    tests = [event for event in asked.hook.events() if event.type == "hitl_review.delivery.test"]
    assert len(tests) == len({caller.name for caller, _ in asked.answers if caller.right is Right.CONNECT})


def test_users_of_another_dag_see_nothing_of_this_one(asked: Asked) -> None:
    server, params = asked.server, asked.server.params(asked.run_id)
    nothing = {"sessions": [], "total_entries": 0, "waiting": 0, "dag_ids": [], "being_made": []}
    assert server.call("GET", "/sessions", user="bob").json() == nothing
    assert server.call("GET", "/sessions", user="bob", params={"include_ended": True}).json() == nothing
    assert server.call("GET", "/sessions", user="bob", params={"dag_id": params["dag_id"]}).json() == nothing
    assert server.call("GET", "/deliveries", user="bob").json() == {"deliveries": [], "total_entries": 0}
    by_name = {"dag_id": params["dag_id"]}
    assert server.call("GET", "/deliveries", user="bob", params=by_name).json()["deliveries"] == []
    assert server.call("GET", "/deliveries", user="bob", params=params).status_code == 403
    # Nor whether such a review exists: the answer for a missing one is the same.
    other = server.params("no such run")
    assert server.call("GET", "/sessions/find", user="bob", params=other).status_code == 403


def test_table_in_the_docs(simple: Asked, fab: Asked) -> None:
    check(table({**simple.answers, **fab.answers}))
