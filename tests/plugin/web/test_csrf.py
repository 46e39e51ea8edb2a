"""Requests that a foreign page makes a user's browser send, with only Airflow's cookie as credentials."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from playwright.sync_api import Page, Response, expect

from airflow_hitl_review.web.http.csrf import CSRFCheck
from tests.conftest import DAGS, need_chromium
from tests.support import browser
from tests.support.api_server import ReviewServer, review_server
from tests.support.migrated import Migrated

ORIGINS = CSRFCheck.read(
    [
        "",
        "no address",
        "http://[",
        "http://x:port",
        "ftp://x",
        "https://Airflow.example.com/team/",
        "http://pal:8000",
    ]
)
FOREIGN: list[dict[str, str]] = [
    {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
    {"sec-fetch-site": "same-site", "origin": "https://notes.example.com"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "a later word"},
    # For the browser, the same host without TLS is another origin.
    {"sec-fetch-site": "cross-site", "origin": "http://airflow.example.com", "host": "airflow.example.com"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": ""},
    {"origin": "http://["},
    {"origin": "https://airflow.example.com.evil.example"},
    {"origin": "https://evil.example", "x-forwarded-host": "inner:8080"},
    {"origin": "http://inner:8081"},
]
OWN: list[dict[str, str]] = [
    {},  # not a browser
    {"sec-fetch-site": "same-origin", "origin": "https://whatever.the.proxy.does"},
    {"sec-fetch-site": "none"},
    {"origin": "http://inner:8080"},
    {"origin": "https://INNER:8080"},
    {"origin": "https://outer", "x-forwarded-host": "outer"},
    {"origin": "https://outer", "x-forwarded-host": "outer:443, next"},
    {"origin": "https://outer", "x-forwarded-host": "before, outer"},
    {"origin": "https://airflow.example.com"},
    {"origin": "https://airflow.example.com:443", "sec-fetch-site": "same-site"},
    {"origin": "http://pal:8000", "sec-fetch-site": "cross-site"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_foreign_requests_are_detected(headers: dict[str, str]) -> None:
    assert ORIGINS.is_foreign({"host": "inner:8080", **headers})


@pytest.mark.parametrize("headers", OWN, ids=str)
def test_own_requests_are_not_foreign(headers: dict[str, str]) -> None:
    assert not ORIGINS.is_foreign({"host": "inner:8080", **headers})


@pytest.fixture(scope="module")
def run_id(reviews: ReviewServer) -> str:
    """A run whose reviews the tests of this module use up, one map index each."""
    return reviews.seed(9)


def post(
    reviews: ReviewServer, run_id: str, index: int, action: str = "approve", **kwargs: Any
) -> requests.Response:
    """Decide with only the browser's cookie."""
    headers = {"Cookie": f"_token={reviews.token('ann')}", **kwargs.pop("headers", {})}
    params = reviews.params(run_id, index)
    return reviews.call("POST", f"/sessions/{action}", user=None, params=params, headers=headers, **kwargs)


def status(reviews: ReviewServer, run_id: str, index: int) -> Any:
    return reviews.call("GET", "/sessions/find", params=reviews.params(run_id, index)).json()["status"]


