"""Unexpected values, deleted XComs and paused DAGs: the messages are clear, and nothing else is affected."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from itertools import product
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from demo.processes import wait_until
from hitl_notebook import Client, ReviewKey, ReviewNotFoundError
from hitl_webhooks import Person
from tests.plugin.server.test_dispatcher import server_log
from tests.plugin.server.test_reviewers import has_state, stored, task_instance, wait_for_wake, write, xcoms
from tests.support.api_server import DAG_ID, TASK_ID, URL_SECRET, ReviewServer
from tests.support.hook_server import HookServer

SESSION_KEY = "airflow_hitl_review_agent_session"
ACTION_KEY = "airflow_hitl_review_human_action"
SUMMARY_KEY = "airflow_hitl_review_summary"


def find(server: ReviewServer, run_id: str) -> Any:
    answer = server.call("GET", "/sessions/find", params=server.params(run_id))
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_times_without_an_offset_are_utc(reviews: ReviewServer) -> None:
    run_id = reviews.seed(1)
    naive = dict.fromkeys(("created_at", "updated_at", "deadline_at"), "2999-01-01T10:00:00")
    decision = {"action": "changes_requested", "iteration": 1, "at": "2026-01-01T10:00:00"}
    session = stored(reviews, run_id, SESSION_KEY) | naive | {"decisions": [decision]}
    write(reviews, run_id, SESSION_KEY, session)
    assert find(reviews, run_id)["deadline_at"] == "2999-01-01T10:00:00Z"
    for order in ("deadline_at", "-created_at"):
        listed = reviews.call("GET", "/sessions", params={"q": run_id, "order_by": order})
        assert [row["created_at"] for row in listed.json()["sessions"]] == ["2999-01-01T10:00:00Z"]
    assert reviews.call("GET", "/chat", params=reviews.params(run_id)).status_code == 200
    decided = reviews.call("POST", "/sessions/approve", params=reviews.params(run_id))
    assert (decided.status_code, decided.json()["status"]) == (200, "approved")


def test_past_deadline_without_an_offset_is_a_timeout(reviews: ReviewServer) -> None:
    run_id = reviews.seed(1)
    write(
        reviews, run_id, SESSION_KEY, stored(reviews, run_id, SESSION_KEY) | {"deadline_at": "2026-01-01T00:00:00"}
    )
    answer = reviews.call("POST", "/sessions/approve", params=reviews.params(run_id))
    assert answer.status_code == 409
    assert "timed out at 2026-01-01 00:00:00 UTC" in answer.json()["detail"]["message"]


def test_times_of_other_zones_are_shown_in_utc(reviews: ReviewServer) -> None:
    run_id = reviews.seed(1)
    session = stored(reviews, run_id, SESSION_KEY)
    write(reviews, run_id, SESSION_KEY, session | {"deadline_at": "2026-01-01T00:30:00+02:00"})
    answer = reviews.call("POST", "/sessions/approve", params=reviews.params(run_id))
    assert "timed out at 2025-12-31 22:30:00 UTC" in answer.json()["detail"]["message"]


HALF = "\ud800"
"""Half a surrogate pair: SQLite stores it; PostgreSQL refuses it, as it refuses NaN."""

WHO, AT = {"id": "ann", "name": "Ann"}, "2026-01-01T10:00:00Z"
NOBODY = {"id": HALF, "name": HALF}
FAILURE: dict[str, Any] = {"iteration": 1, "at": AT, "feedback": "f", "error": "e", "user": WHO, "asked_at": AT}
TIMES = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T10:00:00", 10**30, "soon", HALF]
OF_SESSION: list[dict[str, Any]] = [
    {},
    *({field: at} for field in ("created_at", "updated_at", "deadline_at") for at in TIMES),
    *({"failures": [FAILURE | {field: at}]} for field in ("at", "asked_at") for at in TIMES),
    *({"decisions": [{"action": "approve", "iteration": 1, "user": WHO, "at": at}]} for at in TIMES),
    *({"decisions": [{"action": "approve", "iteration": 1, "user": user}]} for user in (None, 5, NOBODY)),
    *({"failures": [FAILURE | change]} for change in ({"feedback": HALF}, {"error": HALF}, {"user": NOBODY})),
    *({field: HALF} for field in ("prompt", "current_output", "last_error", "task_instance_id")),
    *({field: float("nan")} for field in ("prompt", "iteration", "deadline_at", "of somebody else")),
    {"reviewers": [HALF, "admin"]},
    {"iteration": -1},
    {"iteration": 10**30},
    {"prompt": ["no text"]},
    {"output_sha256": HALF, "output_excerpt": HALF},
]
ANYTHING: list[Any] = [None, 5, "text", HALF, float("nan"), [], {}, {"status": "approved"}, {"at": "soon"}]
ROUTES = [
    *(("GET", path) for path in ("/sessions/find", "/chat", "/chat/updates", "/chat/latest", "/deliveries")),
    ("POST", "/sessions/approve"),
]
"""Routes of one review."""
LISTS: list[tuple[str, dict[str, str]]] = [
    *((path, {"include_ended": "true"}) for path in ("/sessions", "/inbox")),
    *(("/sessions", {"order_by": order}) for order in ("deadline_at", "-created_at")),
    ("/sessions", {"status": "pending_review"}),
]


def cast(server: ReviewServer, value: str) -> str:
    """SQL for a value of the table xcom."""
    return f"cast({value} as jsonb)" if server.dialect == "postgresql" else value


def sessions_of(server: ReviewServer, run_id: str) -> dict[int, Any]:
    """What is stored of each review of a run, by its map index."""
    rows = server.sql(
        "select map_index, value from xcom where run_id = :r and xcom.key = :k", r=run_id, k=SESSION_KEY
    )
    return {row.map_index: json.loads(row.value) if isinstance(row.value, str) else row.value for row in rows}


def put(server: ReviewServer, run_id: str, key: str, value: Any, index: int = 0) -> bool:
    """Overwrite an XCom in the database; returns whether the database accepts the value."""
    statement = (
        f"update xcom set value = {cast(server, ':value')} where run_id = :r and map_index = :i and xcom.key = :k"
    )
    try:
        server.sql(statement, value=json.dumps(value), r=run_id, i=index, k=key)
    except DBAPIError:
        return False
    return True


@pytest.mark.timeout(300)
def test_no_stored_value_causes_a_server_error(reviews: ReviewServer) -> None:
    """Each in a review of its own; the lists have all of them at once."""
    others = (ACTION_KEY, SUMMARY_KEY, "airflow_hitl_review_human_feedback_1", "airflow_hitl_review_webhooks")
    long = {"current_output": "x" * 9_000}
    values = [(SESSION_KEY, long | change) for change in OF_SESSION]
    values += [(SESSION_KEY, long | change | {"status": "approved"}) for change in OF_SESSION]
    values += [(SUMMARY_KEY, {"output_sha256": "a", "output_excerpt": "b"} | long | c) for c in OF_SESSION]
    as_they_are = len(values)  # the rest replaces what is stored
    values += [(ACTION_KEY, {"action": "approve", "user": user, "at": AT}) for user in (None, 5, NOBODY)]
    values += [(ACTION_KEY, {"action": "approve", "at": at}) for at in TIMES]
    values += [(key, value) for key in (SESSION_KEY, *others) for value in ANYTHING]
    run_id = reviews.seed(len(values))
    name = "`key`" if reviews.dialect == "mysql" else "key"
    copied = (
        f"insert into xcom (dag_run_id, task_id, map_index, {name}, dag_id, run_id, value, timestamp)"
        f" select dag_run_id, task_id, map_index, :new, dag_id, run_id, {cast(reviews, ':empty')},"
        " timestamp from xcom where run_id = :r and xcom.key = :k"
    )
    for key in others:
        reviews.sql(copied, new=key, empty="{}", r=run_id, k=SESSION_KEY)
    stored_now, strange = sessions_of(reviews, run_id), []
    for index, (key, value) in enumerate(values):
        put(reviews, run_id, SESSION_KEY, stored_now[index] | long, index)
        if put(reviews, run_id, key, stored_now[index] | value if index < as_they_are else value, index):
            strange.append(index)
    assert len(strange) > len(values) / 2
    for (path, params), words in product(LISTS, (run_id, "seed", "Item")):
        listed = reviews.call("GET", path, params={"q": words, "limit": "500", **params})
        assert listed.status_code == 200, (path, params, listed.text)
    for index in strange:
        for method, path in ROUTES:
            answer = reviews.call(method, path, params=reviews.params(run_id, index))
            assert answer.status_code < 500, (path, values[index], answer.text)


ENTRY_OF = "airflow_hitl_review_webhook_"
DELIVERY: dict[str, Any] = {
    "endpoint": "http://127.0.0.1:9/",
    "format": None,
    "status": "delivered",
    "attempts": 1,
    "step": 1,
}
DELIVERY |= {"next_attempt_at": None, "last_error": None, "log": []}
ATTEMPT: dict[str, Any] = {"at": AT, "duration_ms": 1, "status_code": 500, "error": "e", "retry_after": None}
OF_ENTRY: list[tuple[dict[str, Any], int]] = [
    ({}, 200),
    ({"timestamp": "2026-01-01T10:00:00"}, 200),
    ({"timestamp": "soon"}, 404),
    ({"timestamp": "0001-01-01T00:00:00+14:00"}, 404),
    ({"type": HALF}, 200),
    *(({"deliveries": [DELIVERY | change]}, 200) for change in ({"last_error": HALF}, {"format": HALF})),
    *(({"deliveries": [DELIVERY | change]}, 404) for change in ({"attempts": "some"}, {"step": -99})),
    ({"deliveries": [DELIVERY | {"next_attempt_at": "2999-01-01T10:00:00"}]}, 200),
    ({"deliveries": [DELIVERY | {"log": [ATTEMPT | {"at": "2026-01-01T10:00:00", "error": HALF}]}]}, 200),
    *(
        ({"deliveries": [DELIVERY | {"log": [ATTEMPT | change]}]}, 404)
        for change in ({"at": "soon"}, {"status_code": "500"}, {"error": 5}, {"retry_after": "soon"})
    ),
]


def test_invalid_outbox_entries_are_not_resent(reviews: ReviewServer) -> None:
    """An entry that is valid except for a time without an offset or half a surrogate pair is resent."""
    run_id = reviews.seed(1, "due", "http://127.0.0.1:9/")
    wait_until(lambda: attempts_of(reviews, run_id) > 0, timeout=60, what="an attempt")
    event_id = events_of(reviews, run_id)[0]["event_id"]
    entry = stored(reviews, run_id, ENTRY_OF + event_id) | {"deliveries": [DELIVERY]}
    for change, wanted in OF_ENTRY:
        if not put(reviews, run_id, ENTRY_OF + event_id, entry | change):
            continue
        assert len(events_of(reviews, run_id)) == (wanted == 200), change
        assert reviews.call("GET", "/deliveries", params={"status": "pending"}).status_code == 200, change
        answer = reviews.call("POST", f"/deliveries/{event_id}/resend")
        assert answer.status_code == wanted, (change, answer.text)
        if wanted == 200:  # the attempt writes the entry, too; it must not overwrite the next change
            wait_until(lambda: attempts_of(reviews, run_id) > 1, timeout=60, what="the attempt")


def attempts_of(server: ReviewServer, run_id: str) -> int:
    """The number of attempts to send a review's first event to its first endpoint."""
    return int(events_of(server, run_id)[0]["endpoints"][0]["attempts"])


