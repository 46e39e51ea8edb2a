"""The client's webhook calls, against a real server."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from hitl_notebook import (
    Client,
    DeliveryAttempt,
    EndpointDelivery,
    HITLNotebookError,
    InvalidRequestError,
    PermissionDeniedError,
    ReviewKey,
    ReviewNotFoundError,
    ServerError,
    WebhookNotFoundError,
)
from hitl_notebook.client.deliveries import parse_delivery
from tests.notebook.delivery_server import KEY, attempt, endpoint, event, failing
from tests.notebook.fixed_server import answering
from tests.notebook.server import ReviewServer
from tests.notebook.times import START, stamp

OTHER = ReviewKey("other", "manual__2030", "draft", 3)


def test_event_is_parsed_completely(server: ReviewServer, client: Client) -> None:
    server.webhooks.add(
        OTHER,
        type="hitl_review.changes_requested",
        iteration=2,
        endpoints=[endpoint("chat", format="slack"), failing("https://example.org/x", attempts=7)],
    )
    (read,) = client.deliveries()
    assert (read.type, read.key, read.status) == ("hitl_review.changes_requested", OTHER, "pending")
    assert (read.iteration, read.timestamp) == (2, START + timedelta(seconds=1))
    error = "answered 503 Service Unavailable"
    assert read.endpoints == (
        EndpointDelivery(
            "chat", "slack", "delivered", 1, None, None, (DeliveryAttempt(START, 12, 204, None, None),)
        ),
        EndpointDelivery(
            "https://example.org/x",
            "standard",
            "pending",
            7,
            START + timedelta(seconds=5),
            error,
            (DeliveryAttempt(START, 12, 503, error, 5.0),),
        ),
    )
    assert read.timestamp.tzinfo is not None
    with pytest.raises(dataclasses.FrozenInstanceError):
        read.status = "delivered"  # type: ignore[misc]


def test_unknown_fields_are_none() -> None:
    value = event(endpoints=[endpoint(format=None)])
    del value["iteration"]
    read = parse_delivery(value)
    assert (read.iteration, read.endpoints[0].format) == (None, None)
    assert parse_delivery(event(iteration=None)).iteration is None


def test_filters(server: ReviewServer, client: Client) -> None:
    first = server.webhooks.add(KEY)
    second = server.webhooks.add(OTHER, endpoints=[failing()])
    third = server.webhooks.add(KEY._replace(run_id="a+b/c&d"), endpoints=[failing(status="gone")])
    server.add()

    def listed(*args: Any, **filters: Any) -> list[str]:
        return [item.event_id for item in client.deliveries(*args, **filters)]

    assert listed() == [third, second, first]
    assert listed(KEY) == [first]
    assert listed(client.sessions().reviews[0]) == [first]
    assert listed(OTHER) == [second]
    assert listed(KEY._replace(run_id="a+b/c&d")) == [third]
    assert listed(KEY._replace(map_index=0)) == []
    assert listed(dag_id="reports") == [third, first]
    assert listed(status="pending") == [second]
    assert listed(KEY._replace(run_id="a+b/c&d"), status="failed") == [third]
    assert listed(limit=1, offset=1) == [second]
    page = client.deliveries(limit=1)
    assert (len(page), page.total_entries) == (1, 3)
    asked = server.asked("/hitl-review/deliveries")
    assert asked[0].query == {"limit": "50", "offset": "0"}
    assert asked[1].query == {"limit": "50", "offset": "0", **{n: str(v) for n, v in KEY._asdict().items()}}


def test_review_and_dag_filters_exclude_each_other(server: ReviewServer, client: Client) -> None:
    with pytest.raises(ValueError, match="not both"):
        client.deliveries(KEY, dag_id="reports")
    assert server.seen == []


def test_invalid_filters(server: ReviewServer, client: Client) -> None:
    with pytest.raises(InvalidRequestError, match=r"query\.limit: .*500"):
        client.deliveries(limit=501)
    with pytest.raises(InvalidRequestError, match=r"query\.status: "):
        client.deliveries(status="lost")


def test_resend(server: ReviewServer, client: Client) -> None:
    event_id = server.webhooks.add(endpoints=[endpoint("a"), endpoint("b")])
    (before,) = client.deliveries(KEY)
    after = client.resend(before)
    assert (after.event_id, after.status) == (event_id, "pending")
    assert [item.status for item in after.endpoints] == ["pending", "pending"]
    server.webhooks.set(event_id, endpoint("a"), endpoint("b"))
    after = client.resend(event_id, endpoint="b")
    assert [item.status for item in after.endpoints] == ["delivered", "pending"]
    asked = server.asked(f"/hitl-review/deliveries/{event_id}/resend")
    assert [(seen.method, seen.body) for seen in asked] == [("POST", None), ("POST", {"endpoint": "b"})]


def test_resend_of_unknown_event_or_endpoint(server: ReviewServer, client: Client) -> None:
    event_id = server.webhooks.add()
    with pytest.raises(WebhookNotFoundError, match="No webhook event nothing"):
        client.resend("nothing")
    with pytest.raises(WebhookNotFoundError, match="no endpoint 'x'"):
        client.resend(event_id, endpoint="x")
    with pytest.raises(ValueError, match="empty"):
        client.resend("")
    assert server.webhooks.events[event_id]["status"] == "delivered"


def test_event_id_is_encoded_in_the_path(server: ReviewServer, client: Client) -> None:
    server.add()
    with pytest.raises(HITLNotebookError):
        client.resend("../sessions/approve?dag_id=reports&run_id=manual__2030&task_id=draft&map_index=-1#")
    assert server.sessions[KEY]["status"] == "pending_review"
    assert [seen for seen in server.seen if "approve" in seen.path and "deliveries" not in seen.path] == []


def test_reader_may_not_resend_or_test(server: ReviewServer) -> None:
    event_id = server.webhooks.add()
    client = Client(server.url, username="viewer", password="viewer-password")
    assert len(client.deliveries()) == 1
    with pytest.raises(PermissionDeniedError, match="may not decide the reviews of DAG 'reports'"):
        client.resend(event_id)
    with pytest.raises(PermissionDeniedError, match="may not use connections"):
        client.test_webhook("audit")


def test_webhook_test(server: ReviewServer, client: Client) -> None:
    server.webhooks.connections["audit"] = attempt()
    server.webhooks.connections["https://x.example"] = attempt(status_code=None, error="no answer within 5 s")
    good = client.test_webhook("audit")
    assert (good.endpoint, good.event_id, good.delivered) == ("audit", "test", True)
    assert good.attempt == DeliveryAttempt(START, 12, 204, None, None)
    bad = client.test_webhook(url="https://x.example", format="slack")
    assert (bad.delivered, bad.attempt.status_code, bad.attempt.error) == (False, None, "no answer within 5 s")
    bodies = [seen.body for seen in server.asked("/hitl-review/webhooks/test")]
    assert bodies == [{"conn_id": "audit"}, {"url": "https://x.example", "format": "slack"}]


def test_webhook_test_with_invalid_arguments(server: ReviewServer, client: Client) -> None:
    with pytest.raises(WebhookNotFoundError, match="There is no connection 'nothing'"):
        client.test_webhook("nothing")
    with pytest.raises(InvalidRequestError, match=r"body\.format: "):
        client.test_webhook("audit", format="morse")
    asked = len(server.seen)
    for arguments in ({}, {"conn_id": "audit", "url": "https://x.example"}):
        with pytest.raises(ValueError, match="conn_id or a url"):
            client.test_webhook(**arguments)
    assert len(server.seen) == asked


def calls(client: Client) -> list[Any]:
    return [lambda: client.deliveries(KEY), lambda: client.resend("x"), lambda: client.test_webhook("audit")]


def test_outdated_server_error_says_what_to_do(outdated: ReviewServer) -> None:
    client = Client(outdated.url, username="ada", password="ada-password")
    for call in calls(client):
        with pytest.raises(ServerError, match="is older than this client, or not installed") as error:
            call()
        assert outdated.url in str(error.value)
    assert len(client.sessions()) == 0


@pytest.mark.parametrize(
    ("status", "body", "expected", "message"),
    [
        (404, "<html>nginx</html>", ServerError, "plugin is installed"),
        (404, '{"detail": {"message": "No review.", "task_active": true}}', ReviewNotFoundError, "No review"),
        (401, '{"detail": "Invalid JWT token"}', HITLNotebookError, "does not accept this token"),
        (503, '{"detail": "Starting"}', ServerError, "503: Starting"),
        (200, "<!doctype html><title>Airflow</title>", ServerError, "plugin is installed"),
        (302, "", ServerError, "plugin is installed"),
    ],
)
def test_other_responses(
    server: ReviewServer,
    client: Client,
    status: int,
    body: str,
    expected: type[HITLNotebookError],
    message: str,
) -> None:
    server.broken["/hitl-review"] = (status, "text/html", body)
    for call in calls(client):
        with pytest.raises(expected, match=message):
            call()


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        "null",
        '{"deliveries": [{}], "total_entries": 1}',
        '{"deliveries": [], "total_entries": Infinity}',
        '{"deliveries": ["x"], "total_entries": null}',
    ],
)
def test_unexpected_json_raises_server_error(body: str) -> None:
    with answering(200, body.encode()) as url:
        for call in calls(Client(url, token="t")):
            with pytest.raises(ServerError, match="plugin is installed"):
                call()


def test_timestamp_with_numeric_utc_offset() -> None:
    value = event(timestamp=stamp(0).replace("Z", "+00:00"))
    assert parse_delivery(value).timestamp == START
