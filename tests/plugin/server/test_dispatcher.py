"""Webhook delivery by the API server: real dispatchers in two processes, real receivers, each database."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from itertools import pairwise
from typing import Any

import pytest

from demo.processes import wait_until
from hitl_webhooks import generate_secret, verify
from hitl_webhooks.send.schedule import STANDARD_WAITS
from tests.support.api_server import DAG_ID, TASK_ID, URL_SECRET, ReviewServer
from tests.support.hook_server import Hook, HookServer

Connect = Callable[..., tuple[str, Hook]]


@pytest.fixture(scope="module")
def hooks() -> Iterator[HookServer]:
    with HookServer() as server:
        yield server


@pytest.fixture
def connect(reviews: ReviewServer, hooks: HookServer) -> Iterator[Connect]:
    """Creates a connection to its own URL path; returns the connection id and the path."""
    made: list[Hook] = []

    def make(**more: Any) -> tuple[str, Hook]:
        conn_id = f"hook_{uuid.uuid4().hex[:8]}"
        hook = hooks.add(f"/{conn_id}", [generate_secret()])
        body = {"connection_id": conn_id, "conn_type": "http", "host": hook.url, "password": hook.secrets[0]}
        reviews.airflow.api("POST", "/connections", json=body | more)
        made.append(hook)
        return conn_id, hook

    yield make
    for hook in made:  # so that no delivery is retried while other tests run
        hook.behave()


def deliveries(reviews: ReviewServer, run_id: str, map_index: int = 0) -> Any:
    answer = reviews.call("GET", "/deliveries", params=reviews.params(run_id, map_index))
    assert answer.status_code == 200, answer.text
    return answer.json()["deliveries"]


def delivered(reviews: ReviewServer, run_id: str, map_index: int = 0) -> bool:
    found = deliveries(reviews, run_id, map_index)
    return bool(found) and all(one["status"] == "delivered" for one in found)


def xcom_keys(reviews: ReviewServer, run_id: str, map_index: int = 0) -> set[str]:
    path = f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/{TASK_ID}/xcomEntries?map_index={map_index}&limit=1000"
    entries = reviews.airflow.api("GET", path)["xcom_entries"]
    return {entry["key"].removeprefix("airflow_hitl_review_") for entry in entries}


def server_log(reviews: ReviewServer) -> str:
    return reviews.airflow.processes["api-server"].log.read_text(errors="replace")


def test_retries_follow_the_schedule_under_a_jumping_clock(reviews: ReviewServer, hooks: HookServer) -> None:
    """500 four times, a timeout, 429 with Retry-After, success: waits as scheduled, same id, new signatures."""
    hook = hooks.add("/hook")  # verified below, with the time of the fake clock
    run_id = reviews.seed(1)
    answers = iter(
        [{"status": 500}] * 3 + [{"hang": 20.0}, {"status": 429, "headers": {"Retry-After": "50000"}}, {}]
    )
    hook.behave(status=500)
    take = hook.take

    def then_change(*request: Any) -> Any:
        behaviour = take(*request)
        hook.behave(**next(answers, {}))  # type: ignore[arg-type]
        return behaviour

    hook.take = then_change  # type: ignore[method-assign,assignment]
    told = json.loads(
        reviews.airflow.run("python", "-m", "tests.support.clocked_dispatch", run_id, hook.url).splitlines()[-1]
    )
    assert [one["status"] for one in told] == ["pending"] * 6 + ["delivered"]
    assert [one["attempts"] for one in told] == list(range(1, 8))
    errors = [one["error"] for one in told]
    assert errors[:4] == ["answered 500 Internal Server Error"] * 4
    assert errors[4:] == ["no answer within 2 s", "answered 429 Too Many Requests", None]
    waits = [one["after"] for one in told[1:]]
    for wait, scheduled in zip(waits[:5], STANDARD_WAITS[:5], strict=True):
        assert 0.9 * scheduled <= wait <= 1.1 * scheduled
    assert waits[5] == 50_000  # longer than the 10 hours of the schedule

    requests = hook.requests()
    assert len(requests) == 7
    assert len({request.id for request in requests}) == 1
    assert len({request.body for request in requests}) == 1
    assert len({request.headers["webhook-signature"] for request in requests}) == 7
    for request, one in zip(requests, told, strict=True):
        at = datetime.fromtimestamp(one["at"], timezone.utc)
        assert request.headers["webhook-timestamp"] == str(int(one["at"]))
        assert verify(request.body, request.headers, URL_SECRET, now=at).status == "approved"
    (shown,) = deliveries(reviews, run_id)
    (endpoint,) = shown["endpoints"]
    assert [one["status_code"] for one in endpoint["log"]] == [500, 500, 500, 500, None, 429, 204]
    assert endpoint["log"][5]["retry_after"] == 50_000
    assert len({one["at"] for one in endpoint["log"]}) == 7


def test_two_processes_share_deliveries_and_send_nothing_twice(reviews: ReviewServer, connect: Connect) -> None:
    (one, at_one), (two, at_two) = connect(), connect()
    run_id = reviews.seed(30, "due", one, two)
    wait_until(lambda: len(at_one.events()) >= 30 and len(at_two.events()) >= 30, timeout=60, what="60 deliveries")
    for index in range(30):
        wait_until(lambda n=index: delivered(reviews, run_id, n), timeout=30, what=f"record {index}")  # type: ignore[misc]
    for hook in (at_one, at_two):
        assert set(Counter(event.id for event in hook.events()).values()) == {1}
        assert {event.session.map_index for event in hook.events() if event.session} == set(range(30))
    # Nothing is left that would be scanned again.
    wait_until(lambda: "webhooks_ended" not in xcom_keys(reviews, run_id), timeout=30, what="a tidy outbox")


def test_hanging_endpoint_does_not_delay_others(reviews: ReviewServer, connect: Connect) -> None:
    (bad, at_bad), (good, at_good) = connect(), connect()
    at_bad.behave(hang=30)
    reviews.seed(40, "due", bad, good)
    wait_until(lambda: len(at_good.events()) == 40, timeout=60, what="deliveries to the good endpoint")
    assert at_bad.hanging > 0
    at_bad.behave()
    wait_until(lambda: len({e.id for e in at_bad.events()}) == 40, timeout=120, what="deliveries to the other")
    assert set(Counter(event.id for event in at_good.events()).values()) == {1}


def test_410_ends_a_delivery(reviews: ReviewServer, connect: Connect) -> None:
    conn_id, hook = connect()
    hook.behave(status=410)
    run_id = reviews.seed(1, "due", conn_id)
    wait_until(lambda: deliveries(reviews, run_id)[0]["status"] == "failed", timeout=30, what="the end")
    (endpoint,) = deliveries(reviews, run_id)[0]["endpoints"]
    assert (endpoint["status"], endpoint["next_attempt_at"]) == ("gone", None)
    assert endpoint["last_error"] == "answered 410 Gone"
    assert len(hook.requests()) == 1


def test_connection_is_looked_up_for_each_attempt(
    reviews: ReviewServer, hooks: HookServer, connect: Connect
) -> None:
    """The connection is missing, then has an old secret, then both secrets; the receiver has the new one."""
    conn_id = f"late_{uuid.uuid4().hex[:8]}"
    old, new = generate_secret(), generate_secret()
    hook = hooks.add(f"/{conn_id}", [new])
    hook.behave(status=500)
    run_id = reviews.seed(1, "due", conn_id)

    def log() -> Any:
        return deliveries(reviews, run_id)[0]["endpoints"][0]["log"]

    wait_until(lambda: bool(log()), timeout=30, what="a failed attempt")
    assert "the API server finds no connection" in log()[0]["error"]
    assert conn_id in log()[0]["error"]
    body = {"connection_id": conn_id, "conn_type": "http", "host": hook.url, "password": old}
    reviews.airflow.api("POST", "/connections", json=body)
    wait_until(lambda: bool(hook.requests()), timeout=30, what="a request")
    assert hook.requests()[0].event is None
    reviews.airflow.api("PATCH", f"/connections/{conn_id}", json=body | {"password": f"{new} {old}"})
    wait_until(lambda: bool(hook.events()), timeout=30, what="a request with two signatures")
    request = hook.requests()[-1]
    assert len(request.headers["webhook-signature"].split()) == 2
    assert verify(request.body, request.headers, old).id == verify(request.body, request.headers, new).id
    hook.behave()
    wait_until(lambda: delivered(reviews, run_id), timeout=30, what="delivery")


def test_deleting_a_run_ends_its_deliveries(reviews: ReviewServer, connect: Connect) -> None:
    conn_id, hook = connect()
    hook.behave(hang=1, status=500)  # so that some are deleted during an attempt
    run_id = reviews.seed(5, "due", conn_id)
    wait_until(lambda: len(hook.requests()) >= 6, timeout=30, what="attempts")
    reviews.airflow.api("PATCH", f"/dags/{DAG_ID}/dagRuns/{run_id}", json={"state": "failed"})
    reviews.airflow.api("DELETE", f"/dags/{DAG_ID}/dagRuns/{run_id}")
    wait_until(lambda: hook.hanging == 0, timeout=30, what="the last attempt")
    before = len(hook.requests())
    other, at_other = connect()
    reviews.seed(1, "due", other)
    wait_until(lambda: bool(at_other.events()), timeout=30, what="another delivery")
    assert len(hook.requests()) <= before + 2  # at most what each process had claimed
    assert "Traceback" not in server_log(reviews)


def test_forged_outbox_entries_are_not_sent_and_do_not_block_others(
    reviews: ReviewServer, hooks: HookServer, connect: Connect
) -> None:
    """An event about another DAG, which would be signed; an entry under another id; invalid entries."""
    conn_id, hook = connect()
    target = hooks.add(f"/forged_{conn_id}")
    run_id = reviews.seed(1)
    base = f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/{TASK_ID}/xcomEntries"
    session = {"dag_id": "payments", "run_id": run_id, "task_id": TASK_ID, "map_index": 0}
    mine = session | {"dag_id": DAG_ID}
    ids = [str(uuid.uuid4()) for _ in range(4)]

    def entry(event_id: str, about: dict[str, Any], **more: Any) -> dict[str, Any]:
        body = {"type": "hitl_review.finalized", "timestamp": "2026-01-01T00:00:00Z", "data": {"session": about}}
        delivery: dict[str, Any] = {
            "endpoint": target.url,
            "format": None,
            "status": "pending",
            "attempts": 0,
            "step": 0,
        }
        delivery |= {"next_attempt_at": None, "last_error": None, "log": []}
        stored = {"event_id": event_id, "type": body["type"], "timestamp": body["timestamp"]}
        return stored | {"body": json.dumps(body), "deliveries": [delivery | more], "status": "pending"}

    values = [
        entry(ids[0], session),
        entry(ids[0], mine),
        {"no": "entry"},
        entry(ids[3], mine, next_attempt_at="x"),
    ]
    for event_id, value in zip(ids, values, strict=True):
        given = {"key": f"airflow_hitl_review_webhook_{event_id}", "value": value, "map_index": 0}
        reviews.airflow.api("POST", base, json=given)
    fill = reviews.seed(1, "due", conn_id)  # another outbox: the sweep continues
    reviews.airflow.api(
        "POST", base, json={"key": "airflow_hitl_review_webhooks_ended", "value": True, "map_index": 0}
    )
    wait_until(lambda: delivered(reviews, fill), timeout=30, what="another delivery")
    wait_until(lambda: "webhooks_ended" not in xcom_keys(reviews, run_id), timeout=30, what="the look at this one")
    assert target.requests() == []
    assert deliveries(reviews, run_id) == []
    assert reviews.call("GET", "/deliveries", params={"limit": 500}).status_code == 200
    assert reviews.call("POST", f"/deliveries/{ids[0]}/resend").status_code == 404
    assert hook.events()
    reviews.airflow.api("PATCH", f"/dags/{DAG_ID}/dagRuns/{run_id}", json={"state": "failed"})
    reviews.airflow.api("DELETE", f"/dags/{DAG_ID}/dagRuns/{run_id}")


def test_reviews_whose_task_is_ended_get_a_final_event(reviews: ReviewServer, connect: Connect) -> None:
    """Undecided reviews are abandoned, which only the event says; a decided one ends with its decision."""
    conn_id, hook = connect()
    run_id = reviews.seed(3, "open", conn_id)
    assert reviews.call("POST", "/sessions/approve", params=reviews.params(run_id, 2), json={}).status_code == 200
    base = f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/{TASK_ID}"
    for index, state in ((0, "failed"), (1, "success"), (2, "failed")):
        reviews.airflow.api("PATCH", f"{base}/{index}", json={"new_state": state})
    wait_until(lambda: len({e.id for e in hook.events()}) == 3, timeout=60, what="three final events")
    events = {e.session.map_index: e for e in hook.events() if e.session}
    assert [events[n].status for n in range(3)] == ["abandoned", "abandoned", "approved"]
    assert [events[n].data["session"]["status"] for n in range(3)] == ["pending_review"] * 2 + ["approved"]
    assert events[2].decided_by is not None
    assert events[2].decided_by.name == "ann"
    found = reviews.call("GET", "/sessions/find", params=reviews.params(run_id, 0)).json()
    assert found["status"] == "pending_review"
    for index in range(3):
        wait_until(
            lambda n=index: not {"webhooks", "webhooks_ended"} & xcom_keys(reviews, run_id, n),  # type: ignore[misc]
            timeout=30,
            what="a tidy outbox",
        )
    assert len(hook.events()) == 3


def test_review_has_not_ended_while_its_task_may_continue(reviews: ReviewServer, connect: Connect) -> None:
    """Airflow retries tasks that failed in the queue, with the same id, and adopts those of a dead scheduler."""
    conn_id, hook = connect()
    states = {reviews.seed(1, "open", conn_id): state for state in ("up_for_retry", None)}

    def set_state(run_id: str, state: str | None) -> None:
        statement = "update task_instance set state = :state, next_method = null where run_id = :run"
        reviews.sql(statement, state=state, run=run_id)

    def ended() -> set[str]:
        return {e.session.run_id for e in hook.events() if e.session}

    def task_state(run_id: str) -> Any:
        return reviews.call("GET", "/sessions/find", params=reviews.params(run_id)).json()["task_state"]

    for run_id in states:
        asked = reviews.call(
            "POST", "/sessions/feedback", params=reviews.params(run_id), json={"feedback": "shorter"}
        )
        assert asked.status_code == 200
    wait_until(lambda: {task_state(run_id) for run_id in states} == {"scheduled"}, timeout=60, what="the wakes")
    for run_id, state in states.items():
        set_state(run_id, state)
    others = set()
    for _ in range(2):  # each of two scans announces another one
        others.add(other := reviews.seed(1, "open", conn_id))
        set_state(other, "failed")
        wait_until(lambda: others <= ended(), timeout=30, what="its end")
    assert ended() == others
    for run_id in states:
        set_state(run_id, "failed")  # no try is left
    wait_until(lambda: ended() == others | set(states), timeout=60, what="their ends")


def test_output_that_the_worker_did_not_announce_is_sent_later(reviews: ReviewServer, connect: Connect) -> None:
    """The worker was killed between showing an output and announcing it: at the end, both events are sent."""
    conn_id, hook = connect()
    run_id = reviews.seed(1, "untold", conn_id)
    path = f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/{TASK_ID}/0"
    reviews.airflow.api("PATCH", path, json={"new_state": "failed"})
    wait_until(lambda: len({e.id for e in hook.events()}) == 2, timeout=60, what="both events")
    found = {e.type: e for e in hook.events()}
    ready, ended = found["hitl_review.output_ready"], found["hitl_review.finalized"]
    assert (ready.status, ended.status) == ("pending_review", "abandoned")
    assert ready.output == "Draft of item 0."


def test_resend(reviews: ReviewServer, connect: Connect) -> None:
    (one, at_one), (two, at_two) = connect(), connect()
    run_id = reviews.seed(1, "due", one, two)
    wait_until(lambda: delivered(reviews, run_id), timeout=30, what="delivery")
    event_id = deliveries(reviews, run_id)[0]["event_id"]
    path = f"/deliveries/{event_id}/resend"

    answer = reviews.call("POST", path, json={"endpoint": two})
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "pending"
    wait_until(lambda: len(at_two.events()) == 2, timeout=30, what="the repeat")
    wait_until(lambda: delivered(reviews, run_id), timeout=30, what="its record")
    assert {event.id for event in at_two.events()} == {event_id}
    assert len(at_one.events()) == 1
    assert reviews.call("POST", path).status_code == 200  # no body: to all endpoints
    wait_until(lambda: len(at_one.events()) == 2 and len(at_two.events()) == 3, timeout=30, what="both repeats")
    log = reviews.airflow.api("GET", "/eventLogs", params={"event": "hitl_review.resend", "run_id": run_id})
    assert [e["owner"] for e in log["event_logs"]] == ["ann", "ann"]

    unknown = reviews.call("POST", path, json={"endpoint": "nobody"})
    assert unknown.status_code == 404
    assert one in unknown.json()["detail"]
    for bad_id in (str(uuid.uuid4()), "x", "%25"):
        assert reviews.call("POST", f"/deliveries/{bad_id}/resend").status_code == 404
    assert reviews.call("POST", path, user="viv").status_code == 403
    assert reviews.call("POST", path, user="bob").status_code == 403
    assert reviews.call("POST", path, user=None).status_code == 401


def test_deliveries_are_listed_and_filtered(reviews: ReviewServer, connect: Connect) -> None:
    (good, _), (bad, at_bad) = connect(), connect()
    at_bad.behave(status=500)
    run_id = reviews.seed(3, "due", good)
    failing = reviews.seed(2, "due", good, bad)
    for index in range(3):
        wait_until(lambda n=index: delivered(reviews, run_id, n), timeout=30, what="delivery")  # type: ignore[misc]

    def listed(**params: Any) -> Any:
        answer = reviews.call("GET", "/deliveries", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    everything = listed(limit=500)
    assert everything["total_entries"] == len(everything["deliveries"]) >= 5
    # Not the delivery whose time another test has set in the future.
    times = [one["timestamp"] for one in everything["deliveries"] if one["run_id"] in (run_id, failing)]
    assert times == sorted(times, reverse=True)
    pending = listed(status="pending", limit=500)["deliveries"]
    assert {one["map_index"] for one in pending if one["run_id"] == failing} == {0, 1}
    assert run_id not in {one["run_id"] for one in pending}
    assert run_id in {one["run_id"] for one in listed(status="delivered", limit=500)["deliveries"]}
    pages = [listed(limit=2, offset=n)["deliveries"] for n in range(0, everything["total_entries"], 2)]
    ids = [one["event_id"] for page in pages for one in page]
    assert ids == [one["event_id"] for one in everything["deliveries"]]
    assert listed(dag_id="no_such_dag") == {"deliveries": [], "total_entries": 0}
    (one,) = deliveries(reviews, run_id, 1)
    assert (one["iteration"], one["map_index"], one["type"]) == (1, 1, "hitl_review.finalized")

    assert reviews.call("GET", "/deliveries", user=None).status_code == 401
    assert reviews.call("GET", "/deliveries", user="bob").json() == {"deliveries": [], "total_entries": 0}
    assert reviews.call("GET", "/deliveries", user="bob", params=reviews.params(run_id)).status_code == 403
    assert reviews.call("GET", "/deliveries", user="viv", params=reviews.params(run_id)).status_code == 200
    assert reviews.call("GET", "/deliveries", params={"run_id": run_id}).status_code == 400
    assert reviews.call("GET", "/deliveries", params={"limit": 0}).status_code == 422


def test_test_event_is_sent_to_an_endpoint(reviews: ReviewServer, hooks: HookServer, connect: Connect) -> None:
    conn_id, hook = connect()

    def test(body: dict[str, Any], user: str | None = "admin") -> Any:
        return reviews.call("POST", "/webhooks/test", user=user, json=body)

    answer = test({"conn_id": conn_id})
    assert answer.status_code == 200, answer.text
    result = answer.json()
    assert (result["delivered"], result["attempt"]["status_code"]) == (True, 204)
    (event,) = hook.events()
    assert (event.type, event.id, event.status) == ("hitl_review.delivery.test", result["event_id"], "test")
    hook.behave(status=500)
    result = test({"conn_id": conn_id, "format": "cloudevents"}).json()
    assert (result["delivered"], result["attempt"]["error"]) == (False, "answered 500 Internal Server Error")
    assert hook.requests()[-1].headers["content-type"].startswith("application/cloudevents+json")
    plain = hooks.add("/plain", [URL_SECRET])
    assert test({"url": plain.url}).json()["delivered"] is True
    assert len(plain.events()) == 1

    for body, status, word in [
        ({}, 422, "url or a conn_id"),
        ({"conn_id": "no_such"}, 404, "no connection 'no_such'"),
        ({"conn_id": conn_id, "format": "xml"}, 422, "format"),
        ({"url": "http://example.org/hook"}, 422, "https://"),
        ({"url": "https://example.org/hook?token=x"}, 422, "connection"),
        ({"url": "https://hooks.slack.com/services/T/B/x"}, 422, "slackwebhook"),
        ({"url": "ftp://example.org"}, 422, "absolute"),
    ]:
        answer = test(body)
        assert (answer.status_code, word in answer.json()["detail"]) == (status, True), answer.text
    assert test({"conn_id": conn_id}, user="ann").status_code == 403
    assert test({"conn_id": conn_id}, user=None).status_code == 401


def test_slack_gets_one_message_per_second(reviews: ReviewServer, hooks: HookServer, connect: Connect) -> None:
    """From both processes together. SQLite has no lock for that, so there each process has its own limit."""
    token = "T000/B000/abcdefghijklmnop"
    hook = hooks.add(f"/services/{token}")
    conn_id, _ = connect(conn_type="slackwebhook", host=f"{hooks.url}/services", password=token)
    run_id = reviews.seed(6, "due", f"{conn_id}=slack")
    wait_until(lambda: len(hook.requests()) == 6, timeout=60, what="six messages")
    assert all("webhook-signature" not in request.headers for request in hook.requests())
    assert all(request.json()["blocks"][0]["type"] == "header" for request in hook.requests())
    if reviews.dialect != "sqlite":
        times = [request.monotonic for request in hook.requests()]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert min(gaps) > 0.9, gaps
    for index in range(6):
        wait_until(lambda n=index: delivered(reviews, run_id, n), timeout=30, what="its record")  # type: ignore[misc]
    assert token not in json.dumps([deliveries(reviews, run_id, n) for n in range(6)]) + server_log(reviews)


def test_kill_9_during_an_attempt_loses_no_event(reviews: ReviewServer, connect: Connect) -> None:
    conn_id, hook = connect()
    hook.behave(hang=60)
    run_id = reviews.seed(3, "due", conn_id)
    wait_until(lambda: hook.hanging > 0, timeout=30, what="an attempt under way")
    reviews.airflow.kill("api-server")
    wait_until(lambda: hook.hanging == 0, timeout=30, what="the end of the connections")
    hook.behave()
    before = Counter(request.id for request in hook.requests())
    reviews.airflow.start("api-server")
    for index in range(3):
        wait_until(lambda n=index: delivered(reviews, run_id, n), timeout=90, what="delivery")  # type: ignore[misc]
    after = Counter(request.id for request in hook.requests())
    assert len(after) == 3
    assert before
    assert all(after[event_id] == before[event_id] + 1 for event_id in after)
