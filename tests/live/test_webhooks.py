"""Webhooks of a complete Airflow on PostgreSQL: receivers that are down or hang, workers that are killed.

Reviews spend almost all their time waiting. So the tests marked ``@overlapping`` run concurrently: they all start
with the first of them, and each pytest test only waits for its own body to finish.
"""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import Engine, create_engine, text

from demo.airflow_instance import AirflowInstance
from demo.processes import PATIENCE, wait_until
from hitl_webhooks import ReceivedEvent
from tests.support import postgres
from tests.support.hook_server import Hook, LiveHooks

pytestmark = [pytest.mark.live, pytest.mark.postgres, pytest.mark.timeout(600)]

LONG = 180.0
"""Timeout in seconds for operations that take a few seconds on an idle machine."""

PREFIX = "airflow_hitl_review_"
READY, CHANGES, FINAL = (f"hitl_review.{name}" for name in ("output_ready", "changes_requested", "finalized"))


class Reviews:
    """Operations of the tests on the live Airflow; thread-safe."""

    def __init__(self, airflow: AirflowInstance, hooks: LiveHooks, engine: Engine, folder: Path) -> None:
        self.airflow = airflow
        self.hooks = hooks
        self.folder = folder
        self._engine = engine
        self._headers = {"Authorization": f"Bearer {airflow.token()}"}

    def call(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """Call Airflow; ``path`` starts with the app's, such as ``/hitl-review``."""
        return requests.request(method, f"{self.airflow.url}{path}", headers=self._headers, timeout=120, **kwargs)

    def trigger(self, dag_id: str, **conf: Any) -> Run:
        body = {"logical_date": None, "conf": conf}
        answer = self.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)
        assert answer.ok, answer.text
        return Run(self, dag_id, answer.json()["dag_run_id"])

    def query(self, statement: str, **values: Any) -> list[Any]:
        with self._engine.connect() as connection:
            return list(connection.execute(text(statement), values))


