"""Test webhooks: ``python -m hitl_webhooks listen`` prints and verifies requests; ``new-secret`` makes a secret.

Needs neither FastAPI nor any other server. It stores nothing and is not meant for the internet.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timezone
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from hitl_webhooks.errors import InvalidSecretError, WebhookVerificationError
from hitl_webhooks.receive.received import MAX_REQUEST_BYTES, ReceivedEvent
from hitl_webhooks.receive.verification import verify
from hitl_webhooks.signing import ID_HEADER, check_secrets, generate_secret

OUTPUT_START = 200
FIELD_START = 300
"""Maximum characters shown of an output or any other field."""


class Listener(ThreadingHTTPServer):
    """The server behind ``listen``.

    Args:
        address: host and port; port 0 for a free one.
        secrets: secrets to verify requests with.
        status: HTTP status of the response to a verified request.
        verbose: print bodies too.

    Raises:
        OSError: it cannot listen on that address.
    """

    daemon_threads = True
    allow_reuse_port = False  # two listeners on one port would share the requests

    def __init__(self, address: tuple[str, int], *, secrets: Sequence[str], status: int, verbose: bool) -> None:
        self.secrets, self.status, self.verbose = secrets, status, verbose
        self.requests: Counter[str] = Counter()
        self._deliveries: Counter[str] = Counter()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def delivery(self, event_id: str) -> int:
        """Count a verified delivery; returns the number of deliveries of this event so far."""
        with self._lock:
            self._deliveries[event_id] += 1
            return self._deliveries[event_id]

    def tell(self, what: str, *lines: str) -> None:
        """Count a request as ``what`` and print it without interleaving."""
        with self._lock:
            self.requests[what] += 1
            _print("\n".join(lines) + "\n")

    def handle_error(self, request: object, client_address: object) -> None:
        """Print one line instead of a traceback if the client disconnected."""
        if isinstance(sys.exc_info()[1], OSError):
            self.tell("broken", f"{_now()}  broken connection: {_plain(str(sys.exc_info()[1]))}")
        else:
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # it only prints them


class _Handler(BaseHTTPRequestHandler):
    server: Listener
    timeout = 10  # seconds without a byte; StreamRequestHandler sets it on the socket

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            return self._refuse(411, "no Content-Length (this listener reads no chunked bodies)")
        if len(length) > 12 or int(length) > MAX_REQUEST_BYTES:
            return self._refuse(413, f"a body of more than {MAX_REQUEST_BYTES} bytes")
        payload = self.rfile.read(int(length))
        if len(payload) < int(length):
            return self._refuse(400, "the body ended early")
        try:
            event = verify(payload, self.headers, self.server.secrets)
        except WebhookVerificationError as error:
            return self._refuse(401, str(error), payload)
        count = self.server.delivery(event.id)
        lines = [f"VERIFIED, {'NEW' if count == 1 else f'REPEAT (delivery {count})'}", *_describe(event)]
        return self._answer(self.server.status, "verified", lines, payload)

    def do_GET(self) -> None:
        self._refuse(405, "webhooks are sent with POST")

    def _refuse(self, status: int, why: str, payload: bytes = b"") -> None:
        # Unverified headers help with debugging, but must not be trusted.
        claimed = self.headers.get(ID_HEADER)
        lines = [f"REFUSED: {_plain(why)}"]
        if claimed:
            lines.append(_row("claims id", str(claimed)))
        self._answer(status, "refused", lines, payload, text=why + "\n")

    def _answer(self, status: int, what: str, lines: list[str], payload: bytes, text: str = "") -> None:
        first = f"{_now()}  {_plain(self.command, 10)} {_plain(self.path, 80)}  {lines[0]}  -> answered {status}"
        shown = _body(payload) if self.server.verbose and payload else []
        self.server.tell(what, first, *lines[1:], *shown)
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        if status == 405:
            self.send_header("Allow", "POST")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it that
        """Do nothing: ``_answer`` prints each request."""

    def log_error(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it that
        """Print requests that we do not handle: other methods, timeouts, invalid HTTP."""
        self.server.tell("broken", f"{_now()}  broken request: {_plain(format % args)}")


def _describe(event: ReceivedEvent) -> list[str]:
    rows = [("id", event.id), ("type", event.type), ("happened", event.timestamp.isoformat(timespec="seconds"))]
    if event.status is not None:
        rows.append(("status", event.status))
    session = event.session
    if session is not None:
        name = f"{session.dag_id} / {session.run_id} / {session.task_id}"
        mapped = f" [{session.map_index}]" if session.map_index >= 0 else ""
        rows.append(("session", f"{name}{mapped}, output {session.iteration} of {session.max_iterations}"))
    if event.output is not None:
        cut = " (cut by the sender)" if event.output_truncated else ""
        rows.append((f"output{cut}", event.output[:OUTPUT_START] + ("..." if event.output[OUTPUT_START:] else "")))
    if event.feedback is not None:
        rows.append(("feedback", event.feedback))
    if event.decided_by is not None:
        rows.append(("by", event.decided_by.name))
    return [_row(name, value) for name, value in rows]


def _row(name: str, value: str) -> str:
    return f"    {name + ':':<10} {_plain(value)}"


def _body(payload: bytes) -> list[str]:
    try:
        text = json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = payload.decode("utf-8", "replace")
    return ["    body:", *(f"      {_plain(line, MAX_REQUEST_BYTES)}" for line in text.split("\n"))]


def _plain(text: str, limit: int = FIELD_START) -> str:
    """Return ``text`` on one line without terminal control sequences, bells or bidirectional controls."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:limit])
    return shown + ("..." if len(text) > limit else "")


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%H:%M:%SZ")


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()  # so that a pipe shows it at once


