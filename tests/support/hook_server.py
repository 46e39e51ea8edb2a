"""A webhook receiver inside the test process, whose answers a test changes while it runs.

with HookServer() as server:
    hook = server.add("/hook", [generate_secret()])
    hook.behave(status=503, headers={"Retry-After": "3"})
    server.down()
    ...
    server.up()
    assert [event.type for event in hook.events()] == [...]
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import select
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from hitl_webhooks import HITLWebhookError, ReceivedEvent, generate_secret, verify

HOST = "127.0.0.1"

THREADS = "hook-server"
"""How the names of these servers' threads begin: they come and go as long as something delivers to them."""

READ_TIMEOUT = 30.0
"""Seconds after which a client that sends half a request is left."""


@dataclass(frozen=True)
class Behaviour:
    """What a path does with a request: wait ``hang`` seconds, then answer; ``quote``: with what it was sent."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: float = 0.0
    quote: bool = False


@dataclass(frozen=True)
class ReceivedRequest:
    """A request, as it came.

    Attributes:
        path: without a query.
        headers: names in lower case.
        body: the raw bytes.
        at: when it had been read, UTC.
        monotonic: the same by ``time.monotonic()``.
        peer_port: the client's TCP port, which tells its process.
        event: what ``verify`` makes of it; None if it refuses it, or if the path has no secret.
        refusal: why ``verify`` refuses it; None if it does not.
        status: of its answer, if its client waits for that.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: datetime
    monotonic: float
    peer_port: int
    event: ReceivedEvent | None
    refusal: str | None
    status: int

    @property
    def id(self) -> str:
        """Value of ``webhook-id``, verified or not; empty if there is none."""
        return self.headers.get("webhook-id", "")

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Hook:
    """One path of a server. Made by ``HookServer.add``.

    Attributes:
        url: its whole address.
        secrets: what requests are verified with; none where there is nothing to verify.
    """

    def __init__(self, url: str, signed_with: Sequence[str]) -> None:
        self.url = url
        self.secrets = tuple(signed_with)
        self._lock = threading.Lock()
        self._behaviour = Behaviour()
        self._received: list[ReceivedRequest] = []
        self._hanging = 0

    def behave(
        self,
        *,
        status: int = 204,
        headers: Mapping[str, str] | None = None,
        hang: float = 0.0,
        quote: bool = False,
    ) -> None:
        """Do so from the next request on; one that hangs already goes on with it."""
        with self._lock:
            self._behaviour = Behaviour(status, dict(headers or {}), hang, quote)

    def requests(self) -> list[ReceivedRequest]:
        """All requests so far, oldest first, whatever they were answered."""
        with self._lock:
            return list(self._received)

    def events(self) -> list[ReceivedEvent]:
        """The verified events so far, oldest first; repeats included."""
        return [request.event for request in self.requests() if request.event is not None]

    @property
    def hanging(self) -> int:
        """Requests that wait for their answer now, and whose client waits too."""
        with self._lock:
            return self._hanging

    def connection(self, **extra: Any) -> str:
        """An Airflow connection to it, as the JSON of an ``AIRFLOW_CONN_...`` variable."""
        password = " ".join(self.secrets)
        return json.dumps({"conn_type": "http", "host": self.url, "password": password, "extra": extra})

    # --- for the handler

    def take(self, path: str, headers: Mapping[str, str], body: bytes, peer_port: int) -> Behaviour:
        """Keep a request; returns what to do with it, and counts it as hanging until ``leave``."""
        event, refusal = None, None
        if self.secrets:
            try:
                event = verify(body, headers, self.secrets)
            except HITLWebhookError as error:
                refusal = f"{type(error).__name__}: {error}"
        now, monotonic = datetime.now(timezone.utc), time.monotonic()
        with self._lock:
            status = self._behaviour.status
            self._received.append(
                ReceivedRequest(path, headers, body, now, monotonic, peer_port, event, refusal, status)
            )
            self._hanging += 1
            return self._behaviour

    def leave(self) -> None:
        """The request is answered, or its client is gone."""
        with self._lock:
            self._hanging -= 1


class HookServer:
    """A listening port on loopback, with paths; thread-safe.

    While it is down its port is bound but not listened on: connections are refused as those to any closed
    port, and no other program can get the port in the meantime.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._life = threading.RLock()
        self._hooks: dict[str, Hook] = {}
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._reserved: socket.socket | None = _bound(0)
        self.port: int = self._reserved.getsockname()[1]
        self.up()

    def __enter__(self) -> HookServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://{HOST}:{self.port}"

    def add(self, path: str, signed_with: Sequence[str] = ()) -> Hook:
        """Add a path; requests to others get 404."""
        with self._lock:
            hook = self._hooks[path] = Hook(self.url + path, signed_with)
        return hook

    def find(self, path: str) -> Hook | None:
        """The path's hook."""
        with self._lock:
            return self._hooks.get(path)

    def up(self) -> None:
        """Listen again, on the same port; nothing happens if it does."""
        with self._life:
            if self._server is not None:
                return
            self._server = _Server(self)
            self._thread = threading.Thread(
                target=self._server.serve_forever, args=(0.05,), name=f"{THREADS}-{self.port}"
            )
            self._thread.start()
            self._give_up_reservation()

    def down(self) -> None:
        """Refuse connections; those that are open are cut without an answer, as if the receiver had died."""
        with self._life:
            self._stop()
            if self._reserved is None:
                self._reserved = _bound(self.port)

    def close(self) -> None:
        """End it, and give the port back."""
        with self._life:
            self._stop()
            self._give_up_reservation()

    def _stop(self) -> None:
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.cut_connections()
        self._server.server_close()  # waits for the threads of the connections
        self._server = self._thread = None

    def _give_up_reservation(self) -> None:
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None


