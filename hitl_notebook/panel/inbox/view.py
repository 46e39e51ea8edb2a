"""The list of reviews, with filters, sort order and pagination."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from hitl_notebook.panel.background import Background
from hitl_notebook.panel.bulk.model import BulkModel
from hitl_notebook.panel.elements import InboxList, Message, Open, Pick
from hitl_notebook.panel.inbox.model import PAGE_SIZE, InboxModel
from hitl_notebook.panel.inbox.rows import row_of, row_of_first
from hitl_notebook.panel.messages import id_of, key_of_id
from hitl_notebook.panel.review.model import ReviewModel
from hitl_notebook.panel.views import html_view
from hitl_notebook.records import CHANGES_REQUESTED, PENDING
from hitl_rendering import render
from hitl_rendering.plain_text import encodable
from hitl_rendering.review_words import NO_MATCH, ORDER_WORDS, SEARCH_HELP, STATUS_WORDS

MAX_SEARCH_LENGTH = 200
"""Characters; the server's limit."""

SEARCH_DELAY = 0.3
"""Debounce time of the search field, in seconds."""

_SHOWN: list[tuple[str, tuple[str | None, bool]]] = [
    ("Open reviews", (None, False)),
    *((words, (status, status not in (PENDING, CHANGES_REQUESTED))) for status, words in STATUS_WORDS.items()),
    ("All, including ended ones", (None, True)),
]
"""Labels, with their values of status and ``include_ended``."""

_ORDERS = [(words, order) for order, words in ORDER_WORDS.items()]


