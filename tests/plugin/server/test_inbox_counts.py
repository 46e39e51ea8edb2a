"""How often reviews are counted, and when 304 is returned from cached ETags."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from starlette.requests import Request

from airflow_hitl_review.server.db.review_queries import ActiveCount
from airflow_hitl_review.server.db.transactions import Session
from airflow_hitl_review.server.reviews.inbox_counts import LOAD_SHARE, MANY, OLDEST_SECONDS, Counter, Totals
from airflow_hitl_review.web.http.conditional import MOST_ETAGS, LastETags, accepted_age
from tests.support.api_server import DAG_ID, TASK_ID, ReviewServer


class Counted:
    """Counts with a fake clock; background counts wait in ``begun`` until a test calls them."""

    def __init__(self, sessions: int, seconds: float) -> None:
        self.sessions, self.seconds = sessions, seconds
        self.now, self.times = 1000.0, 0
        self.begun: list[Callable[[], None]] = []
        self.error: Exception | None = None
        self.counter = Counter(self.count, lambda: self.now, self.begun.append)

    def count(self, db: Session | None) -> Totals:
        if self.error is not None:
            raise self.error
        self.times += 1
        start = self.now
        self.now += self.seconds
        return Totals(start, {"a": self.sessions}, {"a": ActiveCount(self.sessions, self.times)})

    def ask(self) -> int:
        """The number of the count that the result is from."""
        active = self.counter.totals().active
        assert active is not None
        return active["a"].in_status


def test_few_reviews_are_counted_for_each_request() -> None:
    counted = Counted(MANY, seconds=3)
    assert [counted.ask() for _ in range(3)] == [1, 2, 3]
    assert not counted.begun


def test_many_reviews_are_counted_periodically_in_the_background() -> None:
    counted = Counted(MANY + 1, seconds=0.5)
    assert [counted.ask() for _ in range(3)] == [1, 1, 1]
    counted.now += LOAD_SHARE * 0.5
    assert counted.ask() == 1
    assert not counted.begun
    counted.now += 0.1
    assert [counted.ask() for _ in range(3)] == [1, 1, 1]
    assert len(counted.begun) == 1  # requests in the meantime do not start a second one
    counted.begun.pop()()
    assert counted.ask() == 2


def test_slow_count_is_renewed_before_it_expires() -> None:
    counted = Counted(MANY + 1, seconds=5)
    counted.ask()
    counted.now += OLDEST_SECONDS / 2 + 0.1
    assert counted.ask() == 1
    assert len(counted.begun) == 1


def test_failed_count_is_retried(caplog: pytest.LogCaptureFixture) -> None:
    counted = Counted(MANY + 1, seconds=0.5)
    counted.ask()
    counted.now += LOAD_SHARE * 0.5 + 1
    counted.ask()
    counted.error = RuntimeError("the database is away")
    counted.begun.pop()()
    assert "the database is away" in caplog.text
    counted.error = None
    assert counted.ask() == 1
    counted.begun.pop()()
    assert counted.ask() == 2


def test_expired_count_is_not_used() -> None:
    counted = Counted(MANY + 1, seconds=0.5)
    counted.ask()
    counted.now += OLDEST_SECONDS + 1
    assert counted.ask() == 2


def request(value: str | None) -> Request:
    headers = [] if value is None else [(b"cache-control", value.encode())]
    return Request({"type": "http", "headers": headers})


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("max-age=5", 5),
        ("no-transform, Max-Age=12", 12),
        ("max-age=0", 0),
        ("max-age=-1", 0),
        ("max-age=5.5", 0),
        ("max-age=99999999999", 0),
        ("no-cache", 0),
        ("s-max-age=5", 0),
    ],
)
def test_max_age_is_parsed(header: str | None, seconds: float) -> None:
    assert accepted_age(request(header)) == seconds


def test_etag_cache_is_bounded_and_keyed_by_reader_and_stamp() -> None:
    answers = LastETags()
    answers.keep("ann", "state 1", "tag")
    assert answers.tag("ann", "state 1") == "tag"
    assert answers.tag("ann", "state 2") is None
    assert answers.tag("bob", "state 1") is None
    for number in range(MOST_ETAGS):
        answers.keep(number, "state 1", "tag")
    assert answers.tag("ann", "state 1") is None
    assert answers.tag(MOST_ETAGS - 1, "state 1") == "tag"


def test_list_returns_304_until_it_changes(reviews: ReviewServer) -> None:
    """A change is visible within ``max-age``, or immediately without it. Two processes respond."""
    run_id = reviews.seed(2)
    query = {"q": run_id}

    def ask(tag: str | None, **headers: str) -> Any:
        known = {"If-None-Match": tag} if tag else {}
        return reviews.call("GET", "/sessions", params=query, headers={**known, **headers})

    def polled(tag: str | None) -> Any:
        return ask(tag, **{"Cache-Control": "max-age=3"})

    tag = ask(None).headers["ETag"]
    for _ in range(12):
        answer = polled(tag)
        assert (answer.status_code, answer.headers["ETag"]) == (304, tag)
        assert answer.content == b""
        time.sleep(0.5)
    assert reviews.call("POST", "/sessions/approve", params=reviews.params(run_id)).status_code == 200
    assert ask(tag).status_code == 200
    decided, seen = time.monotonic(), 0
    while seen < 4:  # both processes, most likely
        asked = time.monotonic()
        answer = polled(tag)
        assert answer.status_code == 200 or asked - decided < 3.5
        seen = seen + 1 if answer.status_code == 200 else 0
        time.sleep(0.1)
    assert [session["status"] for session in answer.json()["sessions"]].count("approved") == 1
    # A user who may read other DAGs gets another response.
    other = reviews.call("GET", "/sessions", params=query, user="bob", headers={"Cache-Control": "max-age=3"})
    assert answer.headers["ETag"] != other.headers["ETag"]
    # Nothing is cached about ended reviews.
    query["include_ended"] = "true"
    tag = ask(None).headers["ETag"]
    for _ in range(4):
        assert polled(tag).status_code == 304
    base = f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/{TASK_ID}"
    for index in range(2):
        reviews.airflow.api("PATCH", f"{base}/{index}", json={"new_state": "success"})
    reviews.airflow.api("PATCH", f"/dags/{DAG_ID}/dagRuns/{run_id}", json={"state": "success"})
    tag = ask(None).headers["ETag"]
    time.sleep(4)
    for _ in range(4):
        assert polled(tag).status_code == 304
    reviews.airflow.api("DELETE", f"/dags/{DAG_ID}/dagRuns/{run_id}")
    assert [polled(tag).status_code for _ in range(4)] == [200] * 4
