"""Keep the undelivered events of an earlier try when a new try of the task starts.

The dispatcher polls every second. A cleared task's XComs may be deleted sooner than that: 0.5 s were measured, and
4 of 12 cleared reviews lost their final event. So this middleware delays the request with which a worker starts a
try for a moment. That costs each start of a task three queries by primary key; one is for what an agent has begun
(``BEGUN_CALLS_KEY``), one for rescheduled tasks, see ``reschedule_recovery``.

Airflow answers that request with the keys of the XComs that the worker must delete. This middleware removes
undelivered events from that list: they stay in XCom, and cannot be lost when a process is killed. Where it is not
installed (the execution API is served separately, without the plugin), ``outbox_backup`` does what it can.

If it cannot be read whether a decision or a final event is still to be processed, the response is 503: workers
retry that on their own.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from airflow_hitl_review.core.stored import UnreadableXComError

if TYPE_CHECKING:  # every process that loads plugins imports this module, and a worker may not have starlette
    from starlette.types import ASGIApp, Message, Scope, Send

log = logging.getLogger(__name__)

_START = re.compile(r".*/execution/task-instances/([0-9a-f-]{36})/run")

CLEARED = "xcom_keys_to_clear"
"""Field of Airflow's response (``TIRunContext``), from 3.1 to 3.3: the keys that the worker deletes."""


class TryStart:
    """ASGI middleware of the API server.

    Args:
        app: what it passes requests on to.
        look: called in a thread with the task instance's id before the try starts; returns the keys of XComs that
            must not be deleted.
    """

    def __init__(self, app: ASGIApp, look: Callable[[str], Collection[str]]) -> None:
        self._app = app
        self._look = look

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        """Pass a request on, after calling ``look`` if it starts a try."""
        keep: Collection[str] = ()
        if scope["type"] == "http" and scope["method"] == "PATCH" and (start := _START.fullmatch(scope["path"])):
            try:
                keep = await asyncio.to_thread(self._look, start[1])
            except UnreadableXComError as error:
                await _try_again_later(send, error)
                return
            except Exception:
                log.exception("Checking what the earlier try has left failed; the new try starts anyway.")
        if not keep:
            await self._app(scope, receive, send)
            return
        # A response compressed by an inner app could not be read here.
        headers = [(name, value) for name, value in scope["headers"] if name.lower() != b"accept-encoding"]
        await self._app({**scope, "headers": headers}, receive, _Answer(send, keep).send)


async def _try_again_later(send: Send, error: UnreadableXComError) -> None:
    """Refuse the start, which would delete an unreadable review; the worker retries on its own."""
    text = (
        f"{error}. The task starts once this XCom can be read. If it stays unreadable, delete this XCom "
        "of the task."
    )
    log.error("A task is not started yet. %s", text)
    body = json.dumps({"detail": text}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class _Answer:
    """Removes some keys from the XComs to delete in a response."""

    def __init__(self, send: Send, keep: Collection[str]) -> None:
        self._send = send
        self._keep = keep
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        """Buffer a 200 response until it is complete; pass others on."""
        if message["type"] == "http.response.start" and message["status"] == 200:
            self._start = message
        elif message["type"] != "http.response.body" or self._start is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if message.get("more_body", False):
                return
            body = without(self._body, self._keep)
            headers = [(n, v) for n, v in self._start["headers"] if n.lower() != b"content-length"]
            headers.append((b"content-length", str(len(body)).encode()))
            await self._send({**self._start, "headers": headers})
            await self._send({"type": "http.response.body", "body": body})


def without(body: bytes, keep: Collection[str]) -> bytes:
    """Remove ``keep`` from the keys to delete in Airflow's response; an unexpected response stays unchanged."""
    try:
        answer = json.loads(body)
        keys = answer[CLEARED]
        answer[CLEARED] = [key for key in keys if key not in keep]
    except (ValueError, KeyError, TypeError):
        log.warning(
            "Airflow's answer to the start of a task is not as expected: undelivered events may be deleted."
        )
        return body
    return json.dumps(answer).encode()
