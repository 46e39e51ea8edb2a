"""Cells with panels: what a panel's cell shows, and which panels an earlier run of a cell has made."""

from __future__ import annotations

from html import escape
from typing import Any, Protocol

import ipywidgets as widgets

from hitl_notebook.panel.views import html_view


class CellOutput:
    """What the cell of a panel shows: the panel, or where it is.

    Args:
        panel: the panel's widget.
        live: CSS class of the output.

    Attributes:
        place: says where the panel is, or why it is not in a tab.
        widget: the root widget.
    """

    def __init__(self, panel: widgets.Widget, live: str) -> None:
        self._panel = panel
        self.place = html_view("hitl-place")
        self.widget = widgets.VBox()
        self.widget.add_class("hitl-cell")
        self.widget.add_class(live)
        self.show_panel("")

    def show_panel(self, reason: str) -> None:
        """Show the panel; above it why it has no tab."""
        self.place.value = escape(reason)
        self.place.layout.display = None if reason else "none"
        self.widget.children = (self.place, self._panel)

    def show_place(self) -> None:
        """Show that the panel is in a tab."""
        self.place.layout.display = None
        self.place.value = "The reviews are in a tab of their own. When it is closed, they are here again."
        self.widget.children = (self.place,)

    def bundle(self, **kwargs: Any) -> dict[str, Any]:
        """Return the cell's output; it says nothing where there are no widgets: the record does."""
        bundle: Any = self.widget._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        return {**data, "text/plain": ""}


class _Closable(Protocol):
    def close(self) -> None: ...


_in_cell: dict[str, tuple[str, list[_Closable]]] = {}
"""Cell id -> id of the execution that made panels there, and the panels."""


def replace_earlier(panel: _Closable) -> None:
    """Close the panels of an earlier execution of this cell, so that they do not keep refreshing unseen."""
    cell = _current_cell()
    if cell is None:
        return
    cell_id, run = cell
    earlier_run, panels = _in_cell.get(cell_id, (run, []))
    if earlier_run != run:
        for earlier in list(panels):
            earlier.close()
        panels = []
    _in_cell[cell_id] = (run, [*panels, panel])


def forget(panel: _Closable) -> None:
    """Forget a panel that is closed."""
    for cell_id, (_, panels) in list(_in_cell.items()):
        if panel in panels:
            panels.remove(panel)
        if not panels:
            del _in_cell[cell_id]


def _current_cell() -> tuple[str, str] | None:
    """Return the current cell's id and the execution's id, if the front end sends them."""
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return None
    shell = get_ipython()
    header = getattr(shell, "parent_header", None)
    if not isinstance(header, dict):
        return None
    cell_id = header.get("metadata", {}).get("cellId")
    run = header.get("header", {}).get("msg_id")
    return (str(cell_id), str(run)) if cell_id and run else None
