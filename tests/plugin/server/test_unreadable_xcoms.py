"""XComs that are temporarily unreadable: nothing is undone, dropped or lost, and everything continues later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from airflow_hitl_review.core.schema import PREFIX, SESSION_KEY, WEBHOOK_PREFIX, WEBHOOKS_ENDED_KEY, WEBHOOKS_KEY
from demo.processes import wait_until
from tests.conftest import DATABASES, reviews_on
from tests.plugin.server.test_long_outputs import is_listed_by_its_summary
from tests.plugin.server.test_reviewers import events, has_state, task_instance
from tests.support.api_server import ROOT, URL_SECRET, ReviewServer
from tests.support.file_xcoms import AWAY
from tests.support.hook_server import HookServer

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module", params=DATABASES)
def reviews(request: pytest.FixtureRequest, folder: Path) -> Iterator[ReviewServer]:
    """A server whose XCom values are in files."""
    settings = {
        "AIRFLOW__CORE__XCOM_BACKEND": "tests.support.file_xcoms.FileXComs",
        "AIRFLOW__HITL_REVIEW__WAKE_SWEEP_INTERVAL": "1",
        "PYTHONPATH": str(ROOT),
    }
    with reviews_on(request, folder, "unreadable", settings) as server:
        yield server


@contextmanager
def away(server: ReviewServer, key: str) -> Iterator[None]:
    """Make XComs whose key starts with ``key`` unreadable for the duration of the block."""
    file = server.airflow.home / AWAY
    file.write_text(key)
    try:
        yield
    finally:
        file.unlink()


def wait_for_log(server: ReviewServer, *words: str, after: int) -> None:
    """Wait for a line with these words in the API server's log, after a position in it."""

    def said() -> bool:
        log = server.airflow.processes["api-server"].log.read_text(errors="replace")[after:]
        return any(all(word in line for word in words) for line in log.splitlines())

    wait_until(said, timeout=60, what=str(words), interval=0.3)


def log_end(server: ReviewServer) -> int:
    return len(server.airflow.processes["api-server"].log.read_text(errors="replace"))


def keys(server: ReviewServer, run_id: str) -> set[str]:
    found = server.sql("select xcom.key from xcom where run_id = :run and map_index = 0", run=run_id)
    return {row.key for row in found}


def status(server: ReviewServer, run_id: str) -> tuple[str, str]:
    review = server.call("GET", "/sessions/find", params=server.params(run_id)).json()
    return review["status"], review["task_state"]


def test_unreadable_review_gets_503_and_cannot_be_decided(reviews: ReviewServer) -> None:
    run_id = reviews.seed(1)
    where = reviews.params(run_id)
    with away(reviews, SESSION_KEY):
        for method, path in (("GET", "find"), ("POST", "approve"), ("POST", "reject"), ("GET", "../chat")):
            answer = reviews.call(method, f"/sessions/{path}", params=where)
            assert answer.status_code == 503, (path, answer.text)
            assert f"cannot be read at the moment: {SESSION_KEY} (OSError)" in answer.text
            assert "secret" not in answer.text
        listed = reviews.call("GET", "/sessions", params={"dag_id": where["dag_id"], "limit": 100})
        assert listed.status_code == 200
        assert run_id not in {row["run_id"] for row in listed.json()["sessions"]}
    assert status(reviews, run_id) == ("pending_review", "awaiting_input")


def test_unreadable_earlier_output_does_not_block_the_review(reviews: ReviewServer) -> None:
    run_id = reviews.seed(1)
    with away(reviews, f"{PREFIX}agent_output_1"):
        review = reviews.call("GET", "/sessions/find", params=reviews.params(run_id)).json()
        assert review["current_output"] == "Draft of item 0."
        assert "cannot be read at the moment" in review["conversation"][0]["content"]
        assert reviews.call("POST", "/sessions/approve", params=reviews.params(run_id)).status_code == 200


