"""The receiver accepts only signed events and stores each once."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from demo.webhook_receiver import MAX_REQUEST_BYTES, EventLog, create_receiver, main
from hitl_webhooks import ReceivedEvent, generate_secret, sign

SECRET, OTHER = generate_secret(), generate_secret()
BODY = '{"type":"hitl_review.finalized","timestamp":"2026-03-04T05:06:07.000Z","data":{"é":"🎉\u2028\\n"}}'.encode()


class Client:
    """Calls an app without a socket; an exception in the app becomes a 500, as on a server."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def request(
        self,
        method: str,
        path: str,
        content: bytes = b"",
        headers: dict[bytes, bytes] | dict[str, str] | None = None,
    ) -> httpx.Response:
        async def run() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://receiver.invalid") as client:
                return await client.request(method, path, content=content, headers=headers)

        return asyncio.run(run())


def post(client: Client, event_id: str = "one", *, secret: str = SECRET, body: bytes = BODY) -> int:
    now = datetime.now(timezone.utc)
    headers = {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": sign(event_id=event_id, timestamp=now, body=body, secrets=[secret]),
    }
    return client.request("POST", "/webhooks", body, headers).status_code


def ids(client: Client) -> list[str]:
    return [event["id"] for event in client.request("GET", "/events").json()["events"]]


def test_event_is_stored_and_reported_once() -> None:
    told: list[ReceivedEvent] = []
    client = Client(create_receiver([OTHER, SECRET], on_event=told.append))
    assert [post(client, name) for name in ("one", "one", "two", "one")] == [204] * 4
    assert ids(client) == ["one", "two"]
    assert [event.id for event in told] == ["one", "two"]
    assert client.request("GET", "/events").json()["events"][0]["data"] == {"é": "🎉\u2028\n"} == told[0].data


def test_invalid_requests_are_refused_and_not_stored() -> None:
    told: list[ReceivedEvent] = []
    client = Client(create_receiver(SECRET, on_event=told.append))
    assert post(client, secret=OTHER) == 401
    assert post(client, body=b"[]") == 401
    answer = client.request("POST", "/webhooks", BODY)
    assert answer.status_code == 401
    assert answer.text.startswith("Missing header: webhook-id")
    now = str(int(datetime.now(timezone.utc).timestamp())).encode()
    garbage = {b"webhook-id": b"\xe9", b"webhook-timestamp": now, b"webhook-signature": b"v1,\xff\xfe nocomma"}
    assert client.request("POST", "/webhooks", BODY, garbage).status_code == 401
    assert ids(client) == []
    assert told == []


@pytest.mark.parametrize(("size", "status"), [(MAX_REQUEST_BYTES, 401), (MAX_REQUEST_BYTES + 1, 413)])
def test_size_limit(size: int, status: int) -> None:
    client = Client(create_receiver(SECRET))
    assert client.request("POST", "/webhooks", b"x" * size).status_code == status


def test_log_file_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    first = Client(create_receiver(SECRET, log=EventLog(path)))
    assert [post(first, name) for name in ("one", "two")] == [204, 204]
    told: list[ReceivedEvent] = []
    second = Client(create_receiver(SECRET, log=EventLog(path), on_event=told.append))
    assert second.request("GET", "/events").json() == first.request("GET", "/events").json()
    assert [post(second, name) for name in ("two", "three")] == [204, 204]
    assert ids(second) == ["one", "two", "three"]
    assert [event.id for event in told] == ["three"]
    assert len(path.read_bytes().splitlines()) == 3
    assert [event["id"] for event in EventLog(path).all()] == ["one", "two", "three"]


def test_event_is_not_stored_if_handling_fails(tmp_path: Path) -> None:
    failing, path = [True], tmp_path / "events.jsonl"

    def on_event(event: ReceivedEvent) -> None:
        if failing:
            raise RuntimeError(f"cannot handle {event.id}")

    app = create_receiver(SECRET, log=EventLog(path), on_event=on_event)
    client = Client(app)
    assert post(client) == 500
    assert ids(client) == []
    assert not path.exists()
    failing.clear()
    assert post(client) == 204
    assert ids(client) == ["one"]


def test_command_needs_a_secret(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("HITL_WEBHOOK_SECRET", raising=False)
    with pytest.raises(SystemExit):
        main([])
    assert "HITL_WEBHOOK_SECRET" in capsys.readouterr().err
