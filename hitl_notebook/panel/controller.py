"""Connects the models with the client: fetches, decides, refreshes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hitl_notebook.client.client import Client
from hitl_notebook.client.review_page import CachedPage
from hitl_notebook.errors import HITLNotebookError
from hitl_notebook.panel.actions import Action
from hitl_notebook.panel.background import Background
from hitl_notebook.panel.inbox.model import InboxModel, PanelFilters
from hitl_notebook.panel.review import review_html
from hitl_notebook.panel.review.model import ReviewModel
from hitl_notebook.records import Review, ReviewKey
from hitl_notebook.traces import ReviewProgress

LONGEST_AGE = 5.0
"""Maximum age of the list in automatic refreshes, in seconds."""

WAITING_INTERVAL = 1.0
"""Polling interval in seconds while the next output is being made."""


class Controller:
    """Fetches what the models show and sends what the reviewer decides.

    Args:
        client: client of the REST API.
        inbox: model of the list.
        model: model of the open review.
        background: runs the work.
        interval: seconds between automatic refreshes; 0 for none.
        refreshed: called after each fetch of the inbox, to refresh other parts.
        refused: called with each fetch error, to handle it.

    Attributes:
        client: may be replaced at any time.
    """

    def __init__(
        self,
        client: Client,
        inbox: InboxModel,
        model: ReviewModel,
        background: Background,
        interval: float,
        *,
        refreshed: Callable[[], object],
        refused: Callable[[HITLNotebookError], object],
    ) -> None:
        self.client = client
        self._inbox = inbox
        self._model = model
        self._background = background
        self._interval = interval
        self._refreshed = refreshed
        self._refused = refused
        self._known: CachedPage | None = None
        self._known_filters: PanelFilters | None = None
        self._refreshing = False
        self._again = False
        self._fetching: ReviewKey | None = None
        self._told: tuple[ReviewKey, str] | None = None
        self._asking = False
        self._closing = False
        self._stop_waiting: Callable[[], object] = lambda: None
        model.observe(self._on_selected, "selected")
        model.observe(self._on_confirming, "confirming")
        model.observe(self._on_sending, "sending")
        inbox.observe(lambda _: self.refresh(), "filters")

    def start(self) -> None:
        """Fetch the inbox, and keep refreshing it if there is an event loop."""
        self.refresh()
        if self._background.has_loop and self._interval > 0:
            self._background.start(self._keep_up(), forever=True)

    def refresh(self, *, max_age: float = 0.0) -> None:
        """Fetch the inbox, and the open review if it has changed.

        Args:
            max_age: maximum age of a "not modified" in seconds; 0 after an action of the reviewer.
        """
        if self._refreshing:
            self._again = True
            return
        self._refreshing, self._again = True, False
        client, filters = self.client, self._inbox.filters
        known = self._known if self._known_filters == filters else None

        def fetch() -> CachedPage:
            return client.sessions_if_changed(known, max_age=int(max_age), **filters.parameters())

        def done(cached: CachedPage) -> None:
            self._refreshing = False
            self._known, self._known_filters = cached, filters
            self._model.user_id = client.user_id  # known now, as a token was needed
            self._inbox.apply(filters, cached.page)
            self._inbox.opened(self._model.selected)
            if self._model.needs_fetch(self._inbox.page):
                self.fetch_selected()
            self._refreshed()
            if self._again:
                self.refresh()

        def failed(error: HITLNotebookError) -> None:
            self._refreshing = False
            self._tell(client, error)  # first: if the log-in form shows the reason, the notice does not
            self._inbox.refresh_failed(error)
            if self._again:
                self.refresh()

        self._background.run(fetch, done, failed)

    def fetch_selected(self) -> None:
        """Fetch the open review."""
        key: ReviewKey | None = self._model.selected
        if key is None or key == self._fetching:
            return
        self._fetching = key
        client = self.client

        def fetch() -> Review:
            review = client.find(key)
            review_html.prepare(review)  # in this thread, not the kernel's: a long review is slow to render
            return review

        def done(review: Review) -> None:
            if self._fetching == key:
                self._fetching = None
            self._model.apply_review(review)

        def failed(error: HITLNotebookError) -> None:
            if self._fetching == key:
                self._fetching = None
            self._model.fetch_failed(key, error)
            self._tell(client, error)

        self._background.run(fetch, done, failed)

    def _fetch_progress(self) -> None:
        """Fetch what the task does for the next output; the review itself only once it has changed."""
        key: ReviewKey | None = self._model.selected
        if key is None or self._asking:
            return
        self._asking = True
        client = self.client

        def done(told: ReviewProgress | None) -> None:
            self._asking = False
            if told is None or (key, told.version) != self._told:
                self._told = (key, told.version) if told is not None else None
                self.fetch_selected()
            self._model.apply_progress(key, told)

        def failed(error: HITLNotebookError) -> None:
            self._asking, self._told = False, None
            self.fetch_selected()  # which says what is wrong

        self._background.run(lambda: client.progress(key), done, failed)

    def close(self) -> None:
        """Send the decision that is held back, if there is one; nobody is told what came of it."""
        self._closing = True
        self._model.send_now()

    def _on_confirming(self, _: object) -> None:
        self._stop_waiting()
        asked = self._model.confirming
        if asked is not None and asked.seconds:
            self._stop_waiting = self._background.later(asked.seconds, self._model.confirm)

    def _on_sending(self, _: object) -> None:
        if (decision := self._model.sending) is None:
            return
        client = self.client

        def send() -> Review:
            if decision.action is Action.APPROVE:
                return client.approve(decision.review, decision.text.strip(), output=decision.edited)
            if decision.action is Action.REJECT:
                return client.reject(decision.review, decision.text.strip())
            return client.request_changes(decision.review, decision.text, output=decision.edited)

        def done(after: Review) -> None:
            following = self._inbox.following(after.key, self._model.user_id)
            if self._model.opens_next and self._model.selected == after.key and following is not None:
                self._model.select(following)
            self._model.decided(after)
            self.refresh()

        def failed(error: HITLNotebookError) -> None:
            self._model.decision_failed(error)
            self._tell(client, error)
            self.refresh()

        if self._closing:
            self._background.send_last(send)
        else:
            self._background.run(send, done, failed)

    def _tell(self, client: Client, error: HITLNotebookError) -> None:
        if client is self.client:  # otherwise the user has logged in again since
            self._refused(error)

    def _on_selected(self, _: object) -> None:
        self._inbox.opened(self._model.selected)
        self.fetch_selected()

    async def _keep_up(self) -> None:
        while True:
            waiting = self._model.waits_for_output
            await asyncio.sleep(min(WAITING_INTERVAL, self._interval) if waiting else self._interval)
            if not self._refreshing:  # otherwise a slow server would get requests without a pause
                self.refresh(max_age=1 if waiting else min(LONGEST_AGE, self._interval))
            if waiting:
                self._fetch_progress()
