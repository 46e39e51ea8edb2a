"""Building blocks of a receiver: duplicate guard, event log, FastAPI dependency, commands."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
import uvicorn
from fastapi import Depends, FastAPI

from demo.processes import PATIENCE
from demo.webhook_receiver import EventLog, create_receiver
from hitl_webhooks import (
    DuplicateGuard,
    EventType,
    InvalidSecretError,
    Person,
    ReceivedEvent,
    build_event,
    check_secret,
    generate_secret,
    sign,
)
from hitl_webhooks.fastapi import verified_event
from hitl_webhooks.receive.received import MAX_REQUEST_BYTES
from tests.webhooks.facts import FACTS

SECRET, OLD, UNKNOWN = generate_secret(), generate_secret(), generate_secret()
NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=timezone.utc)


def headers_for(
    body: bytes, event_id: str = "one", *, secret: str = SECRET, at: datetime | None = None
) -> dict[str, str]:
    at = at or datetime.now(timezone.utc)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": sign(event_id=event_id, timestamp=at, body=body, secrets=[secret]),
    }


def body_of(data: dict[str, Any], type_: str = "hitl_review.finalized") -> bytes:
    return json.dumps({"type": type_, "timestamp": "2026-01-02T03:04:05.678Z", "data": data}).encode()


# The guard


@pytest.fixture(params=["memory", "file"])
def make_guard(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., DuplicateGuard]:
    def make(**options: Any) -> DuplicateGuard:
        return DuplicateGuard(tmp_path / "guard.sqlite3" if request.param == "file" else None, **options)

    return make


def claimed(guard: DuplicateGuard, event_id: str) -> bool:
    with guard.claim(event_id) as new:
        return new


def fails(
    guard: DuplicateGuard, event_id: str, error: type[BaseException], when: Callable[[], object] = int
) -> bool:
    """Claim an event and fail to handle it; returns whether it was new."""
    seen: list[bool] = []

    def handle() -> None:
        with guard.claim(event_id) as new:
            seen.append(new)
            when()
            raise error("the reason")

    with pytest.raises(error, match="the reason"):
        handle()
    return seen[0]


def test_event_is_known_once_handled(make_guard: Callable[..., DuplicateGuard]) -> None:
    guard = make_guard()
    assert [claimed(guard, name) for name in ("a", "b", "a", "a", "b", "c")] == [
        True,
        True,
        False,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, asyncio.CancelledError, SystemExit])
def test_event_is_forgotten_if_handling_fails(
    make_guard: Callable[..., DuplicateGuard], error: type[BaseException]
) -> None:
    guard = make_guard()
    for _ in range(2):
        assert fails(guard, "a", error)
    assert claimed(guard, "a")
    # Known permanently: errors around a duplicate change nothing.
    assert not fails(guard, "a", error)
    assert not claimed(guard, "a")


@pytest.mark.parametrize("failures", [0, 3])
def test_event_is_handled_by_one_thread_at_a_time(make_guard: Callable[..., DuplicateGuard], failures: int) -> None:
    guard = make_guard(wait=timedelta(seconds=20))
    start = threading.Barrier(8)
    inside, most_inside, handled, told, failed = 0, 0, 0, [], 0

    def deliver() -> None:
        nonlocal inside, most_inside, handled, failed
        start.wait()
        try:
            with guard.claim("a") as new:
                if new:
                    inside += 1
                    most_inside = max(most_inside, inside)
                    time.sleep(0.03)
                    inside -= 1
                    if failed < failures:
                        failed += 1
                        raise ValueError
                    handled += 1
            told.append(new)
        except ValueError:
            pass

    run_in_threads(8, deliver)
    assert (most_inside, handled, failed) == (1, 1, failures)
    assert sorted(told) == [False] * (7 - failures) + [True]


def run_in_threads(count: int, target: Callable[[], None]) -> None:
    threads = [threading.Thread(target=target) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_duplicate_waits_limited_time_and_others_do_not_wait(make_guard: Callable[..., DuplicateGuard]) -> None:
    # The lease expires immediately, which must not matter within one process.
    guard = make_guard(wait=timedelta(seconds=0.2), lease=timedelta(0))
    with guard.claim("a"):
        assert claimed(guard, "b")
        started = time.monotonic()
        with pytest.raises(TimeoutError, match="event a is still being handled"), guard.claim("a"):
            raise AssertionError("handled twice at once")
        assert 0.2 <= time.monotonic() - started < 2 * PATIENCE
    assert not claimed(guard, "a")


def test_concurrent_asyncio_tasks(make_guard: Callable[..., DuplicateGuard]) -> None:
    guard = make_guard()

    async def deliver(*, fail: bool = False) -> bool:
        async with guard.claim_async("a") as new:
            if new:
                await asyncio.sleep(0.05)
                if fail:
                    raise ValueError
            return new

    async def deliver_all() -> None:
        results = await asyncio.gather(deliver(fail=True), *(deliver() for _ in range(5)), return_exceptions=True)
        assert isinstance(results[0], ValueError)
        assert sorted(results[1:]) == [False, False, False, False, True]  # type: ignore[type-var]
        # A cancelled task has not handled the event.
        async with guard.claim_async("b"):
            waiting = asyncio.create_task(deliver_b())
            with pytest.raises(RuntimeError, match="claim_async"), guard.claim("b"):
                pass
            await asyncio.sleep(0.05)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        # It may be called from a loop if it does not wait.
        assert not claimed(guard, "b")
        assert claimed(guard, "c")

    async def deliver_b() -> None:
        async with guard.claim_async("b"):
            raise AssertionError("handled twice at once")

    asyncio.run(deliver_all())


def test_guard_is_bounded_by_age_and_size(make_guard: Callable[..., DuplicateGuard]) -> None:
    now = NOW
    guard = make_guard(max_ids=3, clock=lambda: now)
    assert all(claimed(guard, name) for name in "abc")
    assert not any(claimed(guard, name) for name in "abc")
    assert claimed(guard, "d")  # evicts the oldest
    assert not any(claimed(guard, name) for name in "bcd")
    assert claimed(guard, "a")
    now += timedelta(days=4)
    assert not any(claimed(guard, name) for name in "cda")
    now += timedelta(seconds=1)
    assert all(claimed(guard, name) for name in "cda")
    with guard.claim("x"):
        assert all(claimed(guard, name) for name in "efghi")
    assert not claimed(guard, "x")
    with pytest.raises(ValueError, match="max_ids"):
        make_guard(max_ids=0)


def test_wrong_clock_does_not_block_events(tmp_path: Path) -> None:
    now = NOW + timedelta(days=3650)
    first, second = (
        DuplicateGuard(tmp_path / "g", clock=lambda: now, wait=timedelta(seconds=0.1)) for _ in range(2)
    )
    with first.claim("a"):
        with pytest.raises(TimeoutError):
            claimed(second, "a")
        now = NOW
        assert claimed(second, "a")


def test_duplicates_are_known_after_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = DuplicateGuard("guard.sqlite3")
    assert claimed(first, "a")
    assert fails(first, "b", ValueError)
    monkeypatch.chdir("/")  # the path does not follow the working directory
    assert not claimed(first, "a")
    second = DuplicateGuard(str(tmp_path / "guard.sqlite3"))
    assert not claimed(second, "a")
    assert claimed(second, "b")
    assert not claimed(first, "b")
    assert [path.name for path in tmp_path.iterdir()] == ["guard.sqlite3"]


WORKER = """
import sys, threading, time
from datetime import timedelta
from pathlib import Path
from hitl_webhooks import DuplicateGuard