class InboxView:
    """The list; arrow keys move through it."""

    def __init__(
        self,
        inbox: InboxModel,
        model: ReviewModel,
        bulk: BulkModel,
        background: Background,
    ) -> None:
        self._inbox, self._model, self._bulk, self._background = inbox, model, bulk, background
        self._post = background.post
        self._updating = False
        self._typed = ""
        self.shown = widgets.Dropdown(description="Show", options=_SHOWN, value=_SHOWN[0][1])
        self.dag = widgets.Dropdown(description="DAG", options=[("All DAGs", "")], value="")
        self.search = widgets.Text(description="Search", placeholder="Search ids and prompts, or in:output")
        self.order = widgets.Dropdown(description="Order", options=_ORDERS, value=_ORDERS[0][1])
        self.search.tooltip = SEARCH_HELP
        self.search.add_class("hitl-search")
        toolbar = widgets.Box([self.shown, self.dag, self.order, self.search])
        toolbar.add_class("hitl-toolbar")
        self.list = InboxList()
        self.list.on_message(self._on_message, self._post)
        self.back = self._pager_button("‹", "Earlier page", -1)
        self.forth = self._pager_button("›", "Next page", +1)
        self._place = html_view()
        self._pager = widgets.HBox([self.back, self._place, self.forth])
        self._pager.add_class("hitl-pager")
        self._announcement = html_view("hitl-announcement")
        self.widget = widgets.VBox([toolbar, self.list, self._pager, self._announcement])
        self.widget.add_class("hitl-inbox")
        self._on(self.shown, lambda value: inbox.narrow(status=value[0], include_ended=value[1]))
        self._on(self.dag, lambda value: inbox.narrow(dag_id=value or None))
        self._on(self.order, lambda value: inbox.narrow(order_by=value))
        self._on(self.search, self._on_search)
        inbox.observe(lambda _: self.update(), ["page", "new", "offline"])
        inbox.observe(lambda _: self._update_announcement(), "announcement")
        model.observe(lambda _: self.update(), ["selected", "review", "user_id"])
        bulk.observe(lambda _: self._update_picks(), "picks")
        self.update()

    def update(self) -> None:
        """Show the page, and the open review even if it is not on the page."""
        inbox, selected = self._inbox, self._model.selected
        listed = list(inbox.page or ())
        user_id = self._model.user_id
        rows = [row_of(row, user_id=user_id, is_new=row.is_pending and row.key in inbox.new) for row in listed]
        review = self._model.review
        if review is not None and selected not in {row.key for row in listed}:
            rows.append(row_of(review, user_id=user_id, listed=False))
        rows += map(row_of_first, inbox.page.being_made if inbox.page is not None else ())
        with self.list.hold_sync():
            self.list.rows = rows
            self.list.selected = id_of(selected) if selected is not None else ""
            self.list.empty = self._nothing()
        self._update_picks()
        self._update_dags()
        total = inbox.page.total_entries if inbox.page is not None else 0
        offset = min(inbox.filters.offset, total)
        self._place.value = (
            f'<span class="hitl-meta">{offset + 1}–{offset + len(listed)} of {total:,}</span>' if listed else ""
        )
        self._pager.layout.display = None if total > PAGE_SIZE else "none"
        self.back.disabled = offset <= 0
        self.forth.disabled = offset + PAGE_SIZE >= total

    def _update_picks(self) -> None:
        listed = {row.key for row in self._inbox.page or ()}
        self.list.picked = [id_of(pick.key) for pick in self._bulk.picks if pick.key in listed]

    def _update_announcement(self) -> None:
        self._announcement.value = (
            f'<div role="status" aria-live="polite">{render.inline(self._inbox.announcement)}</div>'
        )

    def _update_dags(self) -> None:
        page = self._inbox.page
        if page is None:
            return
        chosen = self._inbox.filters.dag_id or ""
        before = [value for _, value in self.dag.options if value]
        now = {*page.dag_ids, *((chosen,) if chosen else ()), *self._dags_of_rows()}
        # Append new ones and remove none: the browser identifies an option by its index.
        names = [*before, *sorted(now - set(before))]
        self._updating = True
        try:
            if names != before:
                self.dag.options = [("All DAGs", ""), *((encodable(name), name) for name in names)]
            if self.dag.value != chosen:
                self.dag.value = chosen
        finally:
            self._updating = False

    def _dags_of_rows(self) -> set[str]:
        """Return the DAGs of the listed rows, for older servers that do not send ``dag_ids``."""
        page = self._inbox.page
        return {row.key.dag_id for row in page} if page is not None and not page.dag_ids else set()

    def _nothing(self) -> str:
        inbox = self._inbox
        if inbox.page is None:
            return "There is no list yet." if inbox.offline else "Looking for reviews…"
        if inbox.filters.narrow:
            more = f"{NO_MATCH} Choose “Open reviews” and “All DAGs”, or clear the search, to see more."
            return f"{more} {SEARCH_HELP}" if inbox.filters.text else more
        if inbox.filters.include_ended:
            return "There are no reviews yet. One appears here when a task waits for it."
        return "Nothing waits for a review. New ones appear here by themselves."

    def _on_message(self, message: Message) -> None:
        if isinstance(message, Open):
            key = key_of_id(message.id)
            if key is not None:
                self._model.select(key)
        elif isinstance(message, Pick):
            rows = [self._inbox.row(key_of_id(row_id)) for row_id in message.ids]
            seen = message.iterations if len(message.iterations) == len(rows) else [None] * len(rows)
            # Leave out rows whose output has changed since it was on the screen.
            as_seen = [
                row
                for row, number in zip(rows, seen, strict=True)
                if row and (number in (None, row.iteration) or not message.on)
            ]
            self._bulk.pick(as_seen, message.on)
            self._update_picks()  # even if nothing changed: the browser has already ticked the checkbox

    def _on_search(self, text: str) -> None:
        self._typed = text
        wanted = text.strip()[:MAX_SEARCH_LENGTH]

        def search() -> None:
            if self._typed == text and self._inbox.filters.text != wanted:  # otherwise the user has typed more
                self._inbox.narrow(text=wanted)

        self._background.later(SEARCH_DELAY, search)

    def _on(self, widget: Any, function: Callable[[Any], object]) -> None:
        def changed(change: dict[str, Any]) -> None:
            if not self._updating:
                self._post(lambda: function(change["new"]))

        widget.observe(changed, "value")

    def _pager_button(self, label: str, tooltip: str, by: int) -> widgets.Button:
        button = widgets.Button(description=label, tooltip=tooltip)
        button.on_click(lambda _: self._post(lambda: self._inbox.turn_page(by)))
        return button
