"""Panels in tests, and accessors for what they show."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets as widgets
import pytest
from ipywidgets.widgets import widget as registry

from hitl_notebook import ReviewKey, ReviewPanel
from hitl_notebook.panel.elements import DecisionForm
from hitl_notebook.panel.messages import id_of
from tests.notebook.server import ReviewServer


def make(server: ReviewServer, refresh_seconds: float = 0, *, user: str = "ada") -> ReviewPanel:
    """A panel of this user, which holds decisions back only briefly and stays at the review that was decided."""
    panel = ReviewPanel(server.url, username=user, password=f"{user}-password", refresh_seconds=refresh_seconds)
    panel.workspace.model.hold_seconds = 0.05
    panel.workspace.model.opens_next = False
    return panel


def receive(widget: Any, **message: Any) -> None:
    """Receive a message from the browser."""
    widget._handle_custom_msg(message, [])


def open_row(panel: ReviewPanel, dag_id: str) -> None:
    """Click the row of this DAG's review."""
    receive(panel.workspace.list.list, do="open", id=id_of(key(dag_id)))


def typed(panel: ReviewPanel, text: str) -> None:
    """Type text for the open review."""
    form = panel.workspace.session.form
    receive(form, do="draft", key=form.state["key"], text=text)


def click(panel: ReviewPanel, action: str) -> None:
    """Click a button below the open review; without an event loop nothing is held back."""
    form = panel.workspace.session.form
    receive(form, do="act", key=form.state["key"], action=action, text=panel.workspace.model.draft)


def confirm(panel: ReviewPanel) -> None:
    """Answer the question, or send what is held back."""
    form = panel.workspace.session.form
    action = form.state["confirm"]["action"]
    receive(form, do="confirm", key=form.state["key"], action=action, text=panel.workspace.model.draft)


def decide(panel: ReviewPanel, action: str) -> None:
    """Click a button and, if the panel asks, confirm."""
    click(panel, action)
    if panel.workspace.session.form.state["confirm"] is not None:
        confirm(panel)


def refresh(panel: ReviewPanel) -> None:
    """Click Refresh."""
    panel.workspace.head.refresh.click()


def form(panel: ReviewPanel) -> dict[str, Any]:
    """State of the open review's form, as sent to the browser."""
    state: dict[str, Any] = panel.workspace.session.form.state
    return state


def enabled(panel: ReviewPanel) -> list[str]:
    """Actions whose button is enabled."""
    state = form(panel)
    return [button["action"] for button in state["buttons"] if state["shown"] and button["enabled"]]


def listed(panel: ReviewPanel) -> list[str]:
    """DAG ids of the rows, from top to bottom."""
    return [row["dag_id"] for row in panel.workspace.list.list.rows]


def open_widgets() -> dict[str, Any]:
    """All widgets that are not closed, including layouts and styles."""
    return dict(registry._instances)


def key(dag_id: str) -> ReviewKey:
    """Key of this DAG's review on the server."""
    return ReviewKey(dag_id, "manual__2030", "draft")


def html(panel: ReviewPanel) -> str:
    """All HTML shown by the panel, and the notices of its forms."""

    def below(widget: Any) -> list[str]:
        own = [widget.value] if isinstance(widget, widgets.HTML) else []
        if isinstance(widget, DecisionForm) and widget.state["notice"]:
            own.append(escape(widget.state["notice"]["text"], quote=False))  # the browser shows it as text
        return own + [text for child in getattr(widget, "children", ()) for text in below(child)]

    return "\n".join(below(panel.widget))


def notice(panel: ReviewPanel) -> tuple[str, str]:
    """Kind and text of the panel's notice."""
    told = panel.workspace.model.notice
    assert told is not None
    return told.kind, told.text


async def settle(panel: ReviewPanel) -> None:
    """Let the action just clicked start, then wait for its end."""
    await asyncio.sleep(0)
    await panel.settled()


async def until(holds: Callable[[], bool]) -> None:
    """Wait until this holds, at most ten seconds."""
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not happen within ten seconds")
