"""Delivery against real servers on loopback."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
import respx
import uvicorn

from demo.processes import PATIENCE
from demo.webhook_receiver import create_receiver
from hitl_webhooks import (
    Attempt,
    DeliveryStatus,
    Endpoint,
    EndpointDelivery,
    Event,
    EventType,
    InvalidEndpointError,
    InvalidSecretError,
    deliver_to_all,
    generate_secret,
    verify,
)
from hitl_webhooks.send.delivery import attempt, deliver
from tests.support import hook_server

SECRET, OTHER = generate_secret(), generate_secret()
EVENT = Event(
    id="0b1f8c5e-5a0f-5f51-9d0c-0a0b0c0d0e0f",
    type=EventType.FINALIZED,
    timestamp=datetime(2026, 3, 4, tzinfo=timezone.utc),
    body='{"type":"hitl_review.finalized","timestamp":"2026-03-04T00:00:00.000Z","data":{"é":"🎉"}}'.encode(),
)
HANG = 0
"""In a script: accept the request and never answer."""


class ScriptedServer(ThreadingHTTPServer):
    """Answers requests to each path according to its script; the last line is repeated."""

    daemon_threads = False  # so that closing the server waits for its threads

    def __init__(self, script: dict[str, list[tuple[int, dict[str, str]]]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.closing = threading.Event()

    def endpoint(self, path: str, *secrets: str) -> Endpoint:
        return Endpoint(path, f"http://127.0.0.1:{self.server_port}{path}", secrets)

    def count(self, path: str) -> int:
        return sum(requested == path for requested, _, _ in self.requests)


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        number = self.server.count(self.path)
        self.server.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        script = self.server.script[self.path]
        status, headers = script[min(number, len(script) - 1)]
        if status == HANG:
            self.server.closing.wait(20)
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


@contextmanager
def serving(**script: list[int | tuple[int, dict[str, str]]]) -> Iterator[ScriptedServer]:
    lines = {"/" + path: [(a, {}) if isinstance(a, int) else a for a in s] for path, s in script.items()}
    server = ScriptedServer(lines)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        thread.join(5)
        server.server_close()


@contextmanager
def receiving(secret: str) -> Iterator[str]:
    """The demo's receiver under uvicorn; yields its base URL."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        app = create_receiver(secret)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(5)


@pytest.fixture(autouse=True)
def _no_proxy_and_no_thread_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    before = _threads()
    yield
    for thread in _threads() - before:
        thread.join(2)
    assert not _threads() - before


def _threads() -> set[threading.Thread]:
    """All threads except those of servers to which an API server of another test still delivers."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith(hook_server.THREADS)}


@pytest.fixture
def refusing_url() -> str:
    """A URL where nothing listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{closed.getsockname()[1]}/"


def run_deliver(
    endpoint: Endpoint, *, retries: tuple[float, ...] = (0.5, 2.0), bound: float = 10.0
) -> tuple[EndpointDelivery, list[float]]:
    """Deliver without waiting; returns the delivery and the requested pauses."""
    delivery, pauses = EndpointDelivery(endpoint.name), []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async def run() -> None:
        async with httpx.AsyncClient() as client:
            await deliver(client, endpoint, EVENT, delivery, bound=bound, retries=retries, sleep=sleep)

    asyncio.run(run())
    return delivery, pauses


def run_attempt(endpoint: Endpoint, *, timeout: float = 5.0, at: datetime | None = None) -> Attempt:
    async def run() -> Attempt:
        async with httpx.AsyncClient() as client:
            clock = (lambda: at) if at else (lambda: datetime.now(timezone.utc))
            return await attempt(client, endpoint, EVENT.id, EVENT.body, timeout=timeout, clock=clock)

    return asyncio.run(run())


@pytest.mark.parametrize("in_loop", [False, True])
def test_receiver_verifies_signed_delivery(in_loop: bool) -> None:
    with receiving(OTHER) as url:
        noted = EndpointDelivery("good"), EndpointDelivery("unsigned")
        targets = [
            (Endpoint("good", url + "/webhooks", (SECRET, OTHER)), noted[0]),
            (Endpoint("unsigned", url + "/webhooks"), noted[1]),
        ]

        async def call_within_a_loop() -> None:
            deliver_to_all(EVENT, targets, bound=2.4)

        if in_loop:
            asyncio.run(call_within_a_loop())
        else:
            deliver_to_all(EVENT, targets, bound=2.4)
        events = httpx.get(url + "/events").json()["events"]
    assert [(event["id"], event["data"]) for event in events] == [(EVENT.id, {"é": "🎉"})]
    assert (noted[0].status, noted[0].attempts, noted[0].last_error) == (DeliveryStatus.DELIVERED, 1, None)
    refused = "answered 401 Unauthorized: the request was not signed, as the endpoint has no secret"
    assert (noted[1].status, noted[1].last_error) == (DeliveryStatus.PENDING, refused)


