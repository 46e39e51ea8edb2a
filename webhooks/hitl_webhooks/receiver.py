"""A small FastAPI receiver: verifies each event, tells repeats apart, keeps what it saw.

The demo and the tests use it; it also shows what a receiver of your own has to do. Needs
``pip install "hitl-notebook[receiver]"``. Run it with::

    HITL_WEBHOOK_SECRET=whsec_... python -m hitl_webhooks.receiver --port 8090
"""

from __future__ import annotations

import argparse
import json
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hitl_webhooks.errors import WebhookVerificationError
from hitl_webhooks.signing import ReceivedEvent, verify

try:
    from fastapi import FastAPI, Request, Response
    from fastapi.concurrency import run_in_threadpool
except ImportError as missing:
    raise ImportError(
        'hitl_webhooks.receiver needs FastAPI. Install it with: pip install "hitl-notebook[receiver]"'
    ) from missing

MAX_REQUEST_BYTES = 256_000


class EventLog:
    """The events received so far, each once; also written to a file, one JSON object per line.

    Args:
        path: file to append to; read at start, so that a restarted receiver still knows a repeat.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._events: dict[str, dict[str, Any]] = {}
        if path is not None and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    event = json.loads(line)
                except ValueError:
                    continue  # half a line, from a crash while it was written: its event comes again
                self._events[event["id"]] = event

    def add(self, event: ReceivedEvent, on_event: Callable[[ReceivedEvent], None] | None = None) -> bool:
        """Handle and keep an event; False, and nothing is done, if it is a repeat.

        One event at a time, so that two deliveries of the same one are handled once. It is kept last: if
        ``on_event`` raises or the file cannot be written, it is not known yet, and comes again.
        """
        with self._lock:
            if event.id in self._events:
                return False
            if on_event is not None:
                on_event(event)
            record = {"id": event.id, "type": event.type, "timestamp": event.timestamp, "data": event.data}
            if self._path is not None:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record, ensure_ascii=True) + "\n")
            self._events[event.id] = record
            return True

    def all(self) -> list[dict[str, Any]]:
        """Events in the order of their arrival."""
        with self._lock:
            return list(self._events.values())


def create_receiver(
    secret: str | Sequence[str],
    *,
    log: EventLog | None = None,
    on_event: Callable[[ReceivedEvent], None] | None = None,
) -> FastAPI:
    """Make the receiver.

    Args:
        secret: the endpoint's secret, or several while one rotates.
        log: where events are kept; a new one in memory if not given.
        on_event: called once per event, in a worker thread. If it raises, the answer is 500, the event is
            not kept, and the sender tries again.

    Returns:
        An app with ``POST /webhooks`` (204; 401 for what is not ours; 413 for a body over
        ``MAX_REQUEST_BYTES``) and ``GET /events`` (all events so far; for people and tests on loopback).
    """
    events = log if log is not None else EventLog()
    app = FastAPI(title="hitl-notebook webhook receiver")

    @app.post("/webhooks", status_code=204)
    async def receive(request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_REQUEST_BYTES:
                return Response("The body is too large.", status_code=413)
        try:
            event = verify(body, request.headers, secret)
        except WebhookVerificationError as error:
            return Response(str(error), status_code=401)
        await run_in_threadpool(events.add, event, on_event)
        return Response(status_code=204)

    @app.get("/events")
    def list_events() -> dict[str, Any]:
        return {"events": events.all()}

    return app


def main(argv: Sequence[str] | None = None) -> None:
    """Run a receiver on loopback; the secret comes from ``HITL_WEBHOOK_SECRET``."""
    import uvicorn

    parser = argparse.ArgumentParser(description="Receive and verify hitl-notebook webhooks.")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--log", type=Path, help="file to append the events to, one JSON object per line")
    arguments = parser.parse_args(argv)
    secret = os.environ.get("HITL_WEBHOOK_SECRET")
    if not secret:
        parser.error("set HITL_WEBHOOK_SECRET to the secret of the endpoint (whsec_...)")
    uvicorn.run(
        create_receiver(secret, log=EventLog(arguments.log)),
        host="127.0.0.1",
        port=arguments.port,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
