"""Standard ipywidgets as the panel uses them."""

from __future__ import annotations

from importlib import resources

import ipywidgets as widgets

from hitl_notebook.panel.actions import Notice
from hitl_rendering import render


def html_view(*classes: str) -> widgets.HTML:
    """Return an empty HTML widget. Its value must come from ``render`` or ``escape``."""
    view = widgets.HTML()
    for name in classes:
        view.add_class(name)
    return view


def style_view() -> widgets.HTML:
    """Return what outputs look like, and the panel around them."""
    view = html_view("hitl-style")
    shared = (("hitl_rendering", f"front_end/{name}.css") for name in ("reading", "editing"))
    files = *shared, ("hitl_notebook.panel", "panel.css")
    css = "".join(resources.files(package).joinpath(name).read_text(encoding="utf-8") for package, name in files)
    view.value = f"<style>{css}</style>"
    return view


def close_all(widget: widgets.Widget) -> None:
    """Close a widget with its layout, style and children."""
    for part in (widget, getattr(widget, "layout", None), getattr(widget, "style", None)):
        if part is not None:
            part.close()
    for child in getattr(widget, "children", ()):
        close_all(child)


def notices_html(*notices: Notice) -> str:
    """Return notices, one below the other; announced by screen readers."""
    lines = [
        f'<div class="hitl-notice {notice.kind}"><span>{render.inline(notice.text)}</span></div>'
        for notice in notices
    ]
    return f'<div role="status" aria-live="polite">{"".join(lines)}</div>'
