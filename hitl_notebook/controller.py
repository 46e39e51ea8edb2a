"""Connects the model with the client: fetch, decide, keep up to date."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hitl_notebook.background import Background
from hitl_notebook.client import CachedPage, Client
from hitl_notebook.errors import HITLNotebookError
from hitl_notebook.model import Action, ReviewModel
from hitl_notebook.records import Review, ReviewKey

WAITING_INTERVAL = 1.0
"""Seconds between two looks while the next output is being made."""

LIST_LIMIT = 200


class Controller:
    """Fetches what the model shows and sends what the reviewer decides.

    Args:
        client: for HTTP.
        model: what is shown.
        background: where the work runs.
        interval: seconds between two refreshes by itself; 0 for none.
        refreshed: called after each time that the inbox was fetched, for what else is to be kept up to date.
    """

    def __init__(
        self,
        client: Client,
        model: ReviewModel,
        background: Background,
        interval: float,
        *,
        refreshed: Callable[[], object],
    ) -> None:
        self._client = client
        self._model = model
        self._background = background
        self._interval = interval
        self._refreshed = refreshed
        self._known: CachedPage | None = None
        self._known_filter: bool | None = None
        self._refreshing = False
        self._again = False
        self._fetching: ReviewKey | None = None
        model.observe(self._on_selected, "selected")
        model.observe(lambda _: self.refresh(), "show_ended")

    def start(self) -> None:
        """Fetch the inbox, and go on refreshing where there is an event loop."""
        self.refresh()
        if self._background.has_loop and self._interval > 0:
            self._background.start(self._keep_up(), forever=True)

    def refresh(self) -> None:
        """Fetch the inbox, and the open review if it has changed."""
        if self._refreshing:
            self._again = True
            return
        self._refreshing, self._again = True, False
        show_ended = self._model.show_ended
        known = self._known if self._known_filter == show_ended else None

        def fetch() -> CachedPage:
            return self._client.sessions_if_changed(known, include_ended=show_ended, limit=LIST_LIMIT)

        def done(cached: CachedPage) -> None:
            self._refreshing = False
            self._known, self._known_filter = cached, show_ended
            self._model.apply_inbox(cached.page)
            if self._model.needs_fetch():
                self.fetch_selected()
            self._refreshed()
            if self._again:
                self.refresh()

        def failed(error: HITLNotebookError) -> None:
            self._refreshing = False
            self._model.refresh_failed(error)
            if self._again:
                self.refresh()

        self._background.run(fetch, done, failed)

    def fetch_selected(self) -> None:
        """Fetch the open review."""
        key: ReviewKey | None = self._model.selected
        if key is None or key == self._fetching:
            return
        self._fetching = key

        def done(review: Review) -> None:
            if self._fetching == key:
                self._fetching = None
            self._model.apply_review(review)

        def failed(error: HITLNotebookError) -> None:
            if self._fetching == key:
                self._fetching = None
            if self._model.selected == key:  # else it is about a review that is no longer open
                self._model.refresh_failed(error)

        self._background.run(lambda: self._client.find(key), done, failed)

    def decide(self, action: Action) -> None:
        """Send a decision about the output that is shown."""
        review = self._model.begin(action)
        if review is None:
            return
        feedback = self._model.draft
        send: dict[Action, Callable[[], Review]] = {
            Action.APPROVE: lambda: self._client.approve(review),
            Action.REJECT: lambda: self._client.reject(review, feedback=feedback.strip()),
            Action.REQUEST_CHANGES: lambda: self._client.request_changes(review, feedback),
        }

        def done(after: Review) -> None:
            self._model.decided(action, after)
            self.refresh()

        self._background.run(send[action], done, self._model.decision_failed)

    def _on_selected(self, change: object) -> None:
        self.fetch_selected()

    async def _keep_up(self) -> None:
        while True:
            waiting = self._model.waits_for_output
            await asyncio.sleep(min(WAITING_INTERVAL, self._interval) if waiting else self._interval)
            self.refresh()
            if waiting:
                self.fetch_selected()