@pytest.mark.parametrize(
    ("format_", "secrets", "hint"),
    [
        ("standard", (SECRET,), ": does the receiver have this endpoint's secret?"),
        ("standard", (), ": the request was not signed, as the endpoint has no secret"),
        ("slack", (), ""),
    ],
)
def test_refused_signature_error_has_a_hint(format_: str, secrets: tuple[str, ...], hint: str) -> None:
    with receiving(OTHER) as url:
        done = run_attempt(Endpoint("bad", url + "/webhooks", secrets, format=format_))
    assert done.error == f"answered 401 Unauthorized{hint}"


def test_request_on_the_wire() -> None:
    at = datetime(2026, 3, 4, 5, 6, 7, 999_999, tzinfo=timezone(timedelta(hours=2)))
    with serving(hook=[204], plain=[204]) as server:
        endpoint = server.endpoint("/hook", SECRET)
        sent = Endpoint("hook", endpoint.url, (SECRET, OTHER), {"authorization": "Bearer x"})
        assert run_attempt(sent, at=at).error is None
        assert run_attempt(server.endpoint("/plain")).status_code == 204
    (_, headers, body), (_, plain, _) = server.requests
    assert body == EVENT.body
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == "hitl-notebook"
    assert headers["authorization"] == "Bearer x"
    assert headers["webhook-id"] == EVENT.id
    assert headers["webhook-timestamp"] == str(int(at.timestamp()))
    for secret in (SECRET, OTHER):
        assert verify(body, headers, secret, now=at).id == EVENT.id
    assert "webhook-signature" not in plain
    assert plain["webhook-id"] == EVENT.id


def test_retried_with_the_same_id_and_body_until_delivered() -> None:
    with serving(hook=[500, 404, 200]) as server:
        delivery, pauses = run_deliver(server.endpoint("/hook", SECRET))
    assert (delivery.status, delivery.attempts, delivery.last_error) == (DeliveryStatus.DELIVERED, 3, None)
    assert [a.status_code for a in delivery.log] == [500, 404, 200]
    assert delivery.log[0].error == "answered 500 Internal Server Error"
    assert pauses == [0.0, 0.5, 2.0]
    assert {(headers["webhook-id"], body) for _, headers, body in server.requests} == {(EVENT.id, EVENT.body)}


@pytest.mark.parametrize("headers", [{}, {"connection": "close"}])
@pytest.mark.parametrize("status", [500, 400, 429])
def test_delivery_stays_pending_after_all_retries(status: int, headers: dict[str, str]) -> None:
    with serving(hook=[(status, headers)]) as server:
        delivery, _ = run_deliver(server.endpoint("/hook"))
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.PENDING, 3)
    assert server.count("/hook") == 3


def test_gone_is_not_retried() -> None:
    with serving(hook=[410, 200]) as server:
        delivery, _ = run_deliver(server.endpoint("/hook"))
    assert (delivery.status, delivery.last_error) == (DeliveryStatus.GONE, "answered 410 Gone")
    assert server.count("/hook") == 1


@pytest.mark.parametrize("status", [301, 307])
def test_redirect_is_not_followed(status: int) -> None:
    with serving(hook=[(status, {"location": "/elsewhere"})], elsewhere=[200]) as server:
        noted = EndpointDelivery("hook")
        deliver_to_all(EVENT, [(server.endpoint("/hook"), noted)], bound=2.4)
    assert (server.count("/hook"), server.count("/elsewhere")) == (2, 0)
    assert noted.status is DeliveryStatus.PENDING
    assert noted.last_error == f"answered {status}: redirects are not followed, give the final URL"


def test_hanging_endpoint_delays_no_other_within_the_time_limit() -> None:
    with serving(hang=[HANG], good=[500, 200], gone=[410]) as server:
        noted = {name: EndpointDelivery(name) for name in ("/hang", "/good", "/gone")}
        start, began = time.monotonic(), datetime.now(timezone.utc)
        deliver_to_all(EVENT, [(server.endpoint(n, SECRET), d) for n, d in noted.items()], bound=4)
        elapsed = time.monotonic() - start
    assert elapsed < 5 * PATIENCE
    good = noted["/good"]
    assert (good.status, good.attempts) == (DeliveryStatus.DELIVERED, 2)
    assert datetime.fromisoformat(good.log[1].at) - began < timedelta(seconds=3)
    assert noted["/gone"].status is DeliveryStatus.GONE
    hang = noted["/hang"]
    assert hang.status is DeliveryStatus.PENDING
    assert hang.last_error is not None
    assert "no answer within" in hang.last_error


def test_timeout_error() -> None:
    with serving(hang=[HANG]) as server:
        result = run_attempt(server.endpoint("/hang"), timeout=0.2)
    assert (result.status_code, result.error) == (None, "no answer within 0.2 s")
    assert 150 < result.duration_ms < 5000 * PATIENCE


