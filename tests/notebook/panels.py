"""Panels in tests, and what can be seen of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
import pytest
from ipywidgets.widgets import widget as registry

from hitl_notebook import ReviewKey, ReviewPanel
from tests.notebook.server import ReviewServer


def make(server: ReviewServer, refresh_seconds: float = 0, *, user: str = "ada") -> ReviewPanel:
    """A panel of this user."""
    return ReviewPanel(server.url, username=user, password=f"{user}-password", refresh_seconds=refresh_seconds)


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
    assert panel.model.notice is not None
    return panel.model.notice.kind, panel.model.notice.text


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
