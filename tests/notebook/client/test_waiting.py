from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from hitl_notebook import (
    AuthenticationError,
    Client,
    HITLNotebookError,
    PermissionDeniedError,
    RegenerationFailedError,
    Review,
    ReviewKey,
    ReviewNotFoundError,
    ServerError,
    WaitTimeoutError,
)
from hitl_notebook.client.waiting import Until, wait_for
from tests.notebook.server import ReviewServer, jwt, session
from tests.notebook.times import stamp

RUNNING = ReviewKey("running", "manual__2030", "draft")


class Time:
    """A clock that advances only during sleep; each sleep ends with the next step."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.now = 100.0
        self.slept: list[float] = []
        self._steps = list(steps)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)
        if self._steps:
            self._steps.pop(0)()


def wait(client: Client, review: Any, time: Time, *, timeout: float | None = 60, **how: Any) -> Review:
    return wait_for(client.find, review, timeout=timeout, clock=time.clock, sleep=time.sleep, **how)


def nothing() -> None:
    pass


@pytest.mark.parametrize("status", ["approved", "rejected", "timeout_exceeded", "max_iterations_exceeded"])
def test_wait_until_decided(server: ReviewServer, client: Client, status: str) -> None:
    key = server.add()
    time = Time(
        nothing,
        lambda: server.change(key, status="changes_requested"),
        lambda: server.next_output(key, "Second"),
        lambda: server.change(key, status=status),
    )
    found = wait(client, key, time)
    assert (found.status, found.current_output) == (status, "Second")
    assert time.slept == [2.0] * 4


def test_wait_returns_at_once_if_already_done(server: ReviewServer, client: Client) -> None:
    key = server.add(task_completed=True, task_state="failed")
    time = Time()
    assert wait(client, key, time, timeout=0).is_open is False
    assert wait(client, key, time, until="output").is_pending is False
    assert time.slept == []


def test_wait_until_newer_output(server: ReviewServer, client: Client) -> None:
    key = server.add()
    seen = client.find(key)
    client.request_changes(seen, "Shorter")
    time = Time(nothing, lambda: server.next_output(key, "Second"))
    second = wait(client, seen, time, until="output", interval=0.5)
    assert (second.iteration, second.is_pending) == (2, True)
    assert time.slept == [0.5, 0.5]
    assert wait(client, key, time, until="output").iteration == 2
    with pytest.raises(WaitTimeoutError, match=r"Output 2 waits for a decision\."):
        wait(client, second, Time(), until="output", timeout=1)


def test_wait_for_output_ends_with_the_review(server: ReviewServer, client: Client) -> None:
    key = server.add()
    seen = client.find(key)
    time = Time(lambda: server.change(key, status="approved"))
    found = wait(client, seen, time, until="output")
    assert (found.status, found.iteration, found.is_pending) == ("approved", 1, False)


def fails(server: ReviewServer, key: ReviewKey, error: str = "TypeError: no region.") -> None:
    """What the task does when the regeneration fails."""
    server.change(key, status="pending_review", last_error=error, decided_by=None, decided_at=None)


def test_failed_regeneration_ends_the_wait(server: ReviewServer, client: Client) -> None:
    key = server.add()
    before = client.find(key)
    row = client.sessions()[0]
    asked = client.request_changes(before, "Shorter")
    words = r"^Making the next output failed: TypeError: no region\. Output 1 waits for a decision again\.$"
    time = Time(nothing, lambda: fails(server, key))
    with pytest.raises(RegenerationFailedError, match=words) as error:
        wait(client, asked, time, until="output")
    assert time.slept == [2.0, 2.0]
    assert error.value.review == client.find(key)
    for known in (before, row, asked):
        with pytest.raises(RegenerationFailedError, match=words):
            wait(client, known, Time(), until="output", timeout=0)


@pytest.mark.parametrize(
    ("of_edit", "words"), [(True, "The task refused the edit"), (False, "Making the next output failed")]
)
def test_wait_tells_a_refused_edit_from_an_output_that_could_not_be_made(
    server: ReviewServer, client: Client, of_edit: bool, words: str
) -> None:
    key = server.add(allow_modifications=True)
    asked = client.request_changes(client.find(key), "Shorter", output="Mine")
    time = Time(lambda: server.refuse_edit(key, "no region.", of_edit=of_edit))
    with pytest.raises(RegenerationFailedError, match=rf"^{words}: no region\. Output 1 waits"):
        wait(client, asked, time, until="output")


def test_old_failure_does_not_end_the_wait(server: ReviewServer, client: Client) -> None:
    key = server.add()
    client.request_changes(client.find(key), "Shorter")
    fails(server, key)
    for known in (client.find(key), client.sessions()[0]):
        with pytest.raises(WaitTimeoutError, match=r"Output 1 waits for a decision\."):
            wait(client, known, Time(), until="output")

    asked = client.request_changes(client.find(key), "Longer")
    assert asked.last_error is not None
    time = Time(nothing, lambda: fails(server, key))  # with the same words
    with pytest.raises(RegenerationFailedError):
        wait(client, asked, time, until="output")
    assert time.slept == [2.0, 2.0]

    again = client.request_changes(client.find(key), "As it was")
    made = Time(lambda: server.next_output(key, "Second"))
    assert wait(client, again, made, until="output").iteration == 2
    approved = Time(lambda: server.change(key, status="approved"))
    assert wait(client, again, approved, until="decided").status == "approved"


def test_restarted_task_does_not_count_as_failed(server: ReviewServer, client: Client) -> None:
    key = server.add()
    asked = client.request_changes(client.find(key), "Shorter")

    def anew() -> None:
        server.change(key, status="pending_review", last_error="An old one.", created_at=stamp(100))

    with pytest.raises(WaitTimeoutError):
        wait(client, asked, Time(anew), until="output")


def test_wait_until_predicate(server: ReviewServer, client: Client) -> None:
    key = server.add()
    time = Time(nothing, lambda: server.change(key, last_error="The model was down."))
    assert wait(client, key, time, until=lambda review: review.last_error is not None).last_error
    with pytest.raises(ZeroDivisionError):
        wait(client, key, time, until=lambda review: 1 // 0 > 0)


def test_wait_for_review_that_does_not_exist_yet(server: ReviewServer, client: Client) -> None:
    def appears() -> None:
        server.sessions[RUNNING] = session(RUNNING)

    assert wait(client, RUNNING, Time(nothing, appears), until="output").iteration == 1
    with pytest.raises(WaitTimeoutError, match=r"running › draft.* There is no review yet; its task is active\."):
        wait(client, ReviewKey("running", "r", "draft", 3), Time())
    with pytest.raises(ReviewNotFoundError) as error:
        wait(client, ReviewKey("ended", "r", "t"), Time())
    assert error.value.task_active is False


def test_wait_continues_when_task_retry_removes_review(server: ReviewServer, client: Client) -> None:
    server.sessions[RUNNING] = session(RUNNING)
    seen = client.find(RUNNING)

    def approved() -> None:
        server.sessions[RUNNING] = session(RUNNING, status="approved")

    assert wait(client, seen, Time(server.sessions.clear, approved)).status == "approved"


def test_wait_timeout(server: ReviewServer, client: Client) -> None:
    key = server.add(status="changes_requested")
    time = Time()
    with pytest.raises(
        WaitTimeoutError,
        match=r"Waited 5 s for reports › draft, run manual__2030\. Changes to output 1 were requested",
    ) as error:
        wait(client, key, time, timeout=5)
    assert time.slept == [2.0, 2.0, 1.0]
    assert isinstance(error.value, TimeoutError)
    assert isinstance(error.value, HITLNotebookError)
    assert error.value.review is not None
    assert error.value.review.status == "changes_requested"
    assert len(server.asked("/hitl-review/sessions/find")) == 4


def test_wait_succeeds_at_last_poll(server: ReviewServer, client: Client) -> None:
    key = server.add()
    time = Time(nothing, lambda: server.change(key, status="approved"))
    assert wait(client, key, time, timeout=3).status == "approved"
    assert time.slept == [2.0, 1.0]


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_wait_survives_server_outage(
    server: ReviewServer, client: Client, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    key = server.add()

    def down() -> None:
        server.broken["/hitl-review"] = (status, "text/html", "<html>")

    def back() -> None:
        server.broken.clear()
        server.change(key, status="approved")

    with caplog.at_level(logging.WARNING):
        assert wait(client, key, Time(down, nothing, nothing, back)).status == "approved"
    assert [str(status) in record.getMessage() for record in caplog.records] == [True]

    down()
    with pytest.raises(WaitTimeoutError, match=f"Last error: The server answered {status}"):
        wait(client, key, Time())


def test_wait_survives_lost_connections() -> None:
    server = ReviewServer()
    stopped = False
    try:
        client = Client(server.url, token=jwt("ada", 4e9), timeout=5)
        key = server.add()

        def stop() -> None:
            nonlocal stopped
            server.stop()
            stopped = True

        time = Time(nothing, stop)
        with pytest.raises(WaitTimeoutError, match=f"Last error: No answer from {server.url}") as error:
            wait(client, key, time, timeout=10)
        assert len(time.slept) == 5
        assert error.value.review is not None
    finally:
        if not stopped:
            server.stop()


def test_wait_survives_token_outage(server: ReviewServer, client: Client) -> None:
    key = server.add(status="approved")
    server.broken["/auth"] = (503, "text/html", "<html>")
    assert wait(client, key, Time(nothing, server.broken.clear)).status == "approved"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, '{"detail": "Invalid JWT token"}', AuthenticationError),
        (403, '{"detail": "Forbidden"}', PermissionDeniedError),
        (404, '{"detail": "Not Found"}', ServerError),
        (200, "<html>", ServerError),
    ],
)
def test_permanent_error_ends_the_wait(
    server: ReviewServer, client: Client, status: int, body: str, expected: type[Exception]
) -> None:
    key = server.add()
    server.broken["/hitl-review"] = (status, "application/json", body)
    time = Time()
    with pytest.raises(expected):
        wait(client, key, time)
    assert time.slept == []


def test_keyboard_interrupt_is_raised(server: ReviewServer, client: Client) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wait(client, server.add(), Time(nothing, interrupt), timeout=None)


@pytest.mark.parametrize(
    "how",
    [
        {"interval": 0},
        {"interval": float("nan")},
        {"timeout": -1},
        {"timeout": float("nan")},
        {"until": "aproved"},
        {"until": None},
    ],
)
def test_invalid_arguments(server: ReviewServer, client: Client, how: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(how))):
        client.wait_for(server.add(), **how)
    assert server.seen == []


def test_wait_with_real_clock(server: ReviewServer, client: Client) -> None:
    key = server.add()
    until: Until = "decided"
    decision = threading.Timer(0.2, lambda: server.change(key, status="approved"))
    decision.start()
    assert client.wait_for(key, until=until, timeout=10, interval=0.05).status == "approved"
    decision.join()
    with pytest.raises(WaitTimeoutError, match=r"Waited 0\.1 s"):
        client.wait_for(server.add("other"), timeout=0.1, interval=0.05)
