"""The inbox on a real API server: order, counts, excerpts, and who sees which DAG."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from airflow_hitl_review.core.review import assemble, summarize
from airflow_hitl_review.core.schema import SESSION_KEY, output_key
from airflow_hitl_review.core.stored import StoredValue
from airflow_hitl_review.core.task_key import TaskKey
from tests.conftest import DAGS, DATABASES, reviews_on
from tests.support.api_server import DAG_ID, ROOT, ReviewServer, review_server

BLUE_DAG = "json_review"
OUTPUT = "Dear \u2603,\r\n\r\n\tthe\x1b[31m \x07figures\u2028 are in. " + "More of it follows. " * 20


def session(created_at: str | None, deadline_at: str | None = None, **more: Any) -> dict[str, Any]:
    value = {"status": "pending_review", "iteration": 1, "max_iterations": 5, "prompt": "P", "current_output": "O"}
    value |= {"created_at": created_at, "deadline_at": deadline_at}
    return {name: v for name, v in value.items() if v is not None} | more


def parked(value: Any, *, state: str = "awaiting_input", timestamp: str = "2026-02-01T00:00:00+00:00") -> Any:
    return {"state": state, "session": value, "timestamp": timestamp}


# In text order, index 0 would be created after 1 and due after 1 and 3.
RED = [
    parked(session("2026-01-01T10:00:00Z", "2026-03-01T12:00:00+02:00", current_output=OUTPUT)),
    parked(session("2026-01-01T10:00:00.500000Z", "2026-03-01T11:00:00Z"), state="deferred"),
    parked(session("2026-01-01T12:00:00+03:00", deadline_at=None) | {"deadline_at": None}),
    parked(session("2026-01-02T00:00:00Z", "2026-03-01T10:30:00.250000Z", status="changes_requested")),
    parked(session("2026-01-03T00:00:00Z", status="approved"), state="success"),
    parked(session(None), timestamp="2026-01-01T09:30:00+00:00"),  # as the AI provider writes it
    parked(session("2026-01-04T00:00:00Z"), state="failed"),
    parked("no session"),
    parked({"status": ["odd"], "created_at": {"at": "soon"}, "deadline_at": "soon"}),
]
BLUE = [parked(session("2026-01-05T00:00:00Z", current_output='{\n  "total": 3\n}', output_format="json"))] * 2
OPEN = ("pending_review", "changes_requested")


def in_environment(server: ReviewServer, module: str, given: str = "") -> Any:
    """Run a module of ``tests.support`` in the server's environment; the last line that it prints is JSON."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.support.{module}"],
        env=server.airflow.env | {"PYTHONPATH": str(ROOT)},
        cwd=server.airflow.home,
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def seed(server: ReviewServer) -> dict[str, str]:
    wanted = {"teams": {BLUE_DAG: "blue"}, "runs": {DAG_ID: RED, BLUE_DAG: BLUE}}
    made: dict[str, str] = in_environment(server, "seed_inbox", json.dumps(wanted))
    return made


@pytest.fixture(scope="module", params=DATABASES)
def reviews(request: pytest.FixtureRequest, folder: Path) -> Iterator[ReviewServer]:
    """A separate server: these tests check everything that the inbox lists."""
    with reviews_on(request, folder, "inbox") as server:
        yield server


@pytest.fixture(scope="module")
def runs(reviews: ReviewServer) -> dict[str, str]:
    return seed(reviews)


