"""Servers that always give the same response."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer


@contextmanager
def answering(
    status: int, body: bytes, headers: Mapping[str, str] | None = None, *, tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """A server that gives the same response to every request; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(status)  # without headers of its own
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))  # shutdown poll interval in seconds
        thread.start()
        try:
            yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def hanging_up(body: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers the first request of a connection and disconnects on the second.

    This is how an idle connection looks that the server closes just as it is reused.

    Yields:
        Its address, and the first line of each request received.
    """
    seen: list[bytes] = []

    class Handler(StreamRequestHandler):
        timeout = 10

        def handle(self) -> None:
            for known in (False, True):
                line = self.rfile.readline()
                if not line:
                    return
                seen.append(line)
                length = 0
                while (header := self.rfile.readline().strip().lower()) != b"":
                    if header.startswith(b"content-length:"):
                        length = int(header.partition(b":")[2])
                self.rfile.read(length)
                if not known:
                    self.wfile.write(
                        b"HTTP/1.1 200 OK\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body
                    )

    class Server(ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", seen
        finally:
            server.shutdown()
            thread.join()
