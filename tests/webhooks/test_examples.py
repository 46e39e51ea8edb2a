"""The examples in ``docs/examples`` run as documented and work."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import httpx
import pytest

from demo.processes import PATIENCE
from hitl_webhooks import EventType, Person, ReviewFacts, build_event, generate_secret, sign

FOLDER = Path(__file__).parents[2] / "docs" / "examples"
SECRET, NEXT = generate_secret(), generate_secret()
# The start command in each docstring, here with this Python's own tools.
COMMANDS = {
    "receive_fastapi.py": ["-m", "uvicorn", "--app-dir", str(FOLDER), "receive_fastapi:app", "--port"],
    "receive_flask.py": ["-m", "flask", "--app", str(FOLDER / "receive_flask"), "run", "--port"],
    "receive_http_server.py": [str(FOLDER / "receive_http_server.py")],
}
FACTS = ReviewFacts(
    "8d1c2a7e-0000-4000-8000-000000000000",
    "reports",
    "r",
    "t",
    -1,
    1,
    "approved",
    1,
    5,
    "p",
    "o",
    decided_by=Person("1", "ann"),
)


class Example:
    """A running example; restarted in the same folder, it finds its stored data."""

    def __init__(self, name: str, folder: Path) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as probe:
            self._port = probe.getsockname()[1]
        self._log = folder / "log"
        with self._log.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, *COMMANDS[name], str(self._port)],
                cwd=folder,
                env={**os.environ, "HITL_WEBHOOK_SECRET": f"{SECRET} {NEXT}"},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self._wait_until_it_listens()

    def post(self, body: bytes, event_id: str, *, secret: str = SECRET) -> int:
        now = datetime.now(timezone.utc)
        headers = {
            "content-type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": sign(event_id=event_id, timestamp=now, body=body, secrets=[secret]),
        }
        return httpx.post(
            f"http://127.0.0.1:{self._port}/webhooks", content=body, headers=headers, timeout=10
        ).status_code

    def log(self) -> str:
        return self._log.read_text()

    def worked_on(self, event_id: str) -> int:
        return self.log().count(f"WORK {event_id} hitl_review.finalized approved SessionRef(dag_id='reports'")

    def end(self) -> None:
        self._process.kill()
        self._process.wait()

    def _wait_until_it_listens(self) -> None:
        end = time.monotonic() + 30 * PATIENCE
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            if self._process.poll() is not None or time.monotonic() > end:
                self.end()
                raise AssertionError(self.log())
            time.sleep(0.05)


@pytest.fixture(params=sorted(path.name for path in FOLDER.glob("receive_*.py")))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def example(name: str, tmp_path: Path) -> Iterator[Example]:
    running = Example(name, tmp_path)
    try:
        yield running
    finally:
        running.end()


def test_examples(name: str, example: Example, tmp_path: Path) -> None:
    sent = build_event(EventType.FINALIZED, FACTS, at=datetime.now(timezone.utc))
    other = build_event(EventType.FINALIZED, FACTS, at=datetime.now(timezone.utc))
    # An invalid signature first: it must not make the event known.
    assert example.post(sent.body, sent.id, secret=generate_secret()) == 401
    assert example.post(b"{}", sent.id) == 401
    assert [example.post(sent.body, sent.id) for _ in range(3)] == [204] * 3
    assert example.post(other.body, "other", secret=NEXT) == 204
    assert example.post(b"x" * 300_000, "large") == 413
    wait_for(example, "other")
    assert example.worked_on(sent.id) == 1
    # After a restart it still recognises the duplicate.
    example.end()
    again = Example(name, tmp_path)
    try:
        assert again.post(sent.body, sent.id) == 204
        assert again.post(sent.body, "third") == 204
        wait_for(again, "third")
        assert again.worked_on(sent.id) == 1
        assert "Traceback" not in again.log()
    finally:
        again.end()


def wait_for(example: Example, event_id: str) -> None:
    """Wait until it has processed the event; as it works sequentially, earlier ones are processed by then."""
    end = time.monotonic() + 10 * PATIENCE
    while not example.worked_on(event_id):
        assert time.monotonic() < end, example.log()
        time.sleep(0.02)


def test_examples_are_short_and_document_their_command() -> None:
    for name in COMMANDS:
        text = (FOLDER / name).read_text(encoding="utf-8")
        assert len(text.splitlines()) < 50
        command = next(line for line in text.splitlines() if line.startswith("HITL_WEBHOOK_SECRET=whsec_... "))
        module = name.removesuffix(".py")
        assert (
            f"{module}:app --port" in command
            or f"--app {module} run --port" in command
            or f"python {name}" in command
        )