class Run:
    """A DAG run."""

    def __init__(self, reviews: Reviews, dag_id: str, run_id: str) -> None:
        self.reviews = reviews
        self.dag_id = dag_id
        self.run_id = run_id
        self._ids = {"dag": dag_id, "run": run_id}

    # --- state

    def states(self) -> dict[tuple[str, int], tuple[str | None, int]]:
        """State and try number of each task instance."""
        rows = self.reviews.query(
            "select task_id, map_index, state, try_number from task_instance where dag_id = :dag and run_id = :run",
            **self._ids,
        )
        return {(row.task_id, row.map_index): (row.state, row.try_number) for row in rows}

    def wait_for(
        self, state: str, *, task_id: str = "review", count: int = 1, try_number: int | None = None
    ) -> None:
        """Wait until this many instances of the task are in the state, and in the try if one is given."""

        def there() -> bool:
            found = [v for (task, _), v in self.states().items() if task == task_id]
            return [s for s, n in found if try_number in (None, n)].count(state) == count

        what = f"{count} x {task_id} {state} (try {try_number or 'any'}) of {self.dag_id}"
        wait_until(there, timeout=LONG, what=what, interval=0.3)

    def wait_for_end(self, state: str) -> None:
        """Wait until the run itself has ended in this state."""
        statement = "select state from dag_run where dag_id = :dag and run_id = :run"
        wait_until(
            lambda: self.reviews.query(statement, **self._ids)[0].state == state,
            timeout=LONG,
            what=f"{self.dag_id} {state}",
            interval=0.3,
        )

    def xcoms(self, task_id: str = "review", map_index: int = -1) -> dict[str, datetime]:
        """Key and time of each of our XComs of a task instance, from the database."""
        rows = self.reviews.query(
            "select key, timestamp from xcom where dag_id = :dag and run_id = :run"
            " and task_id = :task and map_index = :index",
            **self._ids,
            task=task_id,
            index=map_index,
        )
        return {row.key.removeprefix(PREFIX): row.timestamp for row in rows if row.key.startswith(PREFIX)}

    def find(self, task_id: str = "review", map_index: int = -1) -> Any:
        """The review, as returned by the API."""
        return self._call("GET", "sessions/find", task_id, map_index).json()

    def deliveries(self, task_id: str = "review", map_index: int = -1) -> list[Any]:
        """Its deliveries, as returned by the API."""
        answer = self._call("GET", "deliveries", task_id, map_index)
        assert answer.ok, answer.text
        found: list[Any] = answer.json()["deliveries"]
        return found

    def events(self, hook: Hook, type_: str | None = None, **session: Any) -> list[ReceivedEvent]:
        """Verified events of this run that a hook received, oldest first, including duplicates.

        Args:
            hook: the receiver.
            type_: only events of this type.
            session: only events whose ``data["session"]`` has these values.
        """
        wanted = {"run_id": self.run_id, **session}
        found = [e for e in hook.events() if type_ in (None, e.type)]
        return [e for e in found if wanted.items() <= e.data.get("session", {}).items()]

    def ids(self, hook: Hook, type_: str | None = None, **session: Any) -> list[str]:
        """Ids of these events without duplicates, in order of first arrival."""
        return list(dict.fromkeys(event.id for event in self.events(hook, type_, **session)))

    def wait_for_events(self, count: int, hook: Hook, type_: str, **session: Any) -> list[ReceivedEvent]:
        """Wait until this many different events have arrived; returns each once."""
        wait_until(
            lambda: len(self.ids(hook, type_, **session)) >= count,
            timeout=LONG,
            what=f"{count} x {type_} {session} of {self.dag_id}",
        )
        found = {event.id: event for event in self.events(hook, type_, **session)}
        assert len(found) == count, found
        return list(found.values())

    # --- actions of a reviewer

    def approve(
        self, task_id: str = "review", map_index: int = -1, *, iteration: int = 1, feedback: str = ""
    ) -> None:
        self._decide("approve", {"iteration": iteration, "feedback": feedback}, task_id, map_index)

    def reject(self, feedback: str, task_id: str = "review", *, iteration: int = 1) -> None:
        self._decide("reject", {"iteration": iteration, "feedback": feedback}, task_id, -1)

    def ask(self, feedback: str, task_id: str = "review", *, iteration: int = 1) -> None:
        self._decide("feedback", {"iteration": iteration, "feedback": feedback}, task_id, -1)

    def _decide(self, action: str, body: dict[str, Any], task_id: str, map_index: int) -> None:
        answer = self._call("POST", f"sessions/{action}", task_id, map_index, json=body)
        assert answer.status_code == 200, answer.text

    def _call(self, method: str, path: str, task_id: str, map_index: int, **kwargs: Any) -> requests.Response:
        ids = {"dag_id": self.dag_id, "run_id": self.run_id, "task_id": task_id, "map_index": map_index}
        return self.reviews.call(method, f"/hitl-review/{path}", params=ids, **kwargs)

    # --- actions in Airflow

    def mark(self, state: str, task_id: str = "review") -> None:
        path = f"/api/v2/dags/{self.dag_id}/dagRuns/{self.run_id}/taskInstances/{task_id}"
        answer = self.reviews.call("PATCH", path, json={"new_state": state})
        assert answer.ok, answer.text

    def clear(self, task: str | list[str | int]) -> None:
        """Clear a task, or one instance of it, given as task id and map index."""
        body = {"dry_run": False, "only_failed": False, "dag_run_id": self.run_id, "task_ids": [task]}
        answer = self.reviews.call("POST", f"/api/v2/dags/{self.dag_id}/clearTaskInstances", json=body)
        assert answer.ok, answer.text


# --- tests that run concurrently

Body = Callable[[Reviews], None]