def events_of(server: ReviewServer, run_id: str) -> Any:
    answer = server.call("GET", "/deliveries", params=server.params(run_id))
    assert answer.status_code == 200, answer.text
    return answer.json()["deliveries"]


@pytest.mark.parametrize("action", [json.dumps({"action": "approve", "user": WHO, "at": AT}), {"action": "?"}])
def test_final_event_is_sent_whatever_the_action_is(reviews: ReviewServer, action: Any) -> None:
    """The AI provider also accepts an action as JSON text, and ignores a malformed one."""
    with HookServer() as server:
        hook = server.add("/hook", [URL_SECRET])
        run_id = reviews.seed(1, "open", hook.url)
        has_state(reviews, run_id, "running")  # otherwise the API server would undo the unknown decision
        write(reviews, run_id, ACTION_KEY, action, new=True)
        session = stored(reviews, run_id, SESSION_KEY)
        write(reviews, run_id, SESSION_KEY, session | {"status": "approved"})
        has_state(reviews, run_id, "failed")
        wait_until(lambda: len(hook.events()) == 1, timeout=90, what="the event", interval=0.3)
        (event,) = hook.events()
        assert (event.type, event.status) == ("hitl_review.finalized", "approved")
        assert event.decided_by == (Person("ann", "Ann") if isinstance(action, str) else None)


