"""The panel's frame: its head, its notices and the list; each a small view made of stock ipywidgets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from hitl_notebook import render
from hitl_notebook.model import Notice, ReviewModel
from hitl_notebook.records import CHANGES_REQUESTED, PENDING, ReviewSummary

Post = Callable[[Callable[[], object]], None]

_ROW_WORDS = {
    PENDING: "● Waiting",
    CHANGES_REQUESTED: "◌ Working",
    "approved": "✓ Approved",
    "rejected": "✗ Rejected",
    "timeout_exceeded": "✗ Timed out",
    "max_iterations_exceeded": "✗ Ended",
}


def html_view(*classes: str) -> widgets.HTML:
    """An empty piece of HTML. What is put in it must have gone through ``render`` or ``escape``."""
    view = widgets.HTML()
    for name in classes:
        view.add_class(name)
    return view


def close_all(widget: widgets.Widget) -> None:
    """Close a widget with its layout and style, and what is in it."""
    for part in (widget, getattr(widget, "layout", None), getattr(widget, "style", None)):
        if part is not None:
            part.close()
    for child in getattr(widget, "children", ()):
        close_all(child)


def notices_html(*notices: Notice) -> str:
    """Notices, one below the other; announced by screen readers."""
    lines = [
        f'<div class="hitl-notice {notice.kind}"><span>{render.inline(notice.text)}</span></div>'
        for notice in notices
    ]
    return f'<div role="status" aria-live="polite">{"".join(lines)}</div>'


class HeadView:
    """Title, count of what waits, refresh, and which reviews are listed."""

    def __init__(self, model: ReviewModel, post: Post, refresh: Callable[[], object]) -> None:
        self._model = model
        self._title = html_view()
        self.refresh = widgets.Button(description="Refresh", tooltip="Fetch the list now")
        self.refresh.on_click(lambda _: post(refresh))
        self.show_ended = widgets.ToggleButton(
            description="Show ended", tooltip="Also list reviews whose task has ended"
        )
        self.show_ended.observe(
            lambda change: post(lambda: model.set_trait("show_ended", bool(change["new"]))), "value"
        )
        spacer = widgets.HTML()
        spacer.add_class("hitl-spacer")
        self.widget = widgets.HBox([self._title, spacer, self.show_ended, self.refresh])
        self.widget.add_class("hitl-head")
        model.observe(lambda _: self.update(), "inbox")
        self.update()

    def update(self) -> None:
        """Show the count."""
        inbox = self._model.inbox
        waiting = sum(1 for row in inbox if row.is_pending) if inbox is not None else 0
        more = "+" if inbox is not None and inbox.total_entries > len(inbox) else ""
        self._title.value = (
            '<span class="hitl-title">Reviews</span>'
            f'<span class="hitl-count" title="waiting for a decision">{waiting}{more} waiting</span>'
        )


class NoticeView:
    """What there is to tell; announced by screen readers."""

    def __init__(self, model: ReviewModel) -> None:
        self._model = model
        self.widget = html_view()
        model.observe(lambda _: self.update(), ["notice", "busy", "offline"])
        self.update()

    def update(self) -> None:
        """Show what is being sent, else the last notice; below it why refreshing fails."""
        notices = []
        if self._model.busy:
            notices.append(Notice("info", self._model.busy))
        elif self._model.notice is not None:
            notices.append(self._model.notice)
        if self._model.offline:
            notices.append(Notice("error", f"Refreshing does not work. {self._model.offline}"))
        self.widget.value = notices_html(*notices)


class InboxView:
    """The list; arrow keys move in it."""

    def __init__(self, model: ReviewModel, post: Post) -> None:
        self._model = model
        self._post = post
        self._updating = False
        self.select = widgets.Select(options=[], rows=8, tooltip="Reviews")
        self._empty = html_view()
        self.widget = widgets.VBox([self.select, self._empty])
        self.widget.add_class("hitl-inbox")
        self.select.observe(self._on_select, "value")
        model.observe(lambda _: self.update(), ["inbox", "selected", "show_ended", "offline"])
        self.update()

    def update(self) -> None:
        """Show the list, with the open review marked even if it has left the list."""
        rows = list(self._model.inbox or ())
        options = [(row_label(row), row.key) for row in rows]
        selected = self._model.selected
        if selected is not None and selected not in (row.key for row in rows):
            options.append((f"  {selected.dag_id} › {selected.task_id} (no longer listed)", selected))
        self._updating = True
        try:
            if list(self.select.options) != options:
                self.select.options = options
            if self.select.value != selected:
                self.select.value = selected
            self.select.rows = min(14, max(4, len(options)))
        finally:
            self._updating = False
        self.select.layout.display = None if options else "none"
        self._empty.value = "" if options else f'<div class="hitl-empty">{self._nothing()}</div>'

    def _nothing(self) -> str:
        if self._model.inbox is None:
            return "The list could not be fetched yet." if self._model.offline else "Looking for reviews…"
        if self._model.show_ended:
            return "There are no reviews yet. One appears here when a task waits for it."
        return "Nothing waits for a review. New ones appear here by themselves."

    def _on_select(self, change: dict[str, Any]) -> None:
        if not self._updating:
            self._post(lambda: self._model.select(change["new"]))


def row_label(row: ReviewSummary) -> str:
    """A row of the list: what it is, then where it stands."""
    mapped = f"[{row.key.map_index}]" if row.key.map_index >= 0 else ""
    words = _ROW_WORDS.get(row.status, row.status)
    if row.task_completed and row.status in (PENDING, CHANGES_REQUESTED):
        words = "✗ Abandoned"
    return (
        f"{words} · {row.key.dag_id} › {row.key.task_id}{mapped} · "
        f"{row.iteration} of {row.max_iterations} · {render.moment(row.updated_at)} · "
        f"{render.short_run(row.key.run_id)}"
    )