class Background:
    """Runs the bodies of overlapping tests, each in a thread."""

    def __init__(self, bodies: list[Body], reviews: Reviews) -> None:
        self._executor = ThreadPoolExecutor(max(1, len(bodies)), thread_name_prefix="overlapping")
        self._futures: dict[str, Future[None]] = {
            body.__name__: self._executor.submit(body, reviews) for body in bodies
        }

    def wait_for(self, body: Body) -> None:
        self._futures[body.__name__].result()

    def close(self) -> None:
        self._executor.shutdown()


def overlapping(body: Body) -> Callable[[Background], None]:
    """Decorator: a test whose body runs concurrently with those of the others."""

    def test(background: Background) -> None:
        background.wait_for(body)

    test.__name__, test.__doc__ = body.__name__, body.__doc__
    test.body = body  # type: ignore[attr-defined]
    return test


@pytest.fixture(scope="module")
def reviews(live: AirflowInstance, hooks: LiveHooks, folder: Path) -> Iterator[Reviews]:
    engine = create_engine(live.database, pool_size=20)
    yield Reviews(live, hooks, engine, folder)
    engine.dispose()


@pytest.fixture(scope="module")
def background(request: pytest.FixtureRequest, reviews: Reviews) -> Iterator[Background]:
    """Starts the overlapping tests of this module that were selected."""
    functions = [getattr(item, "function", None) for item in request.session.items if item.path == Path(__file__)]
    running = Background([f.body for f in functions if f is not None and hasattr(f, "body")], reviews)
    yield running
    running.close()


@overlapping
def test_receiver_starts_after_the_run_has_ended(reviews: Reviews) -> None:
    """Each event arrives unchanged since the failed attempts, with a new signature; then the outbox is closed."""
    hook, server = reviews.hooks["late"], reviews.hooks.server("late")
    server.down()
    run = reviews.trigger("webhook_review", hook="hook_late")
    run.wait_for("awaiting_input")
    run.approve()
    run.wait_for_end("success")
    failed = run.deliveries()
    assert [(d["type"], d["status"]) for d in failed] == [(FINAL, "pending"), (READY, "pending")]
    for delivery in failed:
        late = next(e for e in delivery["endpoints"] if e["endpoint"] == "hook_late")
        assert late["attempts"] >= 2
        assert all(a["status_code"] is None and "ConnectError" in a["error"] for a in late["log"])
    assert hook.requests() == []

    # Lost once more, after it was received: the resent event must be identical.
    hook.behave(status=500)
    server.up()
    wait_until(lambda: len(run.ids(hook)) == 2, timeout=LONG, what="both events")
    hook.behave()
    wait_until(
        lambda: all(d["status"] == "delivered" for d in run.deliveries()), timeout=LONG, what="both deliveries"
    )
    by_id: dict[str, list[Any]] = {}
    for request in hook.requests():
        assert request.event is not None, request.refusal
        by_id.setdefault(request.id, []).append(request)
    assert set(by_id) == {d["event_id"] for d in failed}
    assert {r[0].event.type for r in by_id.values()} == {READY, FINAL}
    for requests_ in by_id.values():
        assert len({r.body for r in requests_}) == 1
        # Signed with the time of each attempt, not of the event.
        assert all(abs(r.at - r.event.sent_at) < timedelta(seconds=30) for r in requests_)
        assert len({r.headers["webhook-signature"] for r in requests_}) == len({r.event.sent_at for r in requests_})
    for delivery in run.deliveries():
        late = next(e for e in delivery["endpoints"] if e["endpoint"] == "hook_late")
        assert late["last_error"] is None
        assert late["log"][-1]["status_code"] == 204
        assert late["attempts"] > len(late["log"]) or late["log"][0]["error"]
    wait_until(
        lambda: not {"webhooks", "webhooks_ended"} & run.xcoms().keys(), timeout=LONG, what="an outbox at rest"
    )