def test_foreign_requests_with_airflows_cookie_are_refused(reviews: ReviewServer, run_id: str) -> None:
    for headers in FOREIGN[:8]:
        answer = post(reviews, run_id, 0, headers=headers)
        assert answer.status_code == 403, headers
        assert "Airflow's, and has only the browser's cookie" in answer.json()["detail"]
    assert post(reviews, run_id, 0, "reject", headers=FOREIGN[0]).status_code == 403
    assert post(reviews, run_id, 0, "feedback", headers=FOREIGN[0], json={"feedback": "x"}).status_code == 403
    assert status(reviews, run_id, 0) == "pending_review"
    assert post(reviews, run_id, 0, headers={"Origin": reviews.airflow.url}).status_code == 200
    assert post(reviews, run_id, 1, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200
    assert post(reviews, run_id, 2).status_code == 200  # a script with the cookie


def test_host_headers_of_a_proxy_are_respected(reviews: ReviewServer, run_id: str) -> None:
    outside = {"Origin": "https://airflow.example.com"}
    assert post(reviews, run_id, 3, headers=outside).status_code == 403
    assert post(reviews, run_id, 3, headers={**outside, "Host": "airflow.example.com"}).status_code == 200
    assert (
        post(reviews, run_id, 4, headers={**outside, "X-Forwarded-Host": "airflow.example.com"}).status_code == 200
    )


def test_foreign_request_with_a_bearer_token_is_accepted(reviews: ReviewServer, run_id: str) -> None:
    params = reviews.params(run_id, 5)
    basic = {**FOREIGN[0], "Authorization": "Basic YTpi"}  # a browser adds this automatically, too
    assert post(reviews, run_id, 5, headers=basic).status_code == 403
    answer = reviews.call("POST", "/sessions/approve", params=params, headers=FOREIGN[0])
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_content_types_of_forms_are_not_read_as_json(reviews: ReviewServer, run_id: str, content_type: str) -> None:
    for action in ("approve", "reject", "feedback"):
        body = b'{"feedback": "shorter", "iteration": 1}'
        answer = post(reviews, run_id, 6, action, headers={"Content-Type": content_type}, data=body)
        assert answer.status_code == 422, action
    assert status(reviews, run_id, 6) == "pending_review"


@pytest.fixture(scope="module")
def open_server(folder: Path, migrated: Migrated) -> Iterator[ReviewServer]:
    """A server where everybody is an administrator, and whose CORS settings allow another origin."""
    migrated.sqlite(folder / "origins", filled=True)
    settings = {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__API__ACCESS_CONTROL_ALLOW_ORIGINS": "https://pal.example",
    }
    with review_server(
        folder / "origins", DAGS, "", migrate=False, api_workers=1, settings=settings, teams=False
    ) as server:
        yield server


def test_bearer_token_is_not_enough_where_everybody_is_an_administrator(open_server: ReviewServer) -> None:
    """There, Airflow adds an administrator's token to each request, so no cookie is needed."""
    params = open_server.params(open_server.seed(2))

    def approve(headers: dict[str, str]) -> int:
        return open_server.call("POST", "/sessions/approve", user=None, params=params, headers=headers).status_code

    assert open_server.call("GET", "/sessions/find", user=None, params=params).status_code == 200
    assert approve(FOREIGN[0]) == 403
    assert approve({"Origin": "https://evil.example", "Authorization": "Bearer x"}) == 403
    assert approve({"Origin": "https://pal.example", "Sec-Fetch-Site": "cross-site"}) == 200
    params["map_index"] = 1
    assert approve({}) == 200


@contextmanager
def foreign_page(html: str) -> Iterator[str]:
    """Serve a page on its own port; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def page(reviews: ReviewServer) -> Iterator[Page]:
    """A page in a browser that is logged in to Airflow."""
    chromium = need_chromium()
    with browser.new_page(chromium) as opened:
        opened.context.add_cookies(
            [
                {
                    "name": "_token",
                    "value": reviews.token("ann"),
                    "url": reviews.airflow.url,
                    "httpOnly": True,
                    "sameSite": "Lax",
                }
            ]
        )
        yield opened


def submitted(page: Page, address: str, target: str) -> Response:
    """Press the button of a form on a foreign page, and return the response."""
    page.goto(address)
    with page.expect_response(lambda response: response.url.startswith(target)) as answer:
        page.get_by_role("button").click()
    return answer.value


@pytest.mark.browser
def test_form_on_another_port_of_the_host_is_refused(reviews: ReviewServer, run_id: str, page: Page) -> None:
    """It is same-site, so the browser sends the cookie."""
    target = f"{reviews.airflow.url}/hitl-review/sessions/approve"
    query = urlencode(reviews.params(run_id, 7))
    with foreign_page(f"<form method=post action='{target}?{query}'><button>Win</button></form>") as address:
        answer = submitted(page, address, target)
        assert "_token=" in answer.request.all_headers().get("cookie", "")
        assert answer.status == 403
        assert address.rstrip("/") in answer.json()["detail"]
    assert status(reviews, run_id, 7) == "pending_review"


@pytest.mark.browser
def test_foreign_page_cannot_frame_ours(reviews: ReviewServer, run_id: str, page: Page) -> None:
    """This prevents clickjacking. ``tests/pages/test_in_airflow`` tests Airflow's own frame."""
    target = f"{reviews.airflow.url}/hitl-review/chat?{urlencode(reviews.params(run_id, 8))}"
    page.goto(target)
    expect(page.get_by_role("button", name="Approve", exact=True)).to_be_visible()
    with foreign_page(f"<iframe src='{target}'></iframe>") as address:
        with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
            page.goto(address)
        (frame,) = page.main_frame.child_frames
        assert frame.locator("button").count() == 0
