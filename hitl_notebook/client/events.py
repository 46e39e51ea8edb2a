"""The events of AG-UI about a review, as they come."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import requests

from hitl_notebook.client.sending import reason_of
from hitl_notebook.client.transport import Transport, detail_of
from hitl_notebook.errors import ConnectionFailedError, ServerError
from hitl_notebook.records import ReviewKey

LONGEST_SILENCE = 60.0
"""Seconds without a byte after which a stream counts as broken; the server sends one at least every 15."""


def events_of(transport: Transport, key: ReviewKey) -> Iterator[dict[str, Any]]:
    """Follow a review until it waits for a decision or has ended; see ``Client.stream``."""
    thread_id = uuid.uuid4().hex
    while True:
        event: dict[str, Any] = {}
        for event in _run(transport, key, thread_id):
            yield event
        # The server ends a run after some minutes, to look at the token again; the next run goes on.
        if (event.get("outcome") or {}).get("type") != "cancelled":
            return


def _run(transport: Transport, key: ReviewKey, thread_id: str) -> Iterator[dict[str, Any]]:
    answer = transport.request(
        "POST",
        "/ag-ui",
        params=key._asdict(),
        json={"threadId": thread_id, "runId": uuid.uuid4().hex, "messages": []},
        headers={"Accept": "text/event-stream"},
        expected=(404,),
        stream=True,
        timeout=LONGEST_SILENCE,
    )
    with answer:
        if answer.status_code == 404:
            raise ServerError(
                f"{transport.where} has no events ({detail_of(answer)}): hitl-notebook's plugin there is older "
                "than this client, or not installed. Update it and restart that API server."
            )
        last = ""
        try:
            for line in answer.iter_lines(chunk_size=None):
                if line.startswith(b"data:"):
                    event: dict[str, Any] = json.loads(line[5:])
                    last = str(event.get("type", ""))
                    yield event
        except requests.RequestException as error:
            raise ConnectionFailedError(f"The stream from {transport.url} broke off: {reason_of(error)}.") from None
    if last not in ("RUN_FINISHED", "RUN_ERROR"):
        raise ConnectionFailedError(f"The stream from {transport.url} ended early: perhaps the API server stopped.")