def _bound(port: int) -> socket.socket:
    """A socket that has the port, but does not listen."""
    held = socket.socket()
    try:
        # With this on both, the server can listen on the port while it is still held.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((HOST, port))
    except BaseException:
        held.close()
        raise
    return held


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close waits for them
    request_queue_size = 128

    def __init__(self, owner: HookServer) -> None:
        self.owner = owner
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__((HOST, owner.port), _Handler)

    def server_bind(self) -> None:
        # Not HTTPServer's, which looks the host's name up.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = HOST, self.owner.port

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        threading.current_thread().name = f"{THREADS}-{self.owner.port}-request"
        super().process_request_thread(request, client_address)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
            super().shutdown_request(request)

    def cut_connections(self) -> None:
        self.stopping.set()
        with self._open_lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that goes away, or that we cut off, is nothing to print.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = READ_TIMEOUT

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        path = urlsplit(self.path).path
        hook = self.server.owner.find(path)
        if hook is None:
            self._answer(Behaviour(404))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        behaviour = hook.take(path, headers, body, self.client_address[1])
        try:
            still_there = self._wait(behaviour.hang)
        finally:
            hook.leave()
        if still_there:
            self._answer(behaviour)

    def _wait(self, seconds: float) -> bool:
        """Hang; returns whether the client still waits."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self.server.stopping.is_set():
            readable, _, _ = select.select([self.connection], [], [], min(left, 0.05))
            if readable:
                try:
                    if not self.connection.recv(1, socket.MSG_PEEK):
                        return False
                except OSError:
                    return False
                time.sleep(min(left, 0.05))  # more of the request than was announced
        return not self.server.stopping.is_set()

    def _answer(self, behaviour: Behaviour) -> None:
        sent = f"{self.path} {self.headers.get('authorization', '')}"
        # In pieces, as in "no such token: ...": as a whole it is easily found.
        self.send_response(behaviour.status, " ".join(re.split("[/?= ]", sent)) if behaviour.quote else None)
        for name, value in behaviour.headers.items():
            self.send_header(name, value)
        if behaviour.status != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """The log is ``Hook.requests()``."""


class LiveHooks:
    """Where the DAGs of ``tests/dags/webhook_reviews.py`` send to.

    Attributes:
        connections: for Airflow, by their ids.
        known_secrets: texts that must never be seen outside of connections.
    """

    def __init__(self) -> None:
        self._servers: dict[str, HookServer] = {}
        self._hooks: dict[str, Hook] = {}
        self.connections: dict[str, str] = {}
        for name in ("default", "marked", "killed", "endings", "good_one", "good_two", "hanging"):
            self._add(name, self.server("steady"))
        for name in ("late", "cleared", "retried", "kept"):
            self._add(name, self.server(name))
        parts = self._add_secret_ones()
        keys = [secret.removeprefix("whsec_") for hook in self._hooks.values() for secret in hook.secrets]
        self.known_secrets = (*parts, *keys)

    def __enter__(self) -> LiveHooks:
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers.values():
            server.close()

    def __getitem__(self, name: str) -> Hook:
        return self._hooks[name]

    def server(self, name: str) -> HookServer:
        """The server of that name: ``steady``, or that of the one hook of that name."""
        if name not in self._servers:
            self._servers[name] = HookServer()
        return self._servers[name]

    def _add(self, name: str, server: HookServer) -> None:
        hook = self._hooks[name] = server.add(f"/{name}", [generate_secret()])
        self.connections[f"hook_{name}"] = hook.connection()

    def _add_secret_ones(self) -> tuple[str, ...]:
        """Endpoints all of whose parts are secret, most of which fail; returns those parts."""
        header, path, token, password, user = ("known" + secrets.token_hex(12) for _ in range(5))
        server, dead = self.server("steady"), self.server("dead")
        dead.down()
        rotating = self._hooks["rotating"] = server.add(f"/{path}/r", [generate_secret(), generate_secret()])
        refusing = self._hooks["refusing"] = server.add(f"/{path}/f", [generate_secret()])
        refusing.behave(status=500)
        quoting = self._hooks["quoting"] = server.add(f"/{path}/q", [generate_secret()])
        quoting.behave(status=401, quote=True)
        to_quoting = quoting.url.replace("://", f"://{user}:{password}@")
        self._hooks["slack"] = server.add(f"/services/T00/B00/{token}")
        headers = {"Authorization": f"Bearer {header}"}
        nowhere = f"https://nowhere.invalid/{path}/"
        self.connections |= {
            "hook_rotating": rotating.connection(headers=headers),
            "hook_refusing": refusing.connection(headers=headers),
            "hook_quoting": Hook(f"{quoting.url}?token={token}", quoting.secrets).connection(headers=headers),
            "hook_quoting_user": Hook(f"{to_quoting}?token={token}", quoting.secrets).connection(),
            "hook_dead": Hook(f"{dead.url}/{path}/d", rotating.secrets).connection(headers=headers),
            "hook_nowhere": Hook(nowhere, rotating.secrets).connection(headers=headers),
            # A value with a line's end in it: who refuses it may repeat it.
            "hook_untidy": Hook(f"{server.url}/{path}/u", ()).connection(
                headers={"X-Token": f"{header}\n{header}"}
            ),
            "hook_malformed": Hook(f"{server.url}/{path}/m", [password]).connection(),
            "hook_slack": json.dumps(
                {"conn_type": "slackwebhook", "host": f"{server.url}/services", "password": f"T00/B00/{token}"}
            ),
            "hook_slack_nowhere": json.dumps(
                {"conn_type": "slackwebhook", "host": nowhere, "password": f"T00/B00/{token}"}
            ),
        }
        basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        return header, path, token, password, user, basic