@overlapping
def test_worker_is_killed_during_first_attempt(reviews: Reviews) -> None:
    """The event still arrives, with the same id; an event also reports that the review lost its task."""
    hook = reviews.hooks["killed"]
    hook.behave(hang=60)
    run = reviews.trigger("webhook_review", hook="hook_killed")
    wait_until(lambda: hook.hanging > 0, timeout=LONG, what="the first attempt", interval=0.02)
    first = hook.requests()[0]
    kill_task(owner_of(first.peer_port), reviews.airflow.processes["scheduler"].pid)
    killed_at = time.monotonic()
    hook.behave()
    assert run.states()["review", -1] == ("running", 1)

    wait_until(lambda: len(run.events(hook, READY)) >= 2, timeout=LONG, what="the event again")
    # The final event may have arrived in between.
    again = [r for r in hook.requests() if r.event is not None and r.event.type == READY][1]
    assert (again.id, again.body) == (first.id, first.body)
    # No one else sent it while the dead worker's claim was valid.
    assert again.monotonic - first.monotonic > 25
    assert again.monotonic - killed_at < 90 * PATIENCE

    run.wait_for("failed")
    (final,) = run.wait_for_events(1, hook, FINAL)
    assert final.data["status"] == "abandoned"
    assert final.data["session"]["status"] == "pending_review"
    assert final.data["decided_by"] is None
    assert run.ids(hook, READY) == [first.id]


def owner_of(port: int) -> int:
    """The process that owns the connection from this local TCP port."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inode = next(f[9] for f in lines if f[1].endswith(f":{port:04X}") and f[3] == "01")
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(entry.readlink()) == f"socket:[{inode}]":
                return int(entry.parts[2])
        except OSError:
            continue  # ended in the meantime
    raise LookupError(f"nobody has port {port}")


def parent_of(pid: int) -> int:
    found = re.search(r"^PPid:\s+(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def kill_task(runner: int, scheduler: int) -> None:
    """``kill -9`` a task's process and its supervisor."""
    supervisor = parent_of(runner)
    assert scheduler not in (runner, supervisor)
    assert os.getpgid(supervisor) == scheduler, "not a worker of this test's Airflow"
    # The supervisor first: it would report the task's end.
    os.kill(supervisor, signal.SIGKILL)
    os.kill(runner, signal.SIGKILL)


@overlapping
def test_review_is_marked_failed_or_successful(reviews: Reviews) -> None:
    """Doing this in Airflow takes the review away from its reviewer: one event reports it."""
    hook = reviews.hooks["marked"]
    runs = {state: reviews.trigger("webhook_review", hook="hook_marked") for state in ("failed", "success")}
    for run in runs.values():
        run.wait_for("awaiting_input")
    for state, run in runs.items():
        run.mark(state)
    for state, run in runs.items():
        assert run.states()["review", -1] == (state, 1)
        (final,) = run.wait_for_events(1, hook, FINAL)
        assert (final.data["status"], final.data["session"]["status"]) == ("abandoned", "pending_review")
        assert (final.data["decided_by"], final.data["feedback"]) == (None, None)
        assert final.data["output"] == "Draft of item -1."
        # There is no further event: it could only be built from this row.
        assert "webhooks" not in run.xcoms()
        assert run.ids(hook, FINAL) == [final.id]


