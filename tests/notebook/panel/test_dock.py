"""Docking without JupyterLab; with it: ``test_jupyterlab.py``."""

from __future__ import annotations

import asyncio
import sys

import pytest

from hitl_notebook import ReviewPanel
from hitl_notebook.panel import dock as dock_module
from tests.notebook.panels import key, make, open_row, open_widgets, refresh, settle
from tests.notebook.server import ReviewServer

# What ipylab 1.1.0 does when it is imported.
pytestmark = pytest.mark.filterwarnings("ignore:Traits should be given as instances:DeprecationWarning")


def in_cell(panel: ReviewPanel) -> bool:
    return panel.widget in panel._cell.widget.children


def test_without_ipylab_it_is_said_what_to_install(server: ReviewServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipylab", None)
    panel = make(server)
    with pytest.raises(ImportError, match=r'pip install "hitl-notebook\[jupyterlab\]"'):
        panel.dock()
    assert in_cell(panel)
    panel.close()


def test_unknown_area_and_closed_panel_are_refused(server: ReviewServer) -> None:
    panel = make(server)
    with pytest.raises(ValueError, match="right, left, bottom, tab, not at 'top'"):
        panel.dock("top")
    panel.close()
    with pytest.raises(RuntimeError, match="closed"):
        panel.dock()


def test_without_an_event_loop_the_panel_stays_in_its_cell(server: ReviewServer) -> None:
    panel = make(server)
    before = len(open_widgets())
    panel.dock()
    assert in_cell(panel)
    assert "only in JupyterLab" in panel._cell.place.value
    assert len(open_widgets()) == before
    panel.close()


def test_panel_moves_only_where_jupyterlab_answers(server: ReviewServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dock_module, "PATIENCE", 0.1)

    async def scenario(version: str | None) -> bool:
        panel = make(server)
        panel.dock("left")
        dock = panel._dock
        assert dock is not None
        if version is not None:
            dock._app.set_trait("version", version)  # as JupyterLab does
        await asyncio.sleep(0.3)
        moved = not in_cell(panel)
        assert ("tab of their own" if moved else "only in JupyterLab") in panel._cell.place.value
        assert (dock._tab.comm is not None) is moved
        panel.close()
        return moved

    # Jupyter Notebook 7 answers as well, and would drop the tab; Voila and VS Code do not answer.
    moved = [asyncio.run(scenario(version)) for version in ("4.6.6", "7.6.5", None)]
    assert moved == [True, False, False]


def test_each_review_is_told_once_and_only_if_it_waits_for_this_user(
    server: ReviewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(
        "ipylab.commands.CommandRegistry.execute", lambda _, name, args: told.append(args["message"])
    )

    async def scenario(notify: bool) -> None:
        told.clear()
        server.reset()
        server.add("old")
        panel = make(server)
        panel.dock(notify=notify)
        assert panel._dock is not None
        panel._dock._app.set_trait("version", "4.6.6")
        await settle(panel)
        title = panel._dock._tab.title
        assert title.label == "Reviews (1)"
        server.add("<b>new</b>")
        server.add("theirs", reviewers=["ben"])
        server.add("working", status="changes_requested")
        await again(panel)
        assert title.label == "Reviews (3)"
        open_row(panel, "<b>new</b>")
        await settle(panel)
        server.change(key("<b>new</b>"), prompt="Another prompt.")  # the same output, listed as new once more
        await again(panel)
        server.next_output(key("<b>new</b>"), "Second draft")
        server.add("n" * 200)
        await again(panel)
        panel._dock.close()
        server.add("unheard")
        await again(panel)
        panel.close()

    async def again(panel: ReviewPanel) -> None:
        refresh(panel)
        await settle(panel)

    asyncio.run(scenario(notify=True))
    assert told[0] == "A review waits: <b>new</b> › draft"  # as text: JupyterLab escapes it
    assert told[1].startswith("2 reviews wait, the first is nnn")
    assert len(told[1]) == 140
    assert len(told) == 2
    asyncio.run(scenario(notify=False))
    assert told == []


def test_closed_tab_brings_the_panel_back_and_it_can_be_docked_again(server: ReviewServer) -> None:
    async def scenario() -> None:
        panel = make(server)
        await settle(panel)
        before = len(open_widgets())
        for area in ("right", "tab"):
            panel.dock(area)
            assert panel._dock is not None
            panel._dock._app.set_trait("version", "4.6.6")
            shell = panel._dock._app.shell
            shell.set_trait("_widgets", [{"id": "1"}])
            await settle(panel)
            assert not in_cell(panel)
            shell.set_trait("_widgets", [])  # as ipylab does when the tab is closed
            await settle(panel)
            assert in_cell(panel)
            assert panel._cell.place.layout.display == "none"
            assert len(open_widgets()) == before
        assert panel.widget.comm is not None
        panel.dock("right")
        panel.dock("left")  # moves it
        assert panel._dock is not None
        panel.close()

    asyncio.run(scenario())
