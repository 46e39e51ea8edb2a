"""The login form."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from hitl_notebook import NotConnectedError, ReviewPanel
from tests.notebook.panels import (
    enabled,
    form,
    html,
    key,
    listed,
    open_row,
    open_widgets,
    receive,
    refresh,
    settle,
    typed,
)
from tests.notebook.server import ReviewServer

_ENVIRONMENT = [f"HITL_REVIEW_{name}" for name in ("URL", "URL_PREFIX", "TOKEN", "USERNAME", "PASSWORD")]


@pytest.fixture(autouse=True)
def _no_connection_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)


def state(panel: ReviewPanel) -> dict[str, Any]:
    value: dict[str, Any] = panel._login.widget.state
    return value


def log_in(panel: ReviewPanel, url: str, username: str = "ada", password: str = "", token: str = "") -> None:
    receive(
        panel._login.widget, do="login", url=url, username=username, password=password or f"{username}-password",
        token=token,
    )  # fmt: skip


def test_form_is_shown_without_a_configured_connection(server: ReviewServer) -> None:
    server.add("a")
    panel = ReviewPanel(refresh_seconds=0)
    assert state(panel) == {"shown": True, "url": "", "username": "", "busy": "", "problem": ""}
    assert not panel.connected
    for use in (panel.open, lambda: panel.client.sessions()):
        with pytest.raises(NotConnectedError, match=r"is not connected yet\. Fill in its form") as error:
            use()
        assert isinstance(error.value, RuntimeError)
    log_in(panel, server.url)
    assert not state(panel)["shown"]
    assert panel.connected
    assert panel.client.username == "ada"
    assert listed(panel) == ["a"]
    panel.close()


def test_known_values_are_filled_in(server: ReviewServer) -> None:
    panel = ReviewPanel(server.url, username="ada", refresh_seconds=0)
    assert (state(panel)["url"], state(panel)["username"]) == (server.url, "ada")
    panel.close()


@pytest.mark.parametrize(
    ("address", "password", "said"),
    [
        ("airflow:8080", "", "such as http://localhost:8080"),
        ("", "", "address"),
        (None, "wrong", "does not accept this username and password"),
        ("http://127.0.0.1:9", "", "No answer"),
    ],
)
def test_failed_login_is_reported_and_can_be_retried(
    server: ReviewServer, address: str | None, password: str, said: str
) -> None:
    panel = ReviewPanel(refresh_seconds=0)
    log_in(panel, server.url if address is None else address, password=password)
    assert state(panel)["shown"]
    assert said in state(panel)["problem"]
    assert "wrong" not in json.dumps(state(panel))
    log_in(panel, server.url)
    assert not state(panel)["shown"]
    panel.close()


def test_connection_from_environment(server: ReviewServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.add("a")
    monkeypatch.setenv("HITL_REVIEW_URL", server.url)
    monkeypatch.setenv("HITL_REVIEW_USERNAME", "ada")
    monkeypatch.setenv("HITL_REVIEW_PASSWORD", "ada-password")
    panel = ReviewPanel(refresh_seconds=0)
    assert listed(panel) == ["a"]
    panel.close()


def test_expired_login_is_requested_again_and_keeps_the_draft(server: ReviewServer) -> None:
    server.add("a")
    panel = ReviewPanel(refresh_seconds=0)
    log_in(panel, server.url)
    open_row(panel, "a")
    typed(panel, "half a thought")
    version = form(panel)["draft_version"]
    server.broken["/hitl-review"] = (401, "application/json", '{"detail": "Signature has expired"}')
    refresh(panel)
    assert state(panel)["shown"]
    assert state(panel)["url"] == server.url
    assert "Signature has expired" in state(panel)["problem"]
    server.broken.clear()
    server.change(key("a"), reviewers=["ben"])
    log_in(panel, server.url)
    assert enabled(panel) == []
    server.broken["/hitl-review"] = (401, "application/json", '{"detail": "Signature has expired"}')
    refresh(panel)
    server.broken.clear()
    log_in(panel, server.url, "ben")
    assert not state(panel)["shown"]
    assert len(enabled(panel)) == 3
    assert (form(panel)["draft"], form(panel)["draft_version"]) == ("half a thought", version)
    assert "out of date" not in html(panel)
    receive(
        panel.workspace.session.form, do="act", key=form(panel)["key"], action="request_changes", text="a thought"
    )
    (decided,) = server.sessions.values()
    assert decided["decided_by"]["name"] == "ben"
    panel.close()


def test_wrong_password_is_reported_once_and_no_list_is_shown(server: ReviewServer) -> None:
    server.add("a")
    panel = ReviewPanel(server.url, username="ada", password="wrong", refresh_seconds=0)
    refused = "Airflow does not accept this username and password ('ada')."
    for _ in range(2):
        assert state(panel)["problem"] == refused
        assert "does not accept" not in html(panel)
        assert 'class="hitl-count"' not in html(panel)
        assert "out of date" not in html(panel)
        assert panel.workspace.list.list.empty == "There is no list yet."
        assert f"{server.url}: not connected: {refused} It is seen" in repr(panel)
        refresh(panel)
    server.broken["/hitl-review"] = (503, "text/plain", "down")
    log_in(panel, server.url)
    assert state(panel)["problem"] == "The server answered 503."
    server.broken.clear()
    log_in(panel, server.url)
    assert "1 waiting" in html(panel)
    assert f"{server.url}: 1 waiting" in repr(panel)
    panel.close()


def test_form_is_busy_while_connecting_and_widgets_have_no_secrets(server: ReviewServer) -> None:
    async def scenario() -> None:
        panel = ReviewPanel(refresh_seconds=0)
        log_in(panel, server.url)
        log_in(panel, server.url)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert state(panel)["busy"] == "Connecting…"
        await settle(panel)
        assert not state(panel)["shown"]
        assert len(server.asked("/auth/token")) == 1
        token = server.seen[-1].headers["authorization"].removeprefix("Bearer ")
        states = json.dumps([widget.get_state() for widget in open_widgets().values()], default=str)
        assert "ada-password" not in states
        assert token not in states
        panel.close()

    asyncio.run(scenario())


def test_login_to_another_address_is_rejected(server: ReviewServer, outdated: ReviewServer) -> None:
    server.add("a")
    outdated.add("a")
    panel = ReviewPanel(refresh_seconds=0)
    log_in(panel, server.url)
    open_row(panel, "a")
    server.broken["/hitl-review"] = (401, "application/json", '{"detail": "Signature has expired"}')
    refresh(panel)
    log_in(panel, outdated.url)
    assert state(panel)["shown"]
    assert "Make another panel for another address" in state(panel)["problem"]
    assert outdated.seen == []
    panel.close()


def test_url_prefix_is_kept(server: ReviewServer) -> None:
    panel = ReviewPanel(server.url, url_prefix="/reviews", refresh_seconds=0)
    log_in(panel, server.url)
    assert f"{server.url}/reviews" in state(panel)["problem"]  # a path that this test's server does not have
    log_in(panel, server.url.replace("127.0.0.1", "localhost"))
    assert panel.client.url_prefix == "/hitl-review"  # nothing is known about another address
    panel.close()