folder = Path(sys.argv[1])
guard = DuplicateGuard(folder / "guard.sqlite3", wait=timedelta(seconds=30))
(folder / f"ready-{sys.argv[2]}").touch()
while len(list(folder.glob("ready-*"))) < 2:
    time.sleep(0.01)

def deliver(name):
    with guard.claim(name) as new:
        if new:
            (folder / f"inside-{name}").touch(exist_ok=False)
            time.sleep(0.01)
            (folder / f"inside-{name}").unlink()
            try:
                (folder / f"failed-{name}").touch(exist_ok=False)
            except FileExistsError:
                with (folder / "handled").open("a") as file:
                    file.write(name + "\\n")
            else:
                raise ValueError  # the first time, whoever it is

def deliver_all():
    for number in range(15):
        try:
            deliver(f"event{number}")
        except ValueError:
            pass

threads = [threading.Thread(target=deliver_all) for _ in range(2)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print("done")
"""


def test_two_processes_share_a_file(tmp_path: Path) -> None:
    """Four threads in two processes receive each event; its first handling fails."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path), str(number)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for number in range(2)
    ]
    try:
        for worker in workers:
            output, _ = worker.communicate(timeout=60)
            assert output == b"done\n", output.decode()
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    handled = (tmp_path / "handled").read_text().split()
    assert sorted(handled) == sorted(f"event{number}" for number in range(15))