def _listen(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    secrets = os.environ.get(options.secret_env, "").split()
    made = not secrets
    try:
        secrets = check_secrets(secrets or [generate_secret()])
    except InvalidSecretError as error:
        parser.error(f"{options.secret_env}: {error}")
    try:
        server = Listener(
            (options.host, options.port), secrets=secrets, status=options.status, verbose=options.verbose
        )
    except OSError as error:
        parser.exit(1, f"Cannot listen on {options.host}:{options.port}: {error.strerror or error}\n")
    # A shell makes background processes ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with server:
        with suppress(KeyboardInterrupt):
            _print(_welcome(server, options, made=secrets[0] if made else None))
            server.serve_forever(poll_interval=0.1)
        counts = ", ".join(f"{count} {what}" for what, count in sorted(server.requests.items()))
        _print(f"\nEnded. Requests: {counts or 'none'}.\n")


def _welcome(server: Listener, options: argparse.Namespace, *, made: str | None) -> str:
    url = f"http://{options.host}:{server.server_port}/"
    text = f"Listening on {url}, Ctrl-C ends it. Verified requests are answered with {options.status}.\n"
    if made:
        connection = json.dumps({"conn_type": "http", "host": url, "password": made})
        text += (
            f"{options.secret_env} is not set. A secret was made for this run: {made}\nPut it into the "
            'password of an Airflow connection, and name that connection in webhooks=["listener"]:\n    '
            f"export AIRFLOW_CONN_LISTENER='{connection}'\n"
        )
    return text


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: 0 to 65535")
    return int(text)


def _status(text: str) -> int:
    if text not in {str(int(status)) for status in HTTPStatus if status >= 200}:
        raise argparse.ArgumentTypeError(f"{text!r} is not a final HTTP status, such as 200 or 503")
    return int(text)


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command; exits with a message and a nonzero code on failure."""
    parser = argparse.ArgumentParser(prog="python -m hitl_webhooks", description="Tools for trying webhooks out.")
    commands = parser.add_subparsers(dest="command", required=True)
    listen = commands.add_parser("listen", help="print and verify what arrives")
    listen.add_argument("--port", type=_port, default=8090, help="0 for a free one; default: 8090")
    listen.add_argument("--host", default="127.0.0.1", help="address to listen on; default: this machine only")
    listen.add_argument(
        "--secret-env",
        default="HITL_WEBHOOK_SECRET",
        metavar="NAME",
        help="environment variable with the secret, or several separated by spaces; default: %(default)s",
    )
    listen.add_argument(
        "--status", type=_status, default=200, help="answer to verified requests; 503 shows repeats; default: 200"
    )
    listen.add_argument("--verbose", action="store_true", help="print whole bodies too")
    commands.add_parser("new-secret", help="print a new random secret")
    options = parser.parse_args(argv)
    # A character missing from the terminal's encoding must not stop the listener.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    if options.command == "listen":
        _listen(listen, options)
    else:
        _print(generate_secret() + "\n")


if __name__ == "__main__":
    main()