def test_refused_connection_error(refusing_url: str) -> None:
    delivery, _ = run_deliver(Endpoint("refusing", refusing_url))
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.PENDING, 3)
    assert delivery.last_error is not None
    assert delivery.last_error.startswith("ConnectError: ")
    assert delivery.log[-1].status_code is None


@pytest.mark.parametrize(
    ("status", "value", "pauses"),
    [
        (503, "4", [0.0, 4.0]),
        (429, " 4 ", [0.0, 4.0]),
        (503, "0", [0.0, 0.5]),  # never earlier than our own schedule
        (500, "4", [0.0, 0.5]),  # only used for 429 and 503
        (503, "soon", [0.0, 0.5]),
        (503, "-4", [0.0, 0.5]),
        (503, "Mon, 01 Jan 2024 00:00:00 GMT", [0.0, 0.5]),
        (503, "Mon, 01 Jan 2024 00:00:00", [0.0, 0.5]),
        (503, "3600", [0.0]),  # beyond the time limit: left for later
    ],
)
def test_retry_after(status: int, value: str, pauses: list[float]) -> None:
    with serving(hook=[(status, {"retry-after": value}), 200]) as server:
        delivery, asked = run_deliver(server.endpoint("/hook"), bound=8.0)
    assert asked == pauses
    delivered = len(pauses) == 2
    assert delivery.status is (DeliveryStatus.DELIVERED if delivered else DeliveryStatus.PENDING)
    json.dumps([a.retry_after for a in delivery.log], allow_nan=False)


def test_retry_after_as_a_date() -> None:
    at = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc)
    value = format_datetime(at + timedelta(seconds=90), usegmt=True)
    with serving(hook=[(503, {"retry-after": value})]) as server:
        assert run_attempt(server.endpoint("/hook"), at=at).retry_after == 90.0


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (httpx.RemoteProtocolError("broken"), "RemoteProtocolError: broken"),
        (httpx.ReadError(""), "ReadError"),
        (OSError(113, "No route to host"), "OSError: [Errno 113] No route to host"),
        (httpx.PoolTimeout("full"), "no answer within 5 s"),
    ],
)
def test_simulated_failures(failure: Exception, words: str) -> None:
    with respx.mock(assert_all_called=True) as router:
        router.post("https://endpoint.invalid/").mock(side_effect=failure)
        result = run_attempt(Endpoint("mocked", "https://endpoint.invalid/"))
    assert (result.status_code, result.error) == (None, words)


def test_no_targets() -> None:
    deliver_to_all(EVENT, [])


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://example.com/hook", True),
        ("http://127.0.0.1:8090/", True),
        ("http://[::1]/", True),
        ("http://localhost/", True),
        ("http://example.com/", False),
        ("http://10.0.0.1/", False),
        ("http://localhost.example.com/", False),
    ],
)
def test_remote_endpoint_needs_https(url: str, allowed: bool) -> None:
    if allowed:
        Endpoint("one", url)
    else:
        with pytest.raises(InvalidEndpointError, match="webhook_allow_http"):
            Endpoint("one", url)
    Endpoint("one", url, allow_http=True)


@pytest.mark.parametrize("headers", [{"a b": "x"}, {"": "x"}, {"x": "known\n"}, {"x": " known"}, {"x": "knöwn"}])
def test_invalid_headers_are_not_shown_in_errors(headers: dict[str, str]) -> None:
    with pytest.raises(InvalidEndpointError, match="headers") as caught:
        Endpoint("one", "https://example.com/", headers=headers)
    assert "kn" not in str(caught.value)


def test_secrets_are_removed_from_errors() -> None:
    url, value = "https://user:passw0rd@example.com/T00/B00/token?key=other", "known\twith a tab"
    endpoint = Endpoint("one", url, (SECRET,), headers={"x": value})
    error = f"bad {url} {SECRET} {value} {value!r} /T00/B00/token key=other passw0rd"
    assert endpoint.without_secrets(error) == "bad *** *** *** '***' *** *** ***"
    assert endpoint.without_secrets("answered 404 Not Found") == "answered 404 Not Found"


@pytest.mark.parametrize("url", ["", "/hook", "example.com/hook", "ftp://example.com", "http://", "http://[::1"])
def test_endpoint_with_invalid_url(url: str) -> None:
    with pytest.raises(InvalidEndpointError, match="'mine'"):
        Endpoint("mine", url)


def test_endpoint_repr_hides_secrets() -> None:
    with pytest.raises(InvalidSecretError):
        Endpoint("mine", "https://example.com", ("whsec_short",))
    shown = repr(Endpoint("mine", "https://example.com/token", (SECRET,), {"authorization": "Bearer token"}))
    assert "mine" in shown
    assert SECRET not in shown
    assert "token" not in shown
