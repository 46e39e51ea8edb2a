"""Unwelcome responses, outputs and sequences of events."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from hitl_notebook import Client, ReviewKey, ReviewPanel, ServerError
from hitl_rendering import render
from tests.notebook.fixed_server import answering, hanging_up
from tests.notebook.server import session


@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b'{"detail": "x"}', b"<html>", b'{"sessions": 3}'])
def test_unexpected_json_raises_server_error(body: bytes) -> None:
    with answering(200, body) as url:
        client = Client(url, token="t")
        for call in (client.sessions, lambda: client.find(ReviewKey("d", "r", "t"))):
            with pytest.raises(ServerError, match="plugin is installed"):
                call()
        panel = ReviewPanel(client=client)
        assert "plugin is installed" in panel.workspace.inbox.offline
        panel.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"status": None},
        {"iteration": "1"},
        {"created_at": "yesterday"},
        {"deadline_at": "\udc80"},
        {"decided_by": {"id": "7"}},
        {"conversation": [{}]},
        {"reviewers": "ada"},
        {"task_id": None},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_field_of_another_type_raises_server_error(changes: dict[str, Any]) -> None:
    with (
        answering(200, json.dumps(session(**changes)).encode()) as url,
        pytest.raises(ServerError, match="plugin is installed"),
    ):
        Client(url, token="t").find(ReviewKey("d", "r", "t"))


def test_conflict_without_session_raises_server_error() -> None:
    with answering(409, b'{"detail": {"session": {}}}') as url, pytest.raises(ServerError):
        Client(url, token="t").approve(ReviewKey("d", "r", "t"), iteration=1)


def test_closed_idle_connection_is_not_an_outage() -> None:
    value = json.dumps(session()).encode()
    with hanging_up(value) as (url, seen):
        client = Client(url, token="t", timeout=10)
        key = ReviewKey("d", "r", "t")
        reviews = [client.find(key), client.find(key)]
        assert reviews[0] == reviews[1]
        assert len(seen) == 3  # the second request was repeated once
        client.approve(key, iteration=1)
        client.approve(key, iteration=1)
        assert [line.startswith(b"POST") for line in seen[3:]] == [True, True]  # each once


@pytest.mark.parametrize(
    "url", ["http://localhost:99999", "http://h ost", "http://host?x=1", "http://host/#x", "airflow:8080"]
)
def test_invalid_urls(url: str) -> None:
    with pytest.raises(ValueError, match="such as http://localhost:8080"):
        Client(url, token="t")


@pytest.mark.parametrize("token", ["tök€n", "a\nb"])
def test_invalid_tokens(token: str) -> None:
    with pytest.raises(ValueError, match="Copy the whole token"):
        Client("http://localhost:8080", token=token)


def test_rendering_of_difficult_outputs() -> None:
    assert "[[[" in render.output("[" * 100_000, "json")
    render.output('"\\ud800"', "json").encode()


def test_settled_waits_and_close_ends_the_panel() -> None:
    async def main(url: str) -> str:
        panel = ReviewPanel(url, token="t", refresh_seconds=5)
        await asyncio.wait_for(panel.settled(), 10)
        offline: str = panel.workspace.inbox.offline
        panel.close()
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1
        assert "closed" in panel._repr_mimebundle_()["text/plain"]
        return offline

    with answering(500, b"") as url:
        assert "500" in asyncio.run(main(url))
