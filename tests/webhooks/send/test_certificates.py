"""Trusted CAs when webhooks are posted, and errors if they cannot be determined."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from hitl_webhooks import (
    DeliveryStatus,
    Endpoint,
    EndpointDelivery,
    EventType,
    UnusableEnvironmentError,
    build_event,
    generate_secret,
)
from hitl_webhooks.send.delivery import attempt, deliver_to_all, open_client
from tests.support.private_authority import VARIABLES, make_certificate
from tests.webhooks.facts import FACTS

EVENT = build_event(EventType.OUTPUT_READY, FACTS, at=datetime(2026, 1, 1, tzinfo=timezone.utc))


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@contextmanager
def receiver(folder: Path) -> Iterator[tuple[Endpoint, Path]]:
    """A receiver with a certificate from a private CA, and the CA's file."""
    path, context = make_certificate(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Endpoint("hook", f"https://127.0.0.1:{server.server_port}/", (generate_secret(),)), path
        finally:
            server.shutdown()
            thread.join()


async def error_of_an_attempt(endpoint: Endpoint) -> str | None:
    async with open_client() as client:
        return (await attempt(client, endpoint, "id", EVENT.body)).error


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_private_ca_from_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with receiver(tmp_path) as (endpoint, path):
        assert "CERTIFICATE_VERIFY_FAILED" in (asyncio.run(error_of_an_attempt(endpoint)) or "")
        monkeypatch.setenv(name, str(path))
        assert asyncio.run(error_of_an_attempt(endpoint)) is None


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize("blocked", [False, True])
def test_missing_ca_file_error_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, blocked: bool
) -> None:
    monkeypatch.setenv(name, "/gone")
    with pytest.raises(UnusableEnvironmentError, match=f"{name} names /gone, which cannot be read"):
        open_client(block_private_addresses=blocked)


def test_worker_records_the_missing_ca_file_as_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/gone")
    delivery = EndpointDelivery("hook")
    deliver_to_all(EVENT, [(Endpoint("hook", "https://127.0.0.1:1/", (generate_secret(),)), delivery)])
    assert delivery.status is DeliveryStatus.PENDING
    assert "SSL_CERT_FILE names /gone" in (delivery.last_error or "")


def test_worker_reads_certificates_for_https_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take a quarter of a short task's processor time."""
    monkeypatch.setenv("SSL_CERT_FILE", "/gone")
    delivery = EndpointDelivery("hook")
    deliver_to_all(EVENT, [(Endpoint("hook", "http://127.0.0.1:1/", (generate_secret(),)), delivery)])
    assert "ConnectError" in (delivery.last_error or "")


def test_client_without_certificates_trusts_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def error(endpoint: Endpoint) -> str | None:
        async with open_client(https=False) as client:
            return (await attempt(client, endpoint, "id", EVENT.body)).error

    with receiver(tmp_path) as (endpoint, path):
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        assert "CERTIFICATE_VERIFY_FAILED" in (asyncio.run(error(endpoint)) or "")


@pytest.mark.parametrize("proxy", ["ftp://proxy.example.org", "http://user:pa/known@proxy.example.org:3128"])
def test_invalid_proxy_error_hides_the_password(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(UnusableEnvironmentError, match="HTTPS_PROXY") as error:
        open_client()
    assert "known" not in str(error.value)
    assert "pa" not in str(error.value).split()


def test_ssl_cert_dir_may_be_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path}:/gone")
    open_client()


def test_secret_with_newline_is_hidden() -> None:
    secret = generate_secret()
    endpoint = Endpoint("hook", "https://example.org/", (f"{secret}\n",))
    assert secret not in endpoint.without_secrets(f"got {secret}.")