@overlapping
def test_reviews_are_cleared_while_the_receiver_is_down(reviews: Reviews) -> None:
    """Airflow deletes their XComs when they restart, but no event is lost; each try has its own events."""
    hook, server = reviews.hooks["cleared"], reviews.hooks.server("cleared")
    server.down()
    run = reviews.trigger("webhook_cleared")
    run.wait_for("awaiting_input", count=10)
    # One by one, so that scheduler and dispatcher are caught at different moments.
    for index in range(10):
        run.clear(["review", index])
    run.wait_for("awaiting_input", count=10, try_number=2)
    run.clear("review")
    run.wait_for("awaiting_input", count=10, try_number=3)
    server.up()
    for try_number in (1, 2):
        abandoned = run.wait_for_events(10, hook, FINAL, try_number=try_number)
        assert {e.data["status"] for e in abandoned} == {"abandoned"}
        assert {e.data["session"]["status"] for e in abandoned} == {"pending_review"}
        assert sorted(e.data["session"]["map_index"] for e in abandoned) == list(range(10))
    for try_number in (1, 2, 3):
        ready = run.wait_for_events(10, hook, READY, try_number=try_number)
        assert sorted(e.data["session"]["map_index"] for e in ready) == list(range(10))

    for index in (0, 4, 9):
        run.approve(map_index=index)
    approved = run.wait_for_events(3, hook, FINAL, try_number=3)
    assert {e.data["status"] for e in approved} == {"approved"}
    assert len(run.ids(hook)) == 20 + 30 + 3
    run.wait_for("success", count=3)


@overlapping
def test_undelivered_events_survive_a_retry(reviews: Reviews) -> None:
    """A review times out while the receiver is down, and Airflow retries its task immediately."""
    hook, server = reviews.hooks["retried"], reviews.hooks.server("retried")
    server.down()
    run = reviews.trigger("webhook_retried")
    # The second try has started its review: by then Airflow has deleted everything the first one left.
    wait_until(
        lambda: run.states()["review", -1][1] == 2 and "webhooks" in run.xcoms(),
        timeout=LONG,
        what="the second try",
        interval=0.3,
    )
    server.up()
    (timed_out,) = run.wait_for_events(1, hook, FINAL, try_number=1)
    assert timed_out.data["status"] == timed_out.data["session"]["status"] == "timeout_exceeded"
    run.wait_for_events(1, hook, READY, try_number=1)
    run.wait_for_events(1, hook, READY, try_number=2)


@overlapping
def test_new_try_keeps_undelivered_events(reviews: Reviews) -> None:
    """They are never only in the memory of an API server, which may be killed."""
    hook, server = reviews.hooks["kept"], reviews.hooks.server("kept")
    server.down()
    run = reviews.trigger("webhook_kept")
    run.wait_for("awaiting_input")
    (first,) = [key for key in run.xcoms() if key.startswith("webhook_")]
    run.clear("review")
    seen = 0
    end = time.monotonic() + LONG * PATIENCE
    while run.states()["review", -1] != ("awaiting_input", 2):
        assert time.monotonic() < end
        assert first in run.xcoms()
        seen += 1
        time.sleep(0.05)
    assert seen > 5
    assert first in run.xcoms()
    server.up()
    for try_number, type_ in ((1, READY), (1, FINAL), (2, READY)):
        assert len(run.wait_for_events(1, hook, type_, try_number=try_number)) == 1