def test_invalid_webhook_targets_are_deleted(reviews: ReviewServer) -> None:
    run_id = reviews.seed(1, "open", "http://127.0.0.1:9/")
    key = "airflow_hitl_review_webhooks"
    write(reviews, run_id, key, stored(reviews, run_id, key) | {"task_instance_id": "of nobody"})
    has_state(reviews, run_id, "failed")
    there = "select 1 from xcom where run_id = :run and xcom.key = :key"
    wait_until(lambda: not reviews.sql(there, run=run_id, key=key), timeout=90, what="the end", interval=0.3)


def test_unreadable_row_does_not_block_a_resend(reviews: ReviewServer) -> None:
    run_id = reviews.seed(1, "due", "http://127.0.0.1:9/")
    (delivery,) = events_of(reviews, run_id)
    name, other = ENTRY_OF + delivery["event_id"], reviews.seed(1)
    write(reviews, other, name, {}, new=True)
    assert put(reviews, other, name, {"__classname__": "no.such.Class", "__version__": 1, "__data__": ""})
    path = f"/deliveries/{delivery['event_id']}/resend"
    assert reviews.call("POST", path).json()["run_id"] == run_id
    reviews.sql("delete from xcom where xcom.key = :key and run_id = :run", key=name, run=run_id)
    assert reviews.call("POST", path).status_code == 503  # this row may be the event's


