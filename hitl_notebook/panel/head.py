"""The panel's header and notices, made of standard ipywidgets."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as widgets

from hitl_notebook.panel.actions import Notice
from hitl_notebook.panel.elements import Post
from hitl_notebook.panel.inbox.model import InboxModel
from hitl_notebook.panel.review.model import ReviewModel
from hitl_notebook.panel.views import html_view, notices_html


class HeadView:
    """Title, number of pending reviews, and refresh button."""

    def __init__(self, inbox: InboxModel, post: Post, refresh: Callable[[], object]) -> None:
        self._inbox = inbox
        self._title = html_view()
        self.refresh = widgets.Button(description="Refresh", tooltip="Fetch the list now")
        self.refresh.on_click(lambda _: post(refresh))
        spacer = html_view("hitl-spacer")
        self.widget = widgets.HBox([self._title, spacer, self.refresh])
        self.widget.add_class("hitl-head")
        inbox.observe(lambda _: self.update(), "page")
        self.update()

    def update(self) -> None:
        """Show the count, once the list is loaded."""
        title = '<span class="hitl-title">Reviews</span>'
        if self._inbox.page is not None:
            waiting, more = self._inbox.waiting
            count = f"{waiting:,}{'+' if more else ''} waiting"
            title += f'<span class="hitl-count" title="waiting for a decision">{count}</span>'
        self._title.value = title


class NoticeView:
    """What does not work, and notes about the list; announced by screen readers."""

    def __init__(self, inbox: InboxModel, model: ReviewModel) -> None:
        self._inbox, self._model = inbox, model
        self.widget = html_view()
        model.observe(lambda _: self.update(), "problem")
        inbox.observe(lambda _: self.update(), ["offline", "told", "page"])
        self.update()

    def update(self) -> None:
        """Show fetch errors and notes about the list."""
        notices: list[Notice] = []
        if trouble := self._trouble():
            notices.append(Notice("error", trouble))
        if self._inbox.page is not None and self._inbox.page.notice:
            notices.append(Notice("info", self._inbox.page.notice))
        shown = notices_html(*notices)
        if shown != self.widget.value:  # otherwise a screen reader would announce it at each refresh
            self.widget.value = shown

    def _trouble(self) -> str:
        """Message why the display may be outdated or empty; empty if there is no problem."""
        inbox = self._inbox
        if inbox.page is None and inbox.offline:
            # The log-in form above already shows it.
            return f"The list could not be fetched. {inbox.offline}" if inbox.offline != inbox.told else ""
        problem = inbox.offline or self._model.problem
        return f"Refreshing does not work: what you see may be out of date. {problem}" if problem else ""
