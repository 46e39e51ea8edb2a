"""Requests that no client of ours sends, with each database: refused with an explanation, and nothing is lost."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, suppress
from urllib.parse import urlencode, urlsplit

import pytest
import requests

from airflow_hitl_review.web.http.field_limits import MAX_BODY_BYTES, MAX_FEEDBACK_LENGTH, MAX_PAGE
from hitl_notebook.panel import forms
from tests.security.hostile_bodies import HOSTILE, LARGEST_FEEDBACK
from tests.security.routes import ROUTES, Kind, Route
from tests.support.api_server import ReviewServer

JSON = {"Content-Type": "application/json"}
NUL, HALF_A_PAIR = "a%00b", "%ED%A0%80"
POSTS = [route for route in ROUTES if route.method == "POST"]
DECISIONS = [route.path for route in POSTS if route.path.startswith("/sessions/")]


@pytest.fixture(scope="module")
def run_id(reviews: ReviewServer) -> str:
    """Run id of reviews; all but the last few stay pending."""
    return reviews.seed(4)


def post(reviews: ReviewServer, run_id: str, path: str, body: bytes, index: int = 0) -> requests.Response:
    params = reviews.params(run_id, index)
    path = path.replace("{event_id}", "00000000-0000-0000-0000-000000000000")
    return reviews.call("POST", path, user="admin", params=params, data=body, headers=JSON)


def still_pending(reviews: ReviewServer, run_id: str, index: int = 0) -> bool:
    found = reviews.call("GET", "/sessions/find", params=reviews.params(run_id, index)).json()
    return bool(found["status"] == "pending_review" and len(found["conversation"]) == 1)


@pytest.mark.parametrize("path", [route.path for route in POSTS])
def test_every_route_refuses_hostile_bodies(reviews: ReviewServer, run_id: str, path: str) -> None:
    for name, (body, words) in HOSTILE.items():
        answer = post(reviews, run_id, path, body)
        if words.startswith("less than") and path not in DECISIONS:
            assert answer.status_code in (404, 422), name  # the route has no such field
            continue
        assert answer.status_code == (413 if "bytes" in words else 422), (name, answer.text[:300])
        assert words in str(answer.json()["detail"]), name
        assert len(answer.content) < 1000, name
    assert still_pending(reviews, run_id)


@pytest.mark.parametrize("path", DECISIONS)
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_non_json_content_type_is_refused(reviews: ReviewServer, run_id: str, path: str, kind: str) -> None:
    headers = {"Content-Type": kind}
    answer = reviews.call(
        "POST", path, params=reviews.params(run_id), data=b'{"feedback": "\xff\x00"}', headers=headers
    )
    assert answer.status_code == 422, answer.text
    assert still_pending(reviews, run_id)


@pytest.mark.parametrize("path", ["/sessions/feedback", "/sessions/reject"])
def test_too_long_feedback_error_names_the_limit(reviews: ReviewServer, run_id: str, path: str) -> None:
    answer = post(reviews, run_id, path, json.dumps({"feedback": "x" * (MAX_FEEDBACK_LENGTH + 1)}).encode())
    assert answer.status_code == 422
    (problem,) = answer.json()["detail"]
    assert problem == {
        "type": "string_too_long",
        "loc": ["body", "feedback"],
        "msg": f"String should have at most {MAX_FEEDBACK_LENGTH} characters",
    }
    assert still_pending(reviews, run_id)


def test_longest_feedback_is_accepted_unchanged(reviews: ReviewServer, run_id: str) -> None:
    assert len(LARGEST_FEEDBACK) < 0.75 * MAX_BODY_BYTES
    assert forms.MAX_FEEDBACK_LENGTH == MAX_FEEDBACK_LENGTH
    assert post(reviews, run_id, "/sessions/feedback", LARGEST_FEEDBACK, 3).status_code == 200
    found = reviews.call("GET", "/sessions/find", params=reviews.params(run_id, 3)).json()
    assert found["conversation"][-1]["content"] == "🎌" * MAX_FEEDBACK_LENGTH


def test_page_has_the_feedback_limit(reviews: ReviewServer, run_id: str) -> None:
    page = reviews.call("GET", "/chat", params=reviews.params(run_id)).text
    assert f'maxlength="{MAX_FEEDBACK_LENGTH}"' in page


def chunked(size: int) -> Iterator[bytes]:
    for _ in range(size // 65536):
        yield b"x" * 65536


def test_body_without_content_length_is_limited(reviews: ReviewServer, run_id: str) -> None:
    """With chunked encoding, the length is not known in advance."""
    url = f"{reviews.airflow.url}/hitl-review/sessions/feedback"
    headers = {**JSON, "Authorization": f"Bearer {reviews.token('ann')}"}
    answer = requests.post(
        url, params=reviews.params(run_id), data=chunked(4 * MAX_BODY_BYTES), headers=headers, timeout=60
    )
    assert "Content-Length" not in answer.request.headers
    assert answer.status_code == 413, answer.text
    assert answer.json() == {"detail": f"The body is too large: at most {MAX_BODY_BYTES} bytes are accepted."}
    assert still_pending(reviews, run_id)


def test_endless_body_is_not_read_forever(reviews: ReviewServer, run_id: str) -> None:
    address = urlsplit(reviews.airflow.url)
    assert address.hostname
    assert address.port
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    sent = 0
    with closing(connection):
        connection.putrequest("POST", f"/hitl-review/sessions/feedback?{urlencode(reviews.params(run_id))}")
        connection.putheader("Authorization", f"Bearer {reviews.token('ann')}")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        with suppress(ConnectionError):
            while sent < 50 * MAX_BODY_BYTES:
                connection.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                sent += 65536
    assert MAX_BODY_BYTES < sent < 25 * MAX_BODY_BYTES


def test_large_body_without_token_is_refused(reviews: ReviewServer, run_id: str) -> None:
    data = b"x" * (MAX_BODY_BYTES + 1)
    answer = reviews.call("POST", "/sessions/approve", user=None, params=reviews.params(run_id), data=data)
    assert answer.status_code == 413


@pytest.mark.parametrize("name", ["dag_id", "run_id", "task_id", "map_index", "q", "version", "status", "unknown"])
@pytest.mark.parametrize(
    "route", [r for r in ROUTES if r.kind is not Kind.OPEN], ids=lambda r: f"{r.method} {r.path}"
)
def test_nul_in_query_is_refused(reviews: ReviewServer, run_id: str, route: Route, name: str) -> None:
    query = urlencode({key: value for key, value in reviews.params(run_id).items() if key != name})
    path = f"{route.path.replace('{event_id}', 'x')}?{query}&{name}={NUL}"
    answer = reviews.call(route.method, path, user="admin", json=route.body)
    assert answer.status_code == 422, answer.text
    assert "NUL character" in answer.text


@pytest.mark.parametrize("path", [f"/deliveries/{NUL}/resend", f"/deliveries/x/resend?a={NUL}"])
def test_nul_in_path_is_refused(reviews: ReviewServer, path: str) -> None:
    assert reviews.call("POST", path).status_code == 422


@pytest.mark.parametrize("path", [f"/assets/{NUL}", f"/sess{NUL}ions", f"/assets/{HALF_A_PAIR}"])
def test_hostile_paths_are_not_found(reviews: ReviewServer, path: str) -> None:
    assert reviews.call("GET", path).status_code == 404


@pytest.mark.parametrize("path", ["/sessions/find", "/chat"])
def test_non_utf8_ids_are_not_found(reviews: ReviewServer, path: str) -> None:
    assert reviews.call("GET", f"{path}?dag_id={HALF_A_PAIR}&run_id=%FF&task_id=%C3").status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "dag_id=" + "x" * 251 + "&run_id=x&task_id=x",
        "dag_id=x&run_id=x&task_id=x&map_index=1e3",
        "dag_id=x&run_id=x&task_id=x&map_index=%D9%A3",  # a digit of another script
        "dag_id=x&run_id=x&task_id=x&map_index=" + "9" * 5000,
    ],
)
def test_invalid_ids(reviews: ReviewServer, query: str) -> None:
    for path in ("/sessions/find", "/chat", "/chat/updates", "/deliveries"):
        answer = reviews.call("GET", f"{path}?{query}")
        assert answer.status_code == 422, answer.text


def test_invalid_map_index_without_other_ids_is_refused(reviews: ReviewServer) -> None:
    answer = reviews.call("GET", "/deliveries?map_index=first")
    assert answer.status_code == 422
    assert "map_index" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/sessions", "/deliveries", "/inbox"])
@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("limit=0", "greater than or equal to 1"),
        (f"limit={MAX_PAGE + 1}", f"less than or equal to {MAX_PAGE}"),
        ("limit=-1", "greater than or equal to 1"),
        ("offset=-1", "greater than or equal to 0"),
        (f"offset={2**63}", "less than or equal to"),
        ("limit=" + "9" * 5000, "integer"),
        ("limit=1e2", "integer"),
        ("limit=NaN", "integer"),
        ("limit=", "integer"),
        ("offset=%EF%BC%91x", "integer"),
    ],
)
def test_invalid_paging_is_refused(reviews: ReviewServer, path: str, query: str, says: str) -> None:
    answer = reviews.call("GET", f"{path}?{query}")
    assert answer.status_code == 422, answer.text
    assert says in answer.text
    assert len(answer.content) < 3000


@pytest.mark.parametrize("path", ["/sessions", "/deliveries", "/inbox"])
def test_paging_limits(reviews: ReviewServer, run_id: str, path: str) -> None:
    for query in ("limit=1", f"limit={MAX_PAGE}", f"offset={2**31}"):
        assert reviews.call("GET", f"{path}?{query}").status_code == 200