def test_event_of_a_killed_process_is_handled_after_the_lease(tmp_path: Path) -> None:
    source = (
        "import sys, time; from hitl_webhooks import DuplicateGuard\n"
        "with DuplicateGuard(sys.argv[1]).claim('a') as new:\n"
        "    print(new, flush=True)\n"
        "    time.sleep(60)"
    )
    path, now = tmp_path / "guard.sqlite3", datetime.now(timezone.utc)
    guard = DuplicateGuard(
        path, wait=timedelta(seconds=0.1), lease=timedelta(minutes=2), clock=lambda: now, max_age=timedelta(days=1)
    )
    with subprocess.Popen([sys.executable, "-c", source, str(path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"True\n"
        child.kill()
    with pytest.raises(TimeoutError):
        claimed(guard, "a")
    now += timedelta(minutes=2, seconds=10)
    assert fails(guard, "a", ValueError)
    assert claimed(guard, "a")
    assert not claimed(guard, "a")


def test_event_in_progress_is_not_evicted(tmp_path: Path) -> None:
    first, second = (DuplicateGuard(tmp_path / "g", max_ids=2, wait=timedelta(seconds=0.1)) for _ in range(2))
    with first.claim("a"):
        assert all(claimed(second, name) for name in "bcdef")
        with pytest.raises(TimeoutError):
            claimed(second, "a")
    assert not claimed(second, "a")


@pytest.mark.parametrize("too_late", [True, False])
def test_expired_claim_does_not_undo_a_newer_claim(tmp_path: Path, too_late: bool) -> None:
    now = NOW
    slow, quick, third = (
        DuplicateGuard(tmp_path / "g", clock=lambda: now, wait=timedelta(seconds=0.1)) for _ in range(3)
    )
    taken_over = ExitStack()

    def take_over() -> None:
        nonlocal now
        now += timedelta(minutes=3)
        assert taken_over.enter_context(quick.claim("a"))

    if too_late:  # the slow one fails while the other handles the event
        assert fails(slow, "a", ValueError, take_over)
        with pytest.raises(TimeoutError):
            claimed(third, "a")
        taken_over.close()
        assert not claimed(third, "a")
    else:  # the slow one succeeds after all, and the other fails
        with slow.claim("a"):
            take_over()
        with pytest.raises(ValueError, match="no"), taken_over:
            raise ValueError("no")
        assert not claimed(third, "a")


def test_abandoned_claims_are_removed(tmp_path: Path) -> None:
    path, now = tmp_path / "guard.sqlite3", NOW
    guard = DuplicateGuard(path, clock=lambda: now)
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("INSERT INTO events VALUES ('dead', 'someone', ?)", (now.timestamp(),))
    now += timedelta(days=5)
    assert claimed(guard, "a")
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT id FROM events").fetchall() == [("a",)]


def test_file_errors_name_the_file_and_lose_no_event(tmp_path: Path) -> None:
    path = tmp_path / "guard.sqlite3"
    path.write_text("This is a letter, not a database. " * 50)
    with pytest.raises(sqlite3.DatabaseError, match=r"guard\.sqlite3"):
        DuplicateGuard(path)
    with pytest.raises(sqlite3.OperationalError, match="no-such-folder"):
        DuplicateGuard(tmp_path / "no-such-folder" / "guard.sqlite3")
    path.unlink()
    guard = DuplicateGuard(path)

    def break_it() -> None:
        with closing(sqlite3.connect(path)) as file:
            file.execute("DROP TABLE events")

    # Handled, but this could not be recorded: an error, so that the sender retries.
    with pytest.raises(sqlite3.OperationalError, match="no such table"), guard.claim("a"):
        break_it()
    DuplicateGuard(path)
    assert claimed(guard, "a")
    # Not handled, and this could not be recorded either: the original error is raised.
    assert fails(guard, "b", ValueError, break_it)
    DuplicateGuard(path)
    assert claimed(guard, "b")


# The receiver's log


def event(event_id: str) -> ReceivedEvent:
    return ReceivedEvent(event_id, "t", NOW, NOW, {"é": 1})


def test_incomplete_line_does_not_corrupt_the_next(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"id": "old"}\n12\n{"id": 5}\n\xff\xfe\n{"id": "half a li')
    log = EventLog(path)
    assert [record["id"] for record in log.all()] == ["old"]
    assert log.add(event("a"))
    assert log.add(event("b"))
    assert not log.add(event("old"))
    again = EventLog(path)
    assert [record["id"] for record in again.all()] == ["old", "a", "b"]
    assert again.all()[1] == {"id": "a", "type": "t", "timestamp": "2026-01-02T03:04:05.678Z", "data": {"é": 1}}
    assert not again.add(event("a"))


def test_slow_event_does_not_delay_another() -> None:
    log, release = EventLog(), threading.Event()
    slow = threading.Thread(target=log.add, args=(event("slow"), lambda _: release.wait(30)))
    slow.start()
    try:
        assert log.add(event("quick"))
        assert [record["id"] for record in log.all()] == ["quick"]
    finally:
        release.set()
        slow.join()
    assert [record["id"] for record in log.all()] == ["quick", "slow"]


# FastAPI's dependency


class Vault:
    """Where the test's receiver looks up its secrets."""

    secrets: list[str] | str = ""
    broken = False

    def __call__(self) -> list[str] | str:
        if self.broken:
            raise RuntimeError("the vault is closed")
        return self.secrets


vault = Vault()
limited = verified_event(vault, max_bytes=1000)
long_ago = verified_event([SECRET], tolerance=timedelta(days=1))
app = FastAPI()
calls: list[str] = []


@app.post("/limited")
def take_limited(event: Annotated[ReceivedEvent, Depends(limited)]) -> dict[str, str | None]:
    calls.append(event.id)
    return {"id": event.id, "type": event.type, "status": event.status, "at": event.timestamp.isoformat()}


@app.post("/long-ago", status_code=204)
async def take_long_ago(event: Annotated[ReceivedEvent, Depends(long_ago)]) -> None:
    calls.append(event.id)


@contextmanager
def serving(asgi: FastAPI) -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(asgi, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(app) as number:
        yield number


@pytest.fixture(autouse=True)
def _fresh() -> None:
    vault.secrets, vault.broken = SECRET, False
    calls.clear()


def post(port: int, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
    return httpx.post(f"http://127.0.0.1:{port}{path}", content=body, headers=headers, timeout=10)


def test_endpoint_receives_the_event(port: int) -> None:
    body = body_of({"status": "approved"})
    answer = post(port, "/limited", body, headers_for(body))
    assert answer.status_code == 200
    assert answer.json() == {
        "id": "one",
        "type": "hitl_review.finalized",
        "status": "approved",
        "at": "2026-01-02T03:04:05.678000+00:00",
    }


def test_invalid_requests_do_not_reach_the_endpoint(port: int) -> None:
    body = body_of({})
    old = headers_for(body, at=datetime.now(timezone.utc) - timedelta(minutes=6))
    for headers, why in (
        ({}, "Missing header: webhook-id"),
        (old, "too old"),
        (headers_for(body, secret=UNKNOWN), "No signature"),
        (headers_for(body) | {"webhook-id": "two"}, "No signature"),
    ):
        answer = post(port, "/limited", body, headers)
        assert answer.status_code == 401
        assert why in answer.json()["detail"]
    answer = post(port, "/limited", b"[]", headers_for(b"[]"))
    assert (answer.status_code, "not a JSON object" in answer.json()["detail"]) == (401, True)
    assert calls == []
    assert post(port, "/long-ago", body, old).status_code == 204
    assert calls == ["one"]


@pytest.fixture
def server_errors() -> Iterator[list[str]]:
    """Exceptions in the server's log. Collected by a separate handler, as other tests import Airflow, which changes
    the propagation of log records."""
    raised: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info:
                raised.append(str(record.exc_info[1]))

    logger, handler = logging.getLogger("uvicorn.error"), Keep()
    was = logger.disabled, logger.level
    logger.disabled = False
    logger.setLevel(logging.ERROR)
    logger.addHandler(handler)
    yield raised
    logger.removeHandler(handler)
    logger.disabled = was[0]
    logger.setLevel(was[1])


def test_secret_is_looked_up_for_each_request(port: int, server_errors: list[str]) -> None:
    body = body_of({})
    statuses = []
    for secrets in (OLD, [SECRET, OLD], SECRET):
        vault.secrets = secrets
        statuses.append(
            [post(port, "/limited", body, headers_for(body, secret=s)).status_code for s in (OLD, SECRET)]
        )
    assert statuses == [[200, 401], [200, 200], [401, 200]]
    # Not 401: the request may be valid, and the sender should retry.
    vault.secrets = "whsec_tooshort"
    assert post(port, "/limited", body, headers_for(body)).status_code == 500
    assert "24 to 64 bytes" in logged_failure(server_errors, 0)
    vault.broken = True
    assert post(port, "/limited", body, headers_for(body)).status_code == 500
    assert "the vault is closed" in logged_failure(server_errors, 1)


def logged_failure(failures: list[str], number: int) -> str:
    """The logged exception; the server logs it after it has answered."""
    end = time.monotonic() + 10 * PATIENCE
    while len(failures) <= number:
        assert time.monotonic() < end
        time.sleep(0.01)
    return failures[number]


@pytest.mark.parametrize("secret", ["", "whsec_", [], [SECRET, "x"]])
def test_malformed_secret_is_rejected_at_startup(secret: str | list[str]) -> None:
    with pytest.raises(InvalidSecretError):
        verified_event(secret)
    with pytest.raises(InvalidSecretError):
        create_receiver(secret)


def test_size_limit(port: int) -> None:
    rest = 1000 - len(body_of({"x": ""}))
    for size, status in ((rest, 200), (rest + 1, 413)):
        body = body_of({"x": "x" * size})
        assert post(port, "/limited", body, headers_for(body)).status_code == status
    assert calls == ["one"]


def test_endless_body_is_not_read_completely(port: int) -> None:
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"POST /limited HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        # There is no Content-Length. Slow enough for the answer to arrive in between.
        while sent < 100_000:
            connection.sendall(b"64\r\n" + b"x" * 100 + b"\r\n")
            sent += 100
            if _readable(connection):
                break
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")
    assert 1000 < sent < 100_000
    assert calls == []


def _readable(connection: socket.socket) -> bool:
    connection.settimeout(0.02)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except TimeoutError:
        return False
    finally:
        connection.settimeout(10)


def test_disconnecting_sender_causes_no_error(port: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"POST /limited HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nhalf")
        time.sleep(0.1)
    body = body_of({})
    assert post(port, "/limited", body, headers_for(body)).status_code == 200
    time.sleep(0.1)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert calls == ["one"]


BLOCKED = """
import importlib.abc, sys
class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {"fastapi", "starlette", "uvicorn", "flask", "pydantic", "airflow", "jupyter",
                                      "IPython", "ipywidgets", "requests"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Block())
"""


def test_no_web_framework_is_needed() -> None:
    source = f"""{BLOCKED}
from hitl_webhooks import DuplicateGuard, verify
import hitl_webhooks.__main__
hitl_webhooks.__main__.main(["new-secret"])
try:
    import hitl_webhooks.fastapi
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False)
    lines = done.stdout.splitlines()
    assert check_secret(lines[0])
    assert 'pip install "hitl-notebook[receiver]"' in lines[1], done.stderr


# The commands


class Listener:
    """``python -m hitl_webhooks listen`` on a free port, and its output."""

    def __init__(self, log: Path, *options: str, secrets: str = "") -> None:
        # Pipes and files are buffered without PYTHONUNBUFFERED: the listener itself has to flush.
        unset = {"HITL_WEBHOOK_SECRET", "PYTHONUNBUFFERED"}
        environment = {k: v for k, v in os.environ.items() if k not in unset}
        if secrets:
            environment["HITL_WEBHOOK_SECRET"] = secrets
        self._log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hitl_webhooks", "listen", "--port", "0", *options],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        try:
            self.port = int(self.wait_for(r"Listening on http://127\.0\.0\.1:(\d+)/").group(1))
        except BaseException:
            self.end()
            raise
        self._seen = len(self.printed())

    def printed(self) -> str:
        return self._log.read_bytes().decode()

    def wait_for(self, pattern: str) -> re.Match[str]:
        end = time.monotonic() + 30 * PATIENCE
        while (found := re.search(pattern, self.printed())) is None:
            assert self.process.poll() is None, self.printed()
            assert time.monotonic() < end, self.printed()
            time.sleep(0.02)
        return found

    def new(self) -> str:
        """Output since the last call."""
        text = self.printed()
        fresh, self._seen = text[self._seen :], len(text)
        return fresh

    def post(self, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        """Post; returns the answer's status and the output, which is printed before the answer."""
        status = post(self.port, "/webhooks", body, headers).status_code
        return status, self.new()

    def send(self, raw: bytes, pattern: str) -> bytes:
        """Send bytes and disconnect; returns the answer once ``pattern`` was printed."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(1000)
        self.wait_for(pattern)
        return answer

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def listening(log: Path, *options: str, secrets: str = "") -> Iterator[Listener]:
    listener = Listener(log, *options, secrets=secrets)
    try:
        yield listener
    finally:
        listener.end()


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    folder = tmp_path_factory.mktemp("listener")
    with listening(folder / "log", secrets=f"{SECRET} {OLD}") as running:
        yield running


def test_listen_verifies_and_reports_duplicates(listener: Listener) -> None:
    sent = build_event(EventType.FINALIZED, FACTS, at=NOW)
    status, text = listener.post(sent.body, headers_for(sent.body, sent.id))
    assert status == 200
    first, *rows = text.splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\dZ  POST /webhooks  VERIFIED, NEW  -> answered 200", first)
    assert [" ".join(row.split()) for row in rows] == [
        f"id: {sent.id}",
        "type: hitl_review.finalized",
        "happened: 2026-01-02T03:04:05+00:00",
        "status: approved",
        "session: reports / manual__1 / report [3], output 2 of 5",
        "output: # The report",
        "feedback: Shorter",
        "by: ann",
    ]
    # Again, signed with the old secret.
    assert (
        "VERIFIED, REPEAT (delivery 2)" in listener.post(sent.body, headers_for(sent.body, sent.id, secret=OLD))[1]
    )
    assert "VERIFIED, REPEAT (delivery 3)" in listener.post(sent.body, headers_for(sent.body, sent.id))[1]
    assert "VERIFIED, NEW" in listener.post(sent.body, headers_for(sent.body, "another"))[1]


def test_listen_reads_cloudevents(listener: Listener) -> None:
    body = json.dumps(
        {
            "specversion": "1.0",
            "id": "cloud",
            "source": "https://airflow.example.org",
            "type": "hitl_review.finalized",
            "time": "2026-01-02T03:04:05.678Z",
            "data": {"status": "approved"},
        }
    ).encode()
    status, text = listener.post(body, headers_for(body, "cloud"))
    assert (status, "VERIFIED, NEW" in text, "approved" in text) == (200, True, True)


def test_listen_explains_refusals(listener: Listener) -> None:
    body = body_of({})
    stale = headers_for(body, at=datetime.now(timezone.utc) - timedelta(hours=1))
    for headers, why in (
        ({}, "Missing header: webhook-id, webhook-timestamp, webhook-signature."),
        (stale, "webhook-timestamp is too old: more than 0:05:00 from now."),
        (headers_for(body, secret=UNKNOWN), "No signature in webhook-signature matches."),
    ):
        status, text = listener.post(body, headers)
        assert (status, f"REFUSED: {why}  -> answered 401" in text) == (401, True)
        assert ("claims id: one" in text) == bool(headers)
    status, text = listener.post(b"{}", headers_for(b"{}", "claimed"))
    assert (status, "REFUSED: The body is signed, but" in text) == (401, True)


def test_listen_survives_garbage(listener: Listener) -> None:
    start = b"POST /x HTTP/1.1\r\nHost: x\r\n"
    for raw, status, pattern in (
        (b"\x00\x01\x1b[31m\r\n\r\n", b"", "broken request: code 400"),
        (b"PUT /x HTTP/1.1\r\n\r\n", b"HTTP/1.0 501", "broken request: code 501"),
        (b"GET /x HTTP/1.1\r\n\r\n", b"HTTP/1.0 405", "GET /x  REFUSED: webhooks are sent with POST"),
        (start + b"\r\n", b"HTTP/1.0 411", "no Content-Length"),
        (start + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"HTTP/1.0 411", "no Content-Length"),
        (start + b"Content-Length: \xb2\r\n\r\n", b"HTTP/1.0 411", "no Content-Length"),
        (start + b"Content-Length: -1\r\n\r\n", b"HTTP/1.0 411", "no Content-Length"),
        (start + b"Content-Length: 256001\r\n\r\n", b"HTTP/1.0 413", "more than 256000 bytes"),
        (start + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", b"HTTP/1.0 413", "more than 256000 bytes"),
        (start + b"Content-Length: 5\r\n\r\nhalf", b"HTTP/1.0 400", "the body ended early"),
        (
            start + b"Webhook-Id: \xff\x9b31m\r\nContent-Length: 1\r\n\r\n\x1b",
            b"HTTP/1.0 401",
            r"claims id: ÿ\\x9b31m",
        ),
    ):
        listener.new()
        assert listener.send(raw, pattern).startswith(status)
    assert MAX_REQUEST_BYTES == 256_000
    # One that disconnects with a reset, one that sends nothing.
    with socket.create_connection(("127.0.0.1", listener.port)) as connection:
        connection.sendall(start + b"Content-Length: 50\r\n\r\n")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    listener.wait_for("broken connection: .*reset")
    socket.create_connection(("127.0.0.1", listener.port)).close()
    body = body_of({})
    assert "VERIFIED, NEW" in listener.post(body, headers_for(body, "after"))[1]
    assert "Traceback" not in listener.printed()


def test_listen_escapes_control_characters(tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07\x9b31m\u202e\r\n🎉\x00"
    facts = replace(
        FACTS,
        dag_id=f"dag{evil}",
        output=f"output{evil}" + "x" * 500,
        feedback=evil,
        status=evil,
        decided_by=Person("1", evil),
    )
    sent = build_event(EventType.FINALIZED, facts, at=NOW)
    with listening(tmp_path / "log", "--verbose", secrets=SECRET) as listener:
        status, text = listener.post(sent.body, headers_for(sent.body, sent.id))
        assert status == 200
        refused = listener.post(b"\x1b[2J" + sent.body, headers_for(b"{}", "no"))[1]
        listener.send(b"POST /\x1b[31m HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "POST /")
        everything = listener.printed()
    assert not [c for c in everything if not c.isprintable() and c != "\n"]
    assert r"output\x1b]0;owned\x07\x9b31m\u202e\r\n🎉\x00" + "x" * 150 in text
    assert "x" * 201 not in text.partition("body:")[0]
    assert '        "status": "' in text  # the body, indented
    assert text.count("\n      ") > 20
    assert r"\x1b[2J{" in refused
    assert r"POST /\x1b[31m" in everything


def test_listen_with_another_status(tmp_path: Path) -> None:
    body = body_of({})
    with listening(tmp_path / "log", "--status", "503", secrets=SECRET) as listener:
        assert listener.post(body, headers_for(body))[0] == 503
        status, text = listener.post(body, headers_for(body))
        assert (status, "REPEAT (delivery 2)  -> answered 503" in text) == (503, True)
        assert listener.post(body, {})[0] == 401


def test_listen_generates_a_secret_and_stops_on_ctrl_c(tmp_path: Path) -> None:
    body = body_of({})
    with listening(tmp_path / "log") as listener:
        line = listener.wait_for(r"export AIRFLOW_CONN_LISTENER='(.*)'\n").group(1)
        connection = json.loads(line)
        assert connection["host"] == f"http://127.0.0.1:{listener.port}/"
        assert listener.post(body, headers_for(body, secret=connection["password"]))[0] == 200
        assert listener.post(body, headers_for(body))[0] == 401
        listener.process.send_signal(signal.SIGINT)
        assert listener.process.wait(10) == 0
        assert listener.printed().endswith("\nEnded. Requests: 1 refused, 1 verified.\n")
        assert "Traceback" not in listener.printed()
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", listener.port)) != 0


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hitl_webhooks", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_port_in_use_is_a_one_line_error(listener: Listener) -> None:
    done = run("listen", "--port", str(listener.port), HITL_WEBHOOK_SECRET=SECRET)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"Cannot listen on 127.0.0.1:{listener.port}: Address already in use\n"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["listen", "--port", "65536"], "'65536' is not a port"),
        (["listen", "--port", "x"], "'x' is not a port"),
        (["listen", "--status", "100"], "'100' is not a final HTTP status"),
        (
            ["listen", "--port", "0", "--secret-env", "MY_SECRET"],
            "MY_SECRET: A webhook secret starts with 'whsec_'",
        ),
        ([], "the following arguments are required"),
    ],
)
def test_usage_errors(arguments: list[str], why: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from hitl_webhooks.__main__ import main

    monkeypatch.setenv("MY_SECRET", "hunter2")
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    shown = capsys.readouterr().err
    assert why in shown
    assert "hunter2" not in shown


def test_new_secret() -> None:
    done = [run("new-secret") for _ in range(2)]
    secrets = [check_secret(one.stdout.removesuffix("\n")) for one in done]
    assert secrets[0] != secrets[1]