def test_forged_row_does_not_block_a_resend(reviews: ReviewServer) -> None:
    with HookServer() as server:
        hook = server.add("/hook", [URL_SECRET])
        run_id = reviews.seed(1, "due", hook.url)
        wait_until(lambda: len(hook.events()) == 1, timeout=60, what="the event")
        (delivery,) = reviews.call("GET", "/deliveries", params=reviews.params(run_id)).json()["deliveries"]
        # An older row of another run, which a lookup by key alone would find first.
        other = reviews.seed(1)
        name = f"airflow_hitl_review_webhook_{delivery['event_id']}"
        entry = stored(reviews, run_id, name)
        write(reviews, other, name, entry, new=True)
        zone = "" if reviews.dialect == "mysql" else "+00:00"
        reviews.sql(
            f"update xcom set timestamp = '2020-01-01 00:00:00{zone}' where xcom.key = :key and run_id = :run",
            key=name,
            run=other,
        )
        answer = reviews.call("POST", f"/deliveries/{delivery['event_id']}/resend")
        assert answer.status_code == 200, answer.text
        assert answer.json()["run_id"] == run_id
        wait_until(lambda: len(hook.events()) == 2, timeout=60, what="the event again")


def test_decision_in_a_paused_dag_says_when_the_task_continues(reviews: ReviewServer) -> None:
    run_id = reviews.seed(1)
    words = "the DAG is paused: the task goes on when the DAG is unpaused"
    was = reviews.airflow.api("GET", f"/dags/{DAG_ID}")["is_paused"]
    reviews.airflow.api("PATCH", f"/dags/{DAG_ID}", json={"is_paused": True})
    try:
        assert find(reviews, run_id)["dag_paused"] is True
        decided = reviews.call("POST", "/sessions/approve", params=reviews.params(run_id)).json()
        assert (decided["status"], decided["dag_paused"]) == ("approved", True)
        assert words in reviews.call("GET", "/chat", params=reviews.params(run_id)).text
        reviews.airflow.api("PATCH", f"/dags/{DAG_ID}", json={"is_paused": False})
        assert find(reviews, run_id)["dag_paused"] is False
        assert words not in reviews.call("GET", "/chat", params=reviews.params(run_id)).text
    finally:
        reviews.airflow.api("PATCH", f"/dags/{DAG_ID}", json={"is_paused": was})


