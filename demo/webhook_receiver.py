"""A small FastAPI receiver: verifies each event, detects duplicates, stores events.

The demo and the tests use it. Run it with::

    HITL_WEBHOOK_SECRET=whsec_... python demo/webhook_receiver.py --port 8090
"""

# No "from __future__ import annotations" here: the endpoint's annotation names a local variable, which FastAPI
# could not look up.

import argparse
import json
import os
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response

from hitl_webhooks.errors import InvalidSecretError
from hitl_webhooks.fastapi import verified_event
from hitl_webhooks.receive.duplicates import DuplicateGuard
from hitl_webhooks.receive.received import MAX_REQUEST_BYTES as MAX_REQUEST_BYTES  # the limit of this receiver
from hitl_webhooks.receive.received import ReceivedEvent


class EventLog:
    """The events received so far, each once; also written to a file, one JSON object per line.

    Args:
        path: file to append to; read at start, so that duplicates are detected after a restart.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._guard = DuplicateGuard()
        self._events: dict[str, dict[str, Any]] = {}
        self._torn = False
        if path is not None and path.exists():
            text = path.read_text(encoding="utf-8", errors="replace")
            self._torn = bool(text) and not text.endswith("\n")
            for line in text.splitlines():
                record = _read_record(line)
                if record is not None:
                    self._events[record["id"]] = record

    def add(self, event: ReceivedEvent, on_event: Callable[[ReceivedEvent], None] | None = None) -> bool:
        """Handle and store an event; returns False and does nothing if it is a duplicate.

        Two deliveries of the same event are handled one after the other, and so at most once. It is stored last:
        if ``on_event`` raises or the file cannot be written, it is not recorded, and the retry is handled.

        Raises:
            TimeoutError: another delivery of it is still being handled, see ``DuplicateGuard.claim``.
        """
        with self._guard.claim(event.id) as new:
            if not new or event.id in self._events:
                return False
            if on_event is not None:
                on_event(event)
            self._keep(event)
            return True

    def all(self) -> list[dict[str, Any]]:
        """Events in the order in which they were handled."""
        with self._lock:
            return list(self._events.values())

    def _keep(self, event: ReceivedEvent) -> None:
        record = {"id": event.id, "type": event.type, "timestamp": _iso(event.timestamp), "data": event.data}
        with self._lock:
            if self._path is not None:
                # A crash or full disk left a partial line: without a line break, this event would be lost too.
                start, self._torn = "\n" if self._torn else "", True
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(start + json.dumps(record, ensure_ascii=True) + "\n")
                self._torn = False
            self._events[event.id] = record


def create_receiver(
    secret: str | Sequence[str] | Callable[[], str | Sequence[str]],
    *,
    log: EventLog | None = None,
    on_event: Callable[[ReceivedEvent], None] | None = None,
) -> FastAPI:
    """Make the receiver.

    Args:
        secret: the endpoint's secret, several while one rotates, or a function that looks them up.
        log: stores the events; a new one in memory if not given.
        on_event: called once per event, in a worker thread; concurrently for several events. If it raises, the
            response is 500, the event is not stored, and the sender retries.

    Returns:
        An app with ``POST /webhooks`` (204; 401 for failed verification; 413 for a body over
        ``MAX_REQUEST_BYTES``) and ``GET /events`` (all events so far; for people and tests on loopback).

    Raises:
        InvalidSecretError: ``secret`` is malformed.
    """
    events = log if log is not None else EventLog()
    verified = verified_event(secret, max_bytes=MAX_REQUEST_BYTES)
    app = FastAPI(title="hitl-notebook webhook receiver")

    @app.exception_handler(HTTPException)
    def refuse(_: Request, error: HTTPException) -> Response:
        return Response(error.detail, status_code=error.status_code, media_type="text/plain")

    @app.post("/webhooks", status_code=204)
    def receive(event: Annotated[ReceivedEvent, Depends(verified)]) -> Response:
        events.add(event, on_event)
        return Response(status_code=204)

    @app.get("/events")
    def list_events() -> dict[str, Any]:
        return {"events": events.all()}

    return app


def _read_record(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None  # partial line, from a crash while writing: the sender retries its event
    return record if isinstance(record, dict) and isinstance(record.get("id"), str) else None


def _iso(value: datetime) -> str:
    spec = "microseconds" if value.microsecond % 1000 else "milliseconds"
    return value.isoformat(timespec=spec).replace("+00:00", "Z")


def main(argv: Sequence[str] | None = None) -> None:
    """Run a receiver on loopback; the secret comes from ``HITL_WEBHOOK_SECRET``."""
    import uvicorn

    parser = argparse.ArgumentParser(description="Receive and verify hitl-notebook webhooks.")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--log", type=Path, help="file to append the events to, one JSON object per line")
    arguments = parser.parse_args(argv)
    secrets = os.environ.get("HITL_WEBHOOK_SECRET", "").split()
    if not secrets:
        parser.error("set HITL_WEBHOOK_SECRET to the secret of the endpoint (whsec_...); two while one rotates")
    try:
        app = create_receiver(secrets, log=EventLog(arguments.log))
    except InvalidSecretError as error:
        parser.error(f"HITL_WEBHOOK_SECRET: {error}")
    uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()