@overlapping
def test_events_of_all_endings(reviews: Reviews) -> None:
    """Every ending of a review and every step on the way sends an event, with who, when and why."""
    hook = reviews.hooks["endings"]
    run = reviews.trigger("webhook_endings")
    for task_id in ("approved", "rejected", "limited", "failing"):
        run.wait_for("awaiting_input", task_id=task_id)
    run.reject("wrong item", "rejected")
    run.ask("please go on", "limited")
    run.ask("please fail", "failing")
    run.ask("please fail", "approved")
    wait_until(lambda: bool(run.find("approved")["last_error"]), timeout=LONG, what="the error", interval=0.5)
    run.ask("shorter", "approved")
    run.wait_for_events(1, hook, READY, task_id="approved", iteration=2)
    wait_until(lambda: run.find("approved")["iteration"] == 2, timeout=LONG, what="output 2", interval=0.5)
    run.approve("approved", iteration=2, feedback="much better")
    tasks = ("approved", "rejected", "timed", "limited", "failing")
    finals = {task_id: run.wait_for_events(1, hook, FINAL, task_id=task_id)[0].data for task_id in tasks}

    assert {task_id: (data["status"], data["session"]["status"]) for task_id, data in finals.items()} == {
        "approved": ("approved", "approved"),
        "rejected": ("rejected", "rejected"),
        "timed": ("timeout_exceeded", "timeout_exceeded"),
        "limited": ("max_iterations_exceeded", "max_iterations_exceeded"),
        "failing": ("failed", "changes_requested"),
    }
    assert {task_id: data["feedback"] for task_id, data in finals.items()} == {
        "approved": "much better",
        "rejected": "wrong item",
        "timed": None,
        "limited": "please go on",
        "failing": "please fail",
    }
    for task_id, data in finals.items():
        if task_id == "timed":
            assert (data["decided_by"], data["decided_at"]) == (None, None)
        else:
            assert data["decided_by"]["name"] == "admin"
            assert data["decided_at"] is not None

    def told(task_id: str) -> list[tuple[str, int, str | None]]:
        events = in_order(run.events(hook, task_id=task_id))
        return [(e.type, e.data["session"]["iteration"], e.data["feedback"]) for e in events]

    assert told("approved") == [
        (READY, 1, None),
        (CHANGES, 1, "please fail"),
        (CHANGES, 1, "shorter"),
        (READY, 2, None),
        (FINAL, 2, "much better"),
    ]
    assert told("rejected") == [(READY, 1, None), (FINAL, 1, "wrong item")]
    assert told("timed") == [(READY, 1, None), (FINAL, 1, None)]
    assert told("limited") == [(READY, 1, None), (FINAL, 1, "please go on")]
    assert told("failing") == [(READY, 1, None), (CHANGES, 1, "please fail"), (FINAL, 1, "please fail")]
    asked = run.events(hook, CHANGES)
    assert all(e.data["decided_by"]["name"] == "admin" for e in asked)
    assert {e.data["status"] for e in asked} == {"changes_requested"}
    run.wait_for_end("failed")
    assert {task: state for (task, _), (state, _) in run.states().items()} == {
        task: "success" if task == "approved" else "failed" for task in tasks
    }


def in_order(events: list[ReceivedEvent]) -> list[ReceivedEvent]:
    """Each event once, in chronological order; two at almost the same time may arrive in either order."""
    return sorted({event.id: event for event in events}.values(), key=lambda event: event.timestamp)


@overlapping
def test_callbacks_and_default_webhook(reviews: Reviews) -> None:
    """Functions and notifiers of the DAG are called in each round; one that raises does no harm.

    The DAG names no webhook: its events go to the deployment's default.
    """
    path = reviews.folder / "callbacks.jsonl"
    run = reviews.trigger("webhook_callbacks", path=str(path))
    run.wait_for("awaiting_input")
    run.ask("shorter")
    wait_until(lambda: run.find()["iteration"] == 2, timeout=LONG, what="output 2", interval=0.5)
    run.approve(iteration=2)
    run.wait_for_end("success")

    lines = [json.loads(line) for line in path.read_text().splitlines()]
    notifier = [f"1: Draft of item -1. ({run.run_id})", f"2: Draft 1 after: shorter ({run.run_id})", "approved"]
    assert [line["line"] for line in lines if line["who"] == "notifier"] == notifier
    round_ = ["ready", "broken", "ready too", "notifier"]
    assert [line["who"] for line in lines] == [*round_, *round_, "broken", "final", "notifier"]
    ready = [line for line in lines if line["who"] == "ready"]
    deadline = ready[0]["deadline_at"]
    assert datetime.fromisoformat(deadline).tzinfo is not None
    assert ready == [
        {
            "who": "ready",
            "task": "review",
            "event": READY,
            "status": "pending_review",
            "iteration": n,
            "max_iterations": 5,
            "prompt": "Read it",
            "output": output,
            "edited": False,
            "deadline_at": deadline,
            "feedback": None,
            "decided_by": None,
            "acting_for": None,
            "channel": None,
            "request_kind": None,
        }
        for n, output in ((1, "Draft of item -1."), (2, "Draft 1 after: shorter"))
    ]
    (final,) = (line for line in lines if line["who"] == "final")
    assert (final["event"], final["status"], final["decided_by"]) == (FINAL, "approved", "admin")
    assert (final["edited"], final["acting_for"], final["channel"]) == (False, None, "rest")
    assert (final["iteration"], final["output"]) == (2, "Draft 1 after: shorter")
    log = "".join(p.read_text() for p in reviews.airflow.home.glob(f"logs/**/run_id={run.run_id}/**/*.log"))
    assert log.count(f"A callback for {READY} failed; the review goes on.") == 2
    assert log.count(f"A callback for {FINAL} failed; the review goes on.") == 1
    assert "this callback is broken" in log

    default = reviews.hooks["default"]
    wait_until(lambda: bool(run.events(default, FINAL)), timeout=LONG, what="the final event")
    assert [e.type for e in in_order(run.events(default))] == [READY, CHANGES, READY, FINAL]
    assert {d["endpoints"][0]["endpoint"] for d in run.deliveries()} == {"hook_default"}
    assert {len(d["endpoints"]) for d in run.deliveries()} == {1}