def defer(server: ReviewServer, run_id: str, deadline: str) -> None:
    """Park the task as before Airflow 3.3, with that deadline."""
    write(server, run_id, SESSION_KEY, stored(server, run_id, SESSION_KEY) | {"deadline_at": deadline})
    server.sql(
        "update task_instance set state = 'deferred', updated_at = :now where run_id = :run",
        now=datetime.now(timezone.utc),
        run=run_id,
    )


@pytest.mark.timeout(180)
def test_starting_api_server_looks_for_deleted_reviews_and_missed_deadlines(reviews: ReviewServer) -> None:
    """``airflow db clean`` leaves tasks without a review, and where no triggerer runs, no deadline is noticed."""
    run_id, kept, missed, open_ = (reviews.seed(1) for _ in range(4))
    reviews.airflow.api("DELETE", f"{xcoms(run_id)}/{SESSION_KEY}?map_index=0")
    defer(reviews, missed, "2026-01-01T00:00:00Z")
    defer(reviews, open_, "2999-01-01T00:00:00Z")
    reviews.airflow.processes["api-server"].stop()
    reviews.airflow.start("api-server")

    def told(run: str) -> list[str]:
        return [x for x in server_log(reviews).splitlines() if "the review is gone from XCom" in x and run in x]

    wait_until(lambda: bool(told(run_id)), timeout=90, what="the log", interval=0.5)
    assert all("Clear the task" in line for line in told(run_id))
    assert not told(kept)
    wait_for_wake(reviews, missed)
    assert "decided" not in str(task_instance(reviews, missed).next_kwargs)  # the task looks at the clock itself
    assert find(reviews, missed)["status"] == "pending_review"
    assert [task_instance(reviews, run).state for run in (open_, kept)] == ["deferred", "awaiting_input"]


def test_client_does_not_wait_for_a_deleted_review(reviews: ReviewServer) -> None:
    run_id = reviews.seed(1)
    where = reviews.params(run_id)
    reviews.airflow.api("DELETE", f"{xcoms(run_id)}/{SESSION_KEY}?map_index=0")
    for method, path in (("GET", "/sessions/find"), ("POST", "/sessions/approve")):
        answer = reviews.call(method, path, params=where)
        assert (answer.status_code, answer.json()["detail"]["task_active"]) == (404, False)
        assert "is still waiting for it" in answer.json()["detail"]["message"]
    assert reviews.call("GET", "/chat", params=where).status_code == 404
    client = Client(reviews.airflow.url, token=reviews.token("ann"))
    with pytest.raises(ReviewNotFoundError, match="clear the task"):
        client.wait_for(ReviewKey(DAG_ID, run_id, TASK_ID, 0), until="output", timeout=30)
    has_state(reviews, run_id, "running")
    answer = reviews.call("GET", "/sessions/find", params=where)
    assert (answer.status_code, answer.json()["detail"]["task_active"]) == (404, True)
