"""Limits a body's size over all its ASGI messages: a client cannot control how a server splits a body."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from fastapi import HTTPException
from starlette.types import Message, Receive, Scope, Send

from airflow_hitl_review.web.http.field_limits import MAX_BODY_BYTES
from airflow_hitl_review.web.http.request_limits import LimitedBodies


async def read_all(_: Scope, receive: Receive, __: Send) -> None:
    while (await receive()).get("more_body", False):
        pass


def read_through_limit(*sizes: int) -> None:
    """Have an app read a body in chunks of these sizes; after the last one, the client only waits."""

    async def pieces(left: Iterable[int]) -> None:
        coming = list(left)

        async def receive() -> Message:
            if not coming:
                await asyncio.Event().wait()
            return {"type": "http.request", "body": b"x" * coming.pop(0), "more_body": bool(coming)}

        async def send(_: Message) -> None:
            raise AssertionError

        scope = {"type": "http", "headers": []}
        await asyncio.wait_for(LimitedBodies(read_all)(scope, receive, send), 10)

    asyncio.run(pieces(sizes))


@pytest.mark.parametrize("sizes", [(MAX_BODY_BYTES,), (MAX_BODY_BYTES - 1, 1), (0,)])
def test_body_up_to_the_limit_is_read(sizes: tuple[int, ...]) -> None:
    read_through_limit(*sizes)


@pytest.mark.parametrize("sizes", [(MAX_BODY_BYTES + 1,), (MAX_BODY_BYTES, 1), (MAX_BODY_BYTES, 1, 1, 0)])
def test_body_beyond_the_limit_is_rejected_immediately(sizes: tuple[int, ...]) -> None:
    with pytest.raises(HTTPException) as refused:
        read_through_limit(*sizes)
    assert refused.value.status_code == 413
