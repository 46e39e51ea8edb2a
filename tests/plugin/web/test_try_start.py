"""The answer to the start of a try, without the keys that must not be deleted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from starlette.middleware.gzip import GZipMiddleware

from airflow_hitl_review.core.review import UnreadableXComError
from airflow_hitl_review.web.execution_api.try_start import CLEARED, TryStart, without

ID = "01a214c4-1b04-7c8d-a193-9c7c9d35f4de"
START = f"/execution/task-instances/{ID}/run"
KEYS = ["return_value", "airflow_hitl_review_webhook_a", "airflow_hitl_review_webhook_b"]
ANSWER = {CLEARED: KEYS, "max_tries": 1, "dag_run": {"run_id": "ä" * 2000}}


def ask(
    look: Any, *, outside: bool = False, answer: Response | None = None, method: str = "PATCH", path: str = START
) -> httpx.Response:
    """Ask an app that answers as Airflow does, and compresses its answers further inside or further outside."""
    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "PATCH"])
    def run(path: str) -> Response:
        return answer or JSONResponse(ANSWER)

    middlewares: list[tuple[Any, dict[str, Any]]] = [
        (GZipMiddleware, {"minimum_size": 1000}),
        (TryStart, {"look": look}),
    ]
    for middleware, arguments in reversed(middlewares) if outside else middlewares:
        app.add_middleware(middleware, **arguments)

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.request(method, path)

    return asyncio.run(asked())


def keeps(*keys: str) -> Any:
    def look(task_instance_id: str) -> Collection[str]:
        assert task_instance_id == ID
        return keys

    return look


@pytest.mark.parametrize("outside", [True, False])
def test_what_is_needed_is_not_deleted(outside: bool) -> None:
    answer = ask(keeps(KEYS[1]), outside=outside)
    assert answer.json() == {**ANSWER, CLEARED: [KEYS[0], KEYS[2]]}


@pytest.mark.parametrize("outside", [True, False])
def test_where_nothing_is_needed_the_answer_stays(outside: bool) -> None:
    answer = ask(keeps(), outside=outside)
    assert answer.json() == ANSWER
    assert answer.headers["content-encoding"] == "gzip"


@pytest.mark.parametrize(("method", "path"), [("GET", START), ("PATCH", START.replace("run", "state"))])
def test_other_requests_are_not_looked_at(method: str, path: str) -> None:
    def look(_: str) -> Collection[str]:
        raise AssertionError

    assert ask(look, method=method, path=path).json() == ANSWER


@pytest.mark.parametrize("status", [404, 409, 500])
def test_an_error_passes_as_it_is(status: int) -> None:
    answer = ask(keeps(KEYS[1]), answer=JSONResponse(ANSWER, status))
    assert (answer.status_code, answer.json()) == (status, ANSWER)


@pytest.mark.parametrize("body", ["", "[]", "{}", "null", "no JSON", json.dumps({CLEARED: None})])
def test_an_answer_that_is_not_as_expected_stays(body: str, caplog: pytest.LogCaptureFixture) -> None:
    assert without(body.encode(), KEYS) == body.encode()
    assert "not as expected" in caplog.text


def test_a_look_that_fails_holds_no_task_up(caplog: pytest.LogCaptureFixture) -> None:
    def look(_: str) -> Collection[str]:
        raise RuntimeError("the database is away")

    assert ask(look).json() == ANSWER
    assert "the database is away" in caplog.text


def test_a_try_does_not_start_while_nobody_can_read_what_it_would_delete() -> None:
    """Workers repeat a request that is answered with 503."""

    def look(task_instance_id: str) -> Collection[str]:
        raise UnreadableXComError("What is in XCom cannot be read just now: agent_session (OSError)")

    refused = ask(look)
    assert refused.status_code == 503
    assert "agent_session (OSError). The task starts once it can be read." in refused.json()["detail"]
    assert ask(look, method="GET").json() == ANSWER
