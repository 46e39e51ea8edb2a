"""Data from hostile or broken peers must cause one of our errors and affect no one else."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from demo.webhook_receiver import EventLog
from hitl_webhooks import (
    DeliveryStatus,
    Endpoint,
    EndpointDelivery,
    Event,
    EventType,
    InvalidEndpointError,
    ReceivedEvent,
    WebhookVerificationError,
    deliver_to_all,
    generate_secret,
    sign,
    verify,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
EVENT = Event("abc", EventType.OUTPUT_READY, NOW, b'{"type":"t","timestamp":"x","data":{}}')


@pytest.mark.parametrize(
    ("timestamp", "signature", "body"),
    [
        ("253402300800", "v1,AAAA", b"{}"),
        ("999999999999", "v1,AAAA", b"{}"),
        (str(int(NOW.timestamp())), "v1,\ud800", b"{}"),
        (str(int(NOW.timestamp())), "", b"[" * 100_000),
    ],
)
def test_verify_raises_only_its_own_errors(timestamp: str, signature: str, body: bytes) -> None:
    secret = generate_secret()
    signature = signature or sign(event_id="abc", timestamp=NOW, body=body, secrets=[secret])
    headers = {"webhook-id": "abc", "webhook-timestamp": timestamp, "webhook-signature": signature}
    with pytest.raises(WebhookVerificationError):
        verify(body, headers, secret, now=NOW, tolerance=timedelta(minutes=5))


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:99999/", "http://host:x/", "http://host:0/", "ftp://host/", "/x"]
)
def test_invalid_endpoint_urls(url: str) -> None:
    with pytest.raises(InvalidEndpointError, match="must be absolute"):
        Endpoint("e", url)


@pytest.mark.parametrize("retry_after", ["\xb2", "9" * 400, "Mon, 02 Jan 2026 03:04:05 +9999999999999999"])
def test_endpoint_cannot_affect_another(retry_after: str) -> None:
    answers = {"/bad": [503], "/good": [500, 204]}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            queue = answers[self.path]
            self.send_response(queue.pop(0) if len(queue) > 1 else queue[0])
            self.send_header("Retry-After", retry_after)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            base = f"http://127.0.0.1:{server.server_port}"
            targets = [(Endpoint(p, base + p), EndpointDelivery(p)) for p in ("/bad", "/good")]
            deliver_to_all(EVENT, targets, bound=2.0)
        finally:
            server.shutdown()
            thread.join()
    bad, good = (delivery for _, delivery in targets)
    assert good.status is DeliveryStatus.DELIVERED
    assert good.attempts == 2
    assert bad.status is DeliveryStatus.PENDING
    assert bad.last_error == "answered 503 Service Unavailable"


def test_concurrent_duplicate_event_is_handled_once(tmp_path: Path) -> None:
    told: list[str] = []
    inside = threading.Event()
    path = tmp_path / "events.jsonl"
    path.write_text('{"id": "half a li')
    log = EventLog(path)

    def on_event(event: ReceivedEvent) -> None:
        told.append(event.id)
        inside.wait(0.2)

    event = ReceivedEvent("a", "t", NOW, NOW, {})
    threads = [threading.Thread(target=log.add, args=(event, on_event)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == ["a"]
