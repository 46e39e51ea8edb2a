"""Panels in tests, and what can be seen of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
import pytest
from ipywidgets.widgets import widget as registry

from hitl_notebook import ReviewKey, ReviewPanel
from hitl_notebook.panel.messages import id_of
from tests.notebook.server import ReviewServer


def make(server: ReviewServer, refresh_seconds: float = 0, *, user: str = "ada") -> ReviewPanel:
    """A panel of this user."""
    return ReviewPanel(server.url, username=user, password=f"{user}-password", refresh_seconds=refresh_seconds)


def receive(widget: Any, **message: Any) -> None:
    """What comes from the browser."""
    widget._handle_custom_msg(message, [])


def open_row(panel: ReviewPanel, dag_id: str) -> None:
    """A click on the row of the server's review of this DAG."""
    receive(panel.workspace.list.list, do="open", id=id_of(key(dag_id)))


def typed(panel: ReviewPanel, text: str) -> None:
    """Text typed about the open review."""
    form = panel.workspace.session.form
    receive(form, do="draft", key=form.state["key"], text=text)


def click(panel: ReviewPanel, action: str) -> None:
    """A click on a button below the open review; what is asked back stays asked."""
    form = panel.workspace.session.form
    receive(form, do="act", key=form.state["key"], action=action, text=panel.workspace.model.draft)


def confirm(panel: ReviewPanel) -> None:
    """A click on the button that says yes."""
    form = panel.workspace.session.form
    action = form.state["confirm"]["action"]
    receive(form, do="confirm", key=form.state["key"], action=action, text=panel.workspace.model.draft)


def decide(panel: ReviewPanel, action: str) -> None:
    """Both clicks, where two are needed."""
    click(panel, action)
    if panel.workspace.session.form.state["confirm"] is not None:
        confirm(panel)


def refresh(panel: ReviewPanel) -> None:
    """A click on Refresh."""
    panel.workspace.head.refresh.click()


def form(panel: ReviewPanel) -> dict[str, Any]:
    """What the browser is told about the form of the open review."""
    state: dict[str, Any] = panel.workspace.session.form.state
    return state


def enabled(panel: ReviewPanel) -> list[str]:
    """Actions whose button can be pressed."""
    state = form(panel)
    return [button["action"] for button in state["buttons"] if state["shown"] and button["enabled"]]


def listed(panel: ReviewPanel) -> list[str]:
    """DAG ids of the rows, from the top."""
    return [row["dag_id"] for row in panel.workspace.list.list.rows]


def open_widgets() -> dict[str, Any]:
    """All that are not closed, their layouts and styles too."""
    return dict(registry._instances)


def key(dag_id: str) -> ReviewKey:
    """Of the server's review of this DAG."""
    return ReviewKey(dag_id, "manual__2030", "draft")


def html(panel: ReviewPanel) -> str:
    """All HTML that the panel shows."""

    def below(widget: Any) -> list[str]:
        own = [widget.value] if isinstance(widget, widgets.HTML) else []
        return own + [text for child in getattr(widget, "children", ()) for text in below(child)]

    return "\n".join(below(panel.widget))


def notice(panel: ReviewPanel) -> tuple[str, str]:
    """Kind and text of the panel's notice."""
    told = panel.workspace.model.notice
    assert told is not None
    return told.kind, told.text


async def settle(panel: ReviewPanel) -> None:
    """Let what was just clicked begin, then wait for its end."""
    await asyncio.sleep(0)
    await panel.settled()


async def until(holds: Callable[[], bool]) -> None:
    """Wait for it, at most ten seconds."""
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not happen within ten seconds")
