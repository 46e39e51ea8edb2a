"""Look at a task instance just before a new try of it starts, and keep what the earlier one has left to deliver.

The dispatcher looks every second. Between the clearing of a task and the deletion of its XComs there may be less:
0.5 s were measured, and 4 of 12 cleared reviews lost their final event. So the request with which a worker begins
a try is held up for a moment. That costs each start of a task two queries by primary key; the other one is about
what was rescheduled, see ``reschedule_recovery``.

Airflow answers that request with the keys of the XComs that the worker is to delete. Undelivered events are taken
out of that list: so they stay where they are, and no process that is killed can lose them. Where this is not on the
way (the execution API is served by itself, without the plugin), ``outbox_backup`` does what it can.

Where it cannot be read whether a decision or an end is still to be told, the request is answered with 503: workers
repeat that by themselves.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from airflow_hitl_review.core.review import UnreadableXComError

if TYPE_CHECKING:  # each process that has plugins imports this, and a worker need not have it
    from starlette.types import ASGIApp, Message, Scope, Send

log = logging.getLogger(__name__)

_START = re.compile(r".*/execution/task-instances/([0-9a-f-]{36})/run")

CLEARED = "xcom_keys_to_clear"
"""Field of Airflow's answer (``TIRunContext``), from 3.1 to 3.3: the keys that the worker deletes."""


class TryStart:
    """ASGI middleware of the API server.

    Args:
        app: what it passes requests on to.
        look: called with the task instance's id before the try starts, in a thread; returns the keys of XComs that
            must not be deleted.
    """

    def __init__(self, app: ASGIApp, look: Callable[[str], Collection[str]]) -> None:
        self._app = app
        self._look = look

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        """Pass a request on, at once or after a look."""
        keep: Collection[str] = ()
        if scope["type"] == "http" and scope["method"] == "PATCH" and (start := _START.fullmatch(scope["path"])):
            try:
                keep = await asyncio.to_thread(self._look, start[1])
            except UnreadableXComError as error:
                await _try_again_later(send, error)
                return
            except Exception:
                log.exception("Looking at what the earlier try left failed; the new one starts all the same.")
        if not keep:
            await self._app(scope, receive, send)
            return
        # An answer that is compressed further inside could not be read here.
        headers = [(name, value) for name, value in scope["headers"] if name.lower() != b"accept-encoding"]
        await self._app({**scope, "headers": headers}, receive, _Answer(send, keep).send)


async def _try_again_later(send: Send, error: UnreadableXComError) -> None:
    """Refuse the start: it would delete a review that nobody could read. The worker asks again by itself."""
    text = f"{error}. The task starts once it can be read. If it never can be, delete that XCom of the task."
    log.error("A task is not started yet. %s", text)
    body = json.dumps({"detail": text}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class _Answer:
    """The answer on its way out, without some of the keys that are to be deleted."""

    def __init__(self, send: Send, keep: Collection[str]) -> None:
        self._send = send
        self._keep = keep
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        """Hold an answer of 200 back until it is whole; let all else pass."""
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
    """Airflow's answer, with ``keep`` not among the keys to delete; one that is not as expected stays as it is."""
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