@overlapping
def test_secrets_are_not_exposed(reviews: Reviews) -> None:
    """Not in logs, the database or responses, whether an endpoint works or fails, and however it fails."""
    hooks = reviews.hooks
    run = reviews.trigger("webhook_secrets")
    run.wait_for("awaiting_input")
    run.approve()
    run.wait_for_end("success")
    failing = {"hook_refusing", "hook_dead", "hook_nowhere", "hook_untidy", "hook_malformed", "hook_slack_nowhere"}
    failing |= {"hook_quoting", "hook_quoting_user"}

    def attempted() -> bool:
        endpoints = {e["endpoint"]: e for d in run.deliveries() if d["type"] == READY for e in d["endpoints"]}
        # The worker makes three attempts, so any more come from the dispatcher.
        return all(endpoints[name]["attempts"] > 3 for name in failing)

    wait_until(attempted, timeout=LONG, what="attempts at all endpoints", interval=1)

    # The working endpoints received it, signed with both secrets, or in Slack's format.
    wait_until(lambda: len(run.ids(hooks["rotating"])) == 2, timeout=LONG, what="both events")
    signatures = hooks["rotating"].requests()[0].headers["webhook-signature"].split()
    assert len(set(signatures)) == 2
    assert all(r.event for r in hooks["rotating"].requests())
    wait_until(lambda: len(hooks["slack"].requests()) >= 2, timeout=LONG, what="both messages")
    for request in hooks["slack"].requests():
        assert request.path.startswith("/services/T00/B00/known")
        assert not {name for name in request.headers if name.startswith("webhook-")}
        message = request.json()
        assert "webhook_secrets" in message["text"]
        assert message["blocks"][0]["type"] == "header"

    answers = [
        run.reviews.call("GET", "/hitl-review/deliveries", params={"dag_id": run.dag_id}).text,
        run.reviews.call("GET", "/hitl-review/sessions", params={"include_ended": "true"}).text,
        json.dumps(run.find()),
        run.reviews.call("GET", f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/review").text,
    ]
    assert "hook_nowhere" in answers[0]
    assert "answered 401" in answers[0]
    assert any(r.headers["authorization"].startswith("Basic ") for r in hooks["quoting"].requests())
    assert "hook_nowhere" in answers[3], "the rendered fields are not there"
    places = {f"answer {number}": answer.encode() for number, answer in enumerate(answers)}
    places["the database"] = dump(reviews.airflow.database)
    leaks = leaks_in(places, hooks.known_secrets)
    for path in reviews.airflow.home.rglob("*"):
        if path.is_file():
            leaks += leaks_in({str(path): path.read_bytes()}, hooks.known_secrets)
    assert not leaks, "\n".join(leaks)


def leaks_in(places: dict[str, bytes], known: Sequence[str]) -> list[str]:
    """Which secrets were found where, with their context."""
    return [
        f"{place}: {content[max(at - 150, 0) : at + 80]!r}"
        for place, content in places.items()
        for secret in known
        if (at := content.find(secret.encode())) >= 0
    ]


def dump(database: str) -> bytes:
    """All rows of a database."""
    binaries = postgres.find_binaries()
    assert binaries is not None
    command = [str(binaries / "pg_dump"), "--data-only", database.replace("+psycopg2", "")]
    return subprocess.run(command, check=True, capture_output=True, timeout=300).stdout


# --- tests that need Airflow to themselves


@pytest.fixture(scope="module")
def timed_runs(reviews: Reviews) -> tuple[Run, Run]:
    """Sequential reviews: with three endpoints, one of which hangs; and with none."""
    reviews.hooks["hanging"].behave(hang=30)
    return reviews.trigger("webhook_three"), reviews.trigger("webhook_none")


def test_hanging_endpoint_delays_no_other(reviews: Reviews, timed_runs: tuple[Run, Run]) -> None:
    """Two others are notified at once of the review, which can be decided while one hangs, and of its end."""
    run, _ = timed_runs
    good = [reviews.hooks["good_one"], reviews.hooks["good_two"]]
    wait_until(
        lambda: all(run.events(hook, READY, map_index=0) for hook in good),
        timeout=LONG,
        what="both good endpoints",
        interval=0.02,
    )
    run.approve(map_index=0)
    decided_at = time.time()
    ready = [
        next(r for r in hook.requests() if r.event is not None and r.event.id in run.ids(hook, READY, map_index=0))
        for hook in good
    ]
    assert abs(ready[0].monotonic - ready[1].monotonic) < 2 * PATIENCE
    for hook in good:
        (final,) = run.wait_for_events(1, hook, FINAL, map_index=0)
        assert final.data["status"] == "approved"

    (delivery,) = (d for d in run.deliveries(map_index=0) if d["type"] == READY)
    hanging = next(e for e in delivery["endpoints"] if e["endpoint"] == "hook_hanging")
    attempt = hanging["log"][0]
    assert "no answer within" in attempt["error"]
    assert attempt["duration_ms"] > 4_000
    ended_at = datetime.fromisoformat(attempt["at"]).timestamp() + attempt["duration_ms"] / 1000
    assert max(r.at.timestamp() for r in ready) < ended_at
    assert decided_at < ended_at


def test_webhooks_do_not_delay_the_review(reviews: Reviews, timed_runs: tuple[Run, Run]) -> None:
    """It is open for decisions within 0.1 s of the time without webhooks; medians of 8 each."""
    medians = []
    for run in timed_runs:
        for index in range(1, 9):
            wait_until(
                lambda run=run, index=index: run.states()["review", index][0] == "awaiting_input",  # type: ignore[misc]
                timeout=LONG,
                what=f"review {index} of {run.dag_id}",
                interval=0.5,
            )
        taken = [
            run.xcoms(map_index=index)["agent_session"].timestamp()
            - float(run.find(map_index=index)["current_output"])
            for index in range(1, 9)
        ]
        medians.append(statistics.median(taken))
        print(run.dag_id, [round(seconds, 3) for seconds in sorted(taken)])  # noqa: T201
    assert "webhooks" in timed_runs[0].xcoms(map_index=1)
    assert "webhooks" not in timed_runs[1].xcoms(map_index=1)
    # On a machine so busy that the two or three XComs without webhooks take longer, one more does too.
    assert medians[0] - medians[1] < max(0.1, medians[1]), medians
