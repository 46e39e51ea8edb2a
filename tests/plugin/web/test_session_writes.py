"""When Airflow's client repeats a worker's write of a session, that does not undo a decision."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, HTTPException, Request

from airflow_hitl_review.core.schema import AgentSession, Decision
from airflow_hitl_review.core.states import Action, SessionStatus
from airflow_hitl_review.core.stored import is_repeated
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.web.execution_api.session_writes import SessionWrites
from tests.plugin.task.test_operator import run
from tests.support.api_server import ROOT

AT = datetime(2026, 1, 1, tzinfo=timezone.utc)
WRITTEN = AgentSession(current_output="Draft 1", task_instance_id="a", created_at=AT, updated_at=AT)


def later(**changes: Any) -> AgentSession:
    return WRITTEN.model_copy(update={"updated_at": AT + timedelta(seconds=1), **changes})


DECISION = Decision(action=Action.APPROVE, iteration=1, at=AT)


@pytest.mark.parametrize(
    ("stored", "repeated"),
    [
        (None, False),
        (WRITTEN, True),
        (later(status=SessionStatus.APPROVED, decisions=[DECISION]), True),
        (later(), False),  # of the previous round; the write is of the next one
        (later(task_instance_id="b", decisions=[DECISION]), False),
    ],
)
def test_repeated_session_is_detected(stored: AgentSession | None, repeated: bool) -> None:
    assert is_repeated(WRITTEN, stored) is repeated


def test_session_that_the_worker_reopens_or_ends_is_not_a_repeat() -> None:
    asked = later(status=SessionStatus.CHANGES_REQUESTED, decisions=[DECISION])
    assert not is_repeated(later(decisions=[DECISION], updated_at=AT + timedelta(seconds=2)), asked)
    assert not is_repeated(later(status=SessionStatus.TIMEOUT_EXCEEDED), asked)


def test_next_output_of_the_providers_worker_is_not_a_repeat() -> None:
    """It does not know the decisions that our API stores in the session, nor the task instance id."""
    first = AgentSession(current_output="Draft 1")
    asked = first.model_copy(update={"status": SessionStatus.CHANGES_REQUESTED, "decisions": [DECISION]})
    assert not is_repeated(AgentSession(current_output="Draft 2", iteration=2, updated_at=AT), asked)
    assert is_repeated(first, asked)


PATH = "/execution/xcoms/d/a%2Bb%2Fc/t/airflow_hitl_review_agent_session"


def ask(
    answer: Any, *, method: str = "POST", path: str = PATH, token: str = "t"
) -> tuple[httpx.Response, list[Any]]:
    """Call an app that responds as Airflow does; returns the response and the requests that reached the app."""
    app, seen = FastAPI(), list[Any]()

    @app.api_route("/{path:path}", methods=["GET", "POST", "PATCH"])
    async def reached(path: str, request: Request) -> Any:
        seen.append((request.method, (await request.body()).decode()))
        if request.headers.get("authorization") != "Bearer t":
            raise HTTPException(403, "no")
        return {"key": "k", "value": "x" * 1000}

    app.add_middleware(SessionWrites, is_repeated=answer, written=lambda key, body: None)

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            headers = {"Authorization": f"Bearer {token}"}
            return await client.request(method, f"{path}?map_index=3", json={"a": 1}, headers=headers)

    return asyncio.run(asked()), seen


def test_repeated_write_gets_201_without_being_written() -> None:
    keys: list[Any] = []

    def repeated(key: TaskKey, body: bytes) -> bool:
        keys.append((key, json.loads(body)))
        return True

    answer, seen = ask(repeated)
    assert (answer.status_code, answer.json()) == (201, {"message": "XCom successfully set"})
    assert [method for method, _ in seen] == ["GET"]
    assert keys == [(TaskKey("d", "a+b/c", "t", 3), {"a": 1})]
    refused, seen = ask(repeated, token="other")
    assert (refused.status_code, refused.json()) == (403, {"detail": "no"})


def test_other_writes_are_passed_on_unchanged() -> None:
    def fail(key: TaskKey, body: bytes) -> bool:
        raise RuntimeError("the database is away")

    for look in (lambda key, body: False, fail):
        answer, seen = ask(look)
        assert answer.status_code == 200
        assert seen == [("POST", '{"a":1}')]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", PATH), ("PATCH", PATH), ("POST", PATH.replace("agent_session", "agent_output_1")), ("POST", "/other")],
)
def test_other_requests_are_not_checked(method: str, path: str) -> None:
    def never(key: TaskKey, body: bytes) -> bool:
        raise AssertionError

    _, seen = ask(never, method=method, path=path)
    assert [one for one, _ in seen] == [method]


@pytest.mark.parametrize("backend", ["", "tests.support.file_xcoms.FileXComs"])
def test_body_of_a_worker_is_read_through_the_xcom_backend(backend: str) -> None:
    run(f"""
        import json, os, sys
        sys.path.insert(0, {str(ROOT)!r})
        if {backend!r}:
            os.environ["AIRFLOW__CORE__XCOM_BACKEND"] = {backend!r}
        from airflow.sdk.execution_time.xcom import XCom
        from airflow_hitl_review.server.db.xcoms import session_in
        value = {WRITTEN.model_dump(mode="json")!r}
        written = XCom.serialize_value(value, key="k", task_id="t", dag_id="d", run_id="r", map_index=-1)
        session = session_in(json.dumps(written).encode())
        assert session.model_dump(mode="json") == value
        assert {bool(backend)!r} or session_in(b"5") is None
    """)