@pytest.fixture(scope="module")
def elsewhere(folder: Path) -> Iterator[ReviewServer]:
    """A server with the same reviews, whose XCom values are not in the database."""
    home = folder / "test_inbox_elsewhere"
    home.mkdir()
    (home / "airflow.cfg").write_text("[core]\nxcom_backend = tests.support.file_xcoms.FileXComs\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        with review_server(home, DAGS, "", api_workers=1) as server:
            seed(server)
            yield server


def get(server: ReviewServer, user: str = "ann", **params: Any) -> Any:
    answer = server.call("GET", "/sessions", user=user, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def listed(server: ReviewServer, **params: Any) -> list[int]:
    return [review["map_index"] for review in get(server, **params)["sessions"]]


ORDERS = {
    "created_at": [2, 5, 0, 1, 3],
    "-created_at": [3, 1, 0, 5, 2],
    "deadline_at": [0, 3, 1, 2, 5],  # those without a deadline are last, in both orders
    "-deadline_at": [1, 3, 0, 2, 5],
}


@pytest.mark.parametrize("order_by", ORDERS)
def test_reviews_are_ordered_by_time_not_text(reviews: ReviewServer, runs: dict[str, str], order_by: str) -> None:
    assert listed(reviews, order_by=order_by) == ORDERS[order_by]
    pages = [listed(reviews, order_by=order_by, status=OPEN, limit=2, offset=n) for n in (0, 2, 4, 6)]
    assert [index for page in pages for index in page] == ORDERS[order_by]
    assert [len(page) for page in pages] == [2, 2, 1, 0]
    ended = get(reviews, order_by=order_by, include_ended="true", status="approved")
    assert [r["map_index"] for r in ended["sessions"]] == [4]
    assert ended["total_entries"] == 1


@pytest.mark.parametrize("order_by", ORDERS)
def test_order_is_the_same_with_another_xcom_backend(elsewhere: ReviewServer, order_by: str) -> None:
    assert listed(elsewhere, order_by=order_by) == ORDERS[order_by]
    page = get(elsewhere, order_by=order_by, status=OPEN, limit=2, offset=1)
    assert [review["map_index"] for review in page["sessions"]] == ORDERS[order_by][1:3]
    assert page["total_entries"] == 5
    assert page["waiting"] is None
    assert page["dag_ids"] == [DAG_ID]


def test_status_filter_works_with_another_xcom_backend(elsewhere: ReviewServer) -> None:
    assert listed(elsewhere, status="changes_requested") == [3]
    assert sorted(listed(elsewhere, status="pending_review", order_by="task_id")) == [0, 1, 2, 5]
    assert get(elsewhere, user="bob")["dag_ids"] == [BLUE_DAG]


def test_users_see_only_reviews_and_counts_of_readable_dags(reviews: ReviewServer, runs: dict[str, str]) -> None:
    for user, waiting, dag_ids in (
        ("ann", 4, [DAG_ID]),
        ("viv", 4, [DAG_ID]),
        ("bob", 2, [BLUE_DAG]),
        ("admin", 6, [BLUE_DAG, DAG_ID]),
    ):
        for narrowed in (
            {},
            {"status": "approved"},
            {"dag_id": BLUE_DAG},
            {"dag_id": "no_such_dag"},
            {"q": "nowhere"},
            {"include_ended": "true"},
            {"limit": 1, "offset": 100},
            {"order_by": "deadline_at"},
        ):
            page = get(reviews, user=user, **narrowed)
            assert (page["waiting"], page["dag_ids"]) == (waiting, dag_ids), narrowed
            assert {review["dag_id"] for review in page["sessions"]} <= set(dag_ids)
    hidden = get(reviews, user="ann", dag_id=BLUE_DAG)
    assert (hidden["sessions"], hidden["total_entries"]) == ([], 0)
    assert get(reviews, user="admin", status="pending_review", dag_id=BLUE_DAG)["total_entries"] == 2


def test_status_filter_accepts_several_statuses(reviews: ReviewServer, runs: dict[str, str]) -> None:
    page = get(reviews, status=OPEN)
    assert sorted(review["map_index"] for review in page["sessions"]) == [0, 1, 2, 3, 5]
    assert page["total_entries"] == 5
    for status, total in (("pending_review", 4), ("changes_requested", 1), ("approved", 0)):
        assert get(reviews, status=status)["total_entries"] == total
    assert get(reviews, status=("approved", *OPEN), include_ended="true")["total_entries"] == 7
    assert reviews.call("GET", "/sessions", params={"status": ["approved", "lost"]}).status_code == 422
    assert reviews.call("GET", "/sessions", params={"order_by": "prompt"}).status_code == 422


def test_excerpts_are_on_one_line(reviews: ReviewServer, runs: dict[str, str]) -> None:
    excerpts = {r["map_index"]: r["output_excerpt"] for r in get(reviews)["sessions"]}
    assert excerpts[0].startswith("Dear \u2603, the [31m figures are in. More of it follows. More")
    assert len(excerpts[0]) in (199, 200)
    assert all(excerpt.isprintable() for excerpt in excerpts.values())
    assert [r["output_excerpt"] for r in get(reviews, user="bob")["sessions"]] == ['{ "total": 3 }'] * 2


def test_find_returns_all_fields_of_the_list(reviews: ReviewServer, runs: dict[str, str]) -> None:
    for row in get(reviews, order_by="created_at")["sessions"]:
        key = {name: row[name] for name in ("dag_id", "run_id", "task_id", "map_index")}
        whole = reviews.call("GET", "/sessions/find", params=key).json()
        assert row.items() <= whole.items()
        assert {"current_output", "conversation"} <= whole.keys() - row.keys()


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("of it follows", []),
        ("in:output of it follows", [0]),
        ("OF IT in:output FOLLOWS", [0]),
        ("OF IT FOLLOWS in:output", [0]),
        ("in:output", [0, 1, 2, 3, 5]),
        ("in:outputs of it", []),
        ("in:output p", [0, 1, 2, 3, 5]),  # the prompt
        ("in:output 100%", []),
    ],
)
def test_search_in_outputs(reviews: ReviewServer, runs: dict[str, str], q: str, found: list[int]) -> None:
    page = get(reviews, q=q)
    assert sorted(review["map_index"] for review in page["sessions"]) == found


