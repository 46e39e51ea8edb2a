"""Access to the pages and their headers, without a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.notebook.hostile import HOSTILE, Parts
from tests.pages.stage import Key, Stage

PAGES = ["chat", "chat-by-task", "inbox"]
OTHERS = ["chat/events", "chat/updates", "inbox/events", "inbox/updates"]


@pytest.fixture(scope="module")
def key(stage: Stage) -> Key:
    return stage.one(outputs=["One"])


def get(stage: Stage, path: str, user: str | None = "ann", **kwargs: Any) -> requests.Response:
    return stage.server.call("GET", f"/{path}", user=user, allow_redirects=False, **kwargs)


@pytest.mark.parametrize("path", PAGES)
def test_anonymous_user_is_redirected_to_login(stage: Stage, key: Key, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer x.y.z"}):
        answer = get(stage, path, None, params=key.params, headers=headers)
        assert answer.status_code == 307
        location = urlsplit(answer.headers["Location"])
        assert location.path == "../api/v2/auth/login"
        (back,) = parse_qs(location.query)["next"]
        assert urlsplit(back).path == f"/airflow/hitl-review/{path}"
        assert parse_qs(urlsplit(back).query)["run_id"] == [key.run_id]


@pytest.mark.parametrize("path", OTHERS)
def test_anonymous_request_to_data_routes_gets_401(stage: Stage, key: Key, path: str) -> None:
    assert get(stage, path, None, params=key.params).status_code == 401


@pytest.mark.parametrize("path", ["chat", "chat-by-task", "chat/events", "chat/latest", "chat/updates"])
def test_another_teams_user_is_refused(stage: Stage, key: Key, path: str) -> None:
    answer = get(stage, path, "bob", params=key.params)
    assert answer.status_code == 403
    assert "You may not read the reviews of DAG" in answer.text
    if path in PAGES:
        assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("referer", "link"),
    [
        ("/inbox?q=a%2Bb&status=approved", "inbox?q=a%2Bb&amp;status=approved"),
        ("/inbox", "inbox"),
        ("/chat?dag_id=x", "inbox"),
        ("/inbox?q=%22%3E%3Cscript%3E", "inbox?q=%22%3E%3Cscript%3E"),
        ('/inbox?q="><script>', "inbox?q=&#34;&gt;&lt;script&gt;"),
        ("http://[", "inbox"),
        (None, "inbox"),
    ],
)
def test_back_link_of_a_review(stage: Stage, key: Key, referer: str | None, link: str) -> None:
    address = stage.address(referer.lstrip("/")) if referer and referer.startswith("/") else referer
    answer = get(stage, "chat", params=key.params, headers={"Referer": address} if address else {})
    assert f'<a id="back" href="{link}">All reviews</a>' in answer.text


def test_another_teams_user_sees_an_empty_list(stage: Stage, key: Key) -> None:
    answer = get(stage, "inbox", "bob")
    assert "Nothing waits for you." in answer.text
    assert key.run_id not in answer.text


@pytest.mark.parametrize("path", PAGES)
def test_security_headers(stage: Stage, key: Key, path: str) -> None:
    answer = get(stage, path, params=key.params)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["frame-ancestors"] == "'self'"
    assert not {"unsafe-inline", "unsafe-eval"} & set(answer.headers["Content-Security-Policy"].split("'"))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert "<style" not in answer.text
    assert " style=" not in answer.text


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("field", ["dag_id", "run_id", "task_id", "map_index", "q", "status", "order_by", "limit"])
def test_query_parameters_are_escaped(stage: Stage, key: Key, path: str, field: str) -> None:
    """Hostile text in a link that others follow: each text in each field, also on the error page."""
    plain = Parts(get(stage, path, params=key.params | {field: "x"}).text)
    answer = get(stage, path, params=key.params | {field: "\n".join(HOSTILE)})
    assert answer.status_code < 500
    shown = Parts(answer.text)
    assert set(shown.tags) <= set(plain.tags) | {"html", "head", "title", "body", "main", "p", "h1", "a", "option"}
    assert not [name for _, name, _ in shown.attributes if name.startswith("on") or name == "style"]
    assert not [value for _, name, value in shown.attributes if name in ("href", "src") and ":" in value[:12]]
    assert shown.others == plain.others


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"map_index": "first"}, 422, "map_index must be an integer"),
        ({"dag_id": "~"}, 400, "dag_id must name one dag"),
        ({"run_id": None}, 422, "run_id: Field required"),
        ({"run_id": "no such run"}, 404, "This task has no review."),
    ],
)
def test_invalid_addresses_are_explained(
    stage: Stage, key: Key, change: dict[str, str], status: int, words: str
) -> None:
    answer = get(stage, "chat", params={**key.params, **change})
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert words in answer.text


def test_invalid_status_in_inbox_address(stage: Stage) -> None:
    answer = get(stage, "inbox", params={"status": "sleeping"})
    assert answer.status_code == 422
    assert "Something in the address is missing or wrong." in answer.text


def test_assets_are_public_and_revalidated(stage: Stage) -> None:
    for name in ("page.css", "review.js", "live.js", "inbox.js", "appearance.js", "review.svg", "review-dark.svg"):
        answer = get(stage, f"assets/{name}", None)
        assert answer.status_code == 200, name
        assert answer.headers["Cache-Control"] == "no-cache"
        again = get(stage, f"assets/{name}", None, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304


@contextmanager
def listening(stage: Stage, path: str, params: dict[str, Any], user: str = "ann") -> Iterator[Iterator[Any]]:
    """Parsed events of a stream."""
    answer = stage.server.call("GET", f"/{path}", user=user, params=params, stream=True)
    assert answer.headers["Content-Type"].startswith("text/event-stream")

    def events() -> Iterator[Any]:
        name = ""
        for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
            if line.startswith("event:"):
                name = line.partition(":")[2].strip()
            elif line.startswith("data:"):
                yield name, json.loads(line.partition(":")[2])

    try:
        yield events()
    finally:
        answer.close()


def test_event_stream_of_a_review(stage: Stage) -> None:
    key = stage.one(outputs=["One"])
    known = get(stage, "chat/updates", params=key.params)
    version = known.json()["version"]
    assert known.headers["ETag"] == f'W/"{version}"'
    tag = {"If-None-Match": known.headers["ETag"]}
    assert get(stage, "chat/updates", params=key.params, headers=tag).status_code == 304
    with listening(stage, "chat/events", {**key.params, "version": version}) as events:
        assert next(events)[0] == "hello"
        assert stage.decide(key, "approve").status_code == 200
        name, update = next(events)
        assert (name, update["state"]["status"]) == ("change", "approved")
        assert update["version"] != version
    with listening(stage, "chat/events", {**key.params, "version": version}) as events:
        assert next(events)[0] == "hello"
        assert next(events)[1]["state"]["status"] == "approved"  # a late listener is told immediately
    assert get(stage, "chat/updates", params=key.params, headers=tag).status_code == 200


def test_event_stream_of_the_list(stage: Stage) -> None:
    version = get(stage, "inbox/updates").json()["version"]
    with listening(stage, "inbox/events", {"version": version}) as events:
        assert next(events)[0] == "hello"
        with ThreadPoolExecutor(1) as pool:
            heard = pool.submit(next, events)
            stage.one(outputs=["One"])
            name, update = heard.result(10)
    assert name == "change"
    assert update["version"] != version
    assert set(update) == {"version"}


def test_rejection_without_reason_does_not_reuse_earlier_feedback(stage: Stage) -> None:
    key = stage.one(outputs=["One"], feedback=["what could not be done"], last_error="boom")
    assert [turn["kind"] for turn in stage.find(key)["conversation"]] == ["output", "feedback", "error"]
    assert stage.decide(key, "reject").status_code == 200
    assert [turn["kind"] for turn in stage.find(key)["conversation"]] == ["output", "feedback", "error"]
