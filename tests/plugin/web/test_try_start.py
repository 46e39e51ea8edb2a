"""The response to the start of a try omits XCom keys that must not be deleted."""

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

from airflow_hitl_review.core.stored import UnreadableXComError
from airflow_hitl_review.web.execution_api.try_start import CLEARED, TryStart, without

ID = "01a214c4-1b04-7c8d-a193-9c7c9d35f4de"
START = f"/execution/task-instances/{ID}/run"
KEYS = ["return_value", "airflow_hitl_review_webhook_a", "airflow_hitl_review_webhook_b"]
ANSWER = {CLEARED: KEYS, "max_tries": 1, "dag_run": {"run_id": "ä" * 2000}}


def ask(
    look: Any, *, outside: bool = False, answer: Response | None = None, method: str = "PATCH", path: str = START
) -> httpx.Response:
    """Call an app that responds as Airflow does; its GZip middleware is inside or outside of ours."""
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
def test_needed_keys_are_not_deleted(outside: bool) -> None:
    answer = ask(keeps(KEYS[1]), outside=outside)
    assert answer.json() == {**ANSWER, CLEARED: [KEYS[0], KEYS[2]]}


@pytest.mark.parametrize("outside", [True, False])
def test_response_is_unchanged_if_no_key_is_needed(outside: bool) -> None:
    answer = ask(keeps(), outside=outside)
    assert answer.json() == ANSWER
    assert answer.headers["content-encoding"] == "gzip"


@pytest.mark.parametrize(("method", "path"), [("GET", START), ("PATCH", START.replace("run", "state"))])
def test_other_requests_are_ignored(method: str, path: str) -> None:
    def look(_: str) -> Collection[str]:
        raise AssertionError

    assert ask(look, method=method, path=path).json() == ANSWER


@pytest.mark.parametrize("status", [404, 409, 500])
def test_error_response_is_unchanged(status: int) -> None:
    answer = ask(keeps(KEYS[1]), answer=JSONResponse(ANSWER, status))
    assert (answer.status_code, answer.json()) == (status, ANSWER)


@pytest.mark.parametrize("body", ["", "[]", "{}", "null", "no JSON", json.dumps({CLEARED: None})])
def test_unexpected_response_is_unchanged(body: str, caplog: pytest.LogCaptureFixture) -> None:
    assert without(body.encode(), KEYS) == body.encode()
    assert "not as expected" in caplog.text


def test_failed_lookup_does_not_block_the_task(caplog: pytest.LogCaptureFixture) -> None:
    def look(_: str) -> Collection[str]:
        raise RuntimeError("the database is away")

    assert ask(look).json() == ANSWER
    assert "the database is away" in caplog.text


def test_try_does_not_start_while_xcoms_are_unreadable() -> None:
    """Workers retry a request if the response is 503."""

    def look(task_instance_id: str) -> Collection[str]:
        raise UnreadableXComError("A value in XCom cannot be read at the moment: agent_session (OSError)")

    refused = ask(look)
    assert refused.status_code == 503
    assert "agent_session (OSError). The task starts once this XCom can be read." in refused.json()["detail"]
    assert ask(look, method="GET").json() == ANSWER