def test_search_in_outputs_elsewhere_looks_at_ids(elsewhere: ReviewServer) -> None:
    assert get(elsewhere, q="in:output figures")["total_entries"] == 0
    assert get(elsewhere, q=f"in:output {DAG_ID}")["total_entries"] > 0


def test_number_of_sql_statements_is_constant(reviews: ReviewServer, runs: dict[str, str]) -> None:
    counts = in_environment(reviews, "count_statements")
    assert len(counts) == 12
    for order_by, for_one, for_many in counts:
        assert for_one == for_many <= 5, order_by


def test_etag_covers_the_whole_response(reviews: ReviewServer, runs: dict[str, str]) -> None:
    """A review that the filters exclude changes the count, so the client must be told. Uses up one review."""
    params = {"status": "changes_requested"}
    first = reviews.call("GET", "/sessions", params=params)
    tag = {"If-None-Match": first.headers["ETag"]}
    assert reviews.call("GET", "/sessions", params=params, headers=tag).status_code == 304
    key = {"dag_id": DAG_ID, "run_id": runs[DAG_ID], "task_id": "review", "map_index": 2}
    assert reviews.call("POST", "/sessions/approve", params=key).status_code == 200
    second = reviews.call("GET", "/sessions", params=params, headers=tag)
    assert second.status_code == 200
    assert second.json() == first.json() | {"waiting": 3}


def test_lists_from_memory_are_those_from_the_database(reviews: ReviewServer, runs: dict[str, str]) -> None:
    """Where there are very many. SQLite's are not kept in memory: it cannot return every text. Adds reviews."""
    found = in_environment(reviews, "compare_lists")
    assert found["differing"] == []
    assert found["compared"] == (0 if reviews.dialect == "sqlite" else 540)


def test_lone_surrogate_does_not_break_the_inbox() -> None:
    """SQLite stores a lone surrogate, which cannot be sent; our worker does not write such a session."""
    at = datetime(2026, 1, 1, tzinfo=timezone.utc)
    odd = {"prompt": "p\ud83d", "current_output": "o\ud83d", "last_error": "e\ud83d"}
    key = TaskKey(DAG_ID, "run", "review")
    row = summarize(key, "awaiting_input", StoredValue(odd, at))
    assert json.loads(row.model_dump_json())["prompt"] == "p\ufffd"
    assert row.output_excerpt == "o\ufffd"
    xcoms = {SESSION_KEY: odd, output_key(1): "o\ud83d"}
    whole = assemble(key, "awaiting_input", {name: StoredValue(value, at) for name, value in xcoms.items()})
    assert whole is not None
    assert json.loads(whole.model_dump_json())["conversation"][0]["content"] == "o\ufffd"
    assert whole.output_sha256 == row.output_sha256