@pytest.mark.parametrize("key", [SESSION_KEY, f"{PREFIX}human_action"])
def test_unreadable_decision_is_not_undone(reviews: ReviewServer, key: str) -> None:
    run_id = reviews.seed(1)
    after = log_end(reviews)
    has_state(reviews, run_id, "running")
    assert reviews.call("POST", "/sessions/approve", params=reviews.params(run_id)).status_code == 200
    with away(reviews, key):
        has_state(reviews, run_id, "awaiting_input")
        wait_for_log(reviews, run_id, "cannot be woken yet", key, after=after)
        assert task_instance(reviews, run_id).state == "awaiting_input"
        assert "hitl_review.refused" not in events(reviews, run_id)
    wait_until(lambda: task_instance(reviews, run_id).state == "scheduled", timeout=60, what="the wake")
    assert status(reviews, run_id)[0] == "approved"
    assert "hitl_review.refused" not in events(reviews, run_id)


def test_unreadable_event_is_sent_later(reviews: ReviewServer) -> None:
    with HookServer() as server:
        hook = server.add("/hook", [URL_SECRET])
        after = log_end(reviews)
        with away(reviews, WEBHOOK_PREFIX):
            run_id = reviews.seed(1, "due", hook.url)
            wait_for_log(reviews, f"The XCom '{WEBHOOK_PREFIX}", "cannot be read", after=after)
            wait_until(lambda: _next_look(reviews, run_id) > 5, timeout=60, what="the look that is put off")
            assert WEBHOOKS_ENDED_KEY in keys(reviews, run_id)
            assert hook.events() == []
            listed = reviews.call("GET", "/deliveries", params=reviews.params(run_id))
            assert (listed.status_code, listed.json()["deliveries"]) == (200, [])
        wait_until(lambda: len(hook.events()) == 1, timeout=60, what="the event")
        wait_until(lambda: WEBHOOKS_ENDED_KEY not in keys(reviews, run_id), timeout=60, what="an outbox at rest")


def _next_look(server: ReviewServer, run_id: str) -> float:
    """Seconds until the dispatcher looks at the outbox again."""
    past = {
        "sqlite": "(julianday(timestamp) - julianday('now')) * 86400",
        "postgresql": "extract(epoch from timestamp - now())",
        "mysql": "timestampdiff(second, now(), timestamp)",
    }[server.dialect]
    (row,) = server.sql(
        f"select {past} as seconds from xcom where run_id = :run and xcom.key = :key",
        run=run_id,
        key=WEBHOOKS_ENDED_KEY,
    )
    return float(row.seconds)


@pytest.mark.parametrize("key", [SESSION_KEY, WEBHOOKS_KEY])
def test_end_of_an_abandoned_review_is_announced_later(reviews: ReviewServer, key: str) -> None:
    with HookServer() as server:
        hook = server.add("/hook", [URL_SECRET])
        after = log_end(reviews)
        with away(reviews, key):
            run_id = reviews.seed(1, "lost", hook.url)
            wait_for_log(reviews, run_id, "will be announced later", after=after)
            assert WEBHOOKS_KEY in keys(reviews, run_id)
        wait_until(lambda: len(hook.events()) == 1, timeout=120, what="the event", interval=0.5)
        assert hook.events()[0].status == "abandoned"


def test_rescheduled_task_continues_its_review_later(reviews: ReviewServer) -> None:
    run_id = reviews.seed(1)
    assert reviews.call("POST", "/sessions/approve", params=reviews.params(run_id)).status_code == 200
    after = log_end(reviews)
    statement = (
        "update task_instance set state = 'up_for_reschedule', next_method = null, next_kwargs = null"
        " where run_id = :run and map_index = 0"
    )
    with away(reviews, SESSION_KEY):
        reviews.sql(statement, run=run_id)
        wait_for_log(reviews, run_id, "It is not known yet whether", after=after)
    wait_until(lambda: _next_method(reviews, run_id) is not None, timeout=60, what="the sweep", interval=0.3)
    assert _next_method(reviews, run_id) == "resume_hitl_review"


def _next_method(server: ReviewServer, run_id: str) -> Any:
    (row,) = server.sql("select next_method from task_instance where run_id = :run and map_index = 0", run=run_id)
    return row.next_method


def test_long_output_is_listed_without_reading_it(reviews: ReviewServer) -> None:
    is_listed_by_its_summary(reviews)
    run_id = reviews.seed(1, "length", "20000")
    with away(reviews, SESSION_KEY):
        found = reviews.call("GET", "/sessions", params={"q": run_id, "status": "pending_review"}).json()
    assert [row["run_id"] for row in found["sessions"]] == [run_id]
