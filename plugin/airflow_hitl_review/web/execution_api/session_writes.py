"""What the API server does when a worker writes a session: ignore a repeat, and record a decision of the worker's.

Airflow's client in a worker retries a request if it got no response, because the API server was killed or took too
long, even if the request was processed. If that was the write of a session, reviewers see it from then on, and a
quick reviewer's decision was confirmed before the retry set the session back to pending. Two reviewers approved one
output that way.

So this middleware checks such requests. If XCom already has the same session, or one that a decision changed, it
makes Airflow read the XCom instead, which checks the worker's token as well, and answers that it was written.

Before the worker hears that its session was written, that is looked at once more: a decision that nobody made goes
into the audit log, which a worker cannot write. If this process is killed before, the worker repeats the request.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote

from airflow_hitl_review.core.schema import SESSION_KEY
from airflow_hitl_review.core.task_key import TaskKey

if TYPE_CHECKING:  # every process that loads plugins imports this module, and a worker may not have starlette
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

_WRITE = re.compile(rf".*/execution/xcoms/([^/]+)/([^/]+)/([^/]+)/{SESSION_KEY}")
_WRITTEN = b'{"message":"XCom successfully set"}'


class SessionWrites:
    """ASGI middleware of the API server.

    Args:
        app: what it passes requests on to.
        is_repeated: whether XCom already has this; called in a thread with the task instance and the body.
        written: called likewise, once Airflow has stored it.
    """

    def __init__(
        self,
        app: ASGIApp,
        is_repeated: Callable[[TaskKey, bytes], bool],
        written: Callable[[TaskKey, bytes], None],
    ) -> None:
        self._app = app
        self._is_repeated = is_repeated
        self._written = written

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, unchanged or as a read."""
        key = _session_of(scope)
        if key is None:
            await self._app(scope, receive, send)
            return
        body = await _body(receive)
        if await self._was_done(key, body):
            log.info(
                "A worker has repeated a write of a session of %s that had succeeded; the repeat is ignored.", key
            )
            await self._app({**scope, "method": "GET"}, _once(b""), _Written(send).send)
            return

        async def recorded(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 201:
                await self._record(key, body)
            await send(message)

        await self._app(scope, _once(body), recorded)

    async def _record(self, key: TaskKey, body: bytes) -> None:
        try:
            await asyncio.to_thread(self._written, key, body)
        except Exception:
            log.exception("Looking at a session of %s that its worker has written failed.", key)

    async def _was_done(self, key: TaskKey, body: bytes) -> bool:
        try:
            return await asyncio.to_thread(self._is_repeated, key, body)
        except Exception:
            log.exception("Checking whether a session of %s had already been written failed; writing it.", key)
            return False


class _Written:
    """Replaces the response of a successful read by that of a write; passes others on unchanged."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._is_told = False

    async def send(self, message: Message) -> None:
        """Pass a response on."""
        if self._is_told:
            return
        if message["type"] == "http.response.start" and message["status"] == 200:
            self._is_told = True
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(_WRITTEN)).encode())]
            await self._send({"type": "http.response.start", "status": 201, "headers": headers})
            await self._send({"type": "http.response.body", "body": _WRITTEN})
        else:
            await self._send(message)


def _session_of(scope: Scope) -> TaskKey | None:
    """The task instance whose session a request writes; None for any other request."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    found = _WRITE.fullmatch((scope.get("raw_path") or scope["path"].encode()).decode("ascii", "replace"))
    if found is None:
        return None
    index = parse_qs(scope["query_string"].decode("ascii", "replace")).get("map_index", ["-1"])[0]
    dag_id, run_id, task_id = map(unquote, found.groups())
    return TaskKey(dag_id, run_id, task_id, int(index) if re.fullmatch(r"-?\d{1,9}", index) else -1)


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message["type"] == "http.request" and message.get("more_body", False)
    return body


def _once(body: bytes) -> Receive:
    """Replays a body that was already read, and then waits like a client that stays connected."""
    left = [body]

    async def receive() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        await asyncio.Event().wait()
        raise AssertionError

    return receive
