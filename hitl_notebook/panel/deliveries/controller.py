"""Connects the webhook section with the client."""

from __future__ import annotations

from hitl_notebook.client.client import Client
from hitl_notebook.client.deliveries import Delivery, DeliveryPage
from hitl_notebook.errors import HITLNotebookError
from hitl_notebook.panel.background import Background
from hitl_notebook.panel.deliveries.model import DeliveryModel, Fetch
from hitl_notebook.panel.review.model import ReviewModel

LIMIT = 50
"""Maximum events listed; a review has one or two per iteration."""


class DeliveryController:
    """Fetches the open review's webhook events while they are shown, and resends them.

    Args:
        client: client of the REST API.
        reviews: model of the open review.
        model: model of the section.
        background: runs the work.

    Attributes:
        client: may be replaced at any time.
    """

    def __init__(self, client: Client, reviews: ReviewModel, model: DeliveryModel, background: Background) -> None:
        self.client = client
        self._model = model
        self._background = background
        self._fetching: Fetch | None = None
        reviews.observe(lambda change: model.select(change["new"]), "selected")
        model.observe(lambda _: self.refresh(), ["key", "shown"])

    def refresh(self) -> None:
        """Fetch the events if the section is expanded and no fetch is in progress."""
        fetch = self._model.begin_fetch()
        if fetch is None or fetch == self._fetching:
            return
        self._fetching = fetch

        def done(page: DeliveryPage) -> None:
            self._ended(fetch)
            self._model.apply(fetch, page)

        def failed(error: HITLNotebookError) -> None:
            self._ended(fetch)
            self._model.fetch_failed(fetch, error)

        self._background.run(lambda: self.client.deliveries(fetch.key, limit=LIMIT), done, failed)

    def resend(self, event_id: str) -> None:
        """Resend an event to all its endpoints."""
        delivery = self._model.begin_resend(event_id)
        if delivery is None:
            return

        def done(after: Delivery) -> None:
            self._model.resent(delivery, after)
            self.refresh()

        def failed(error: HITLNotebookError) -> None:
            self._model.resend_failed(delivery, error)
            self.refresh()

        self._background.run(lambda: self.client.resend(delivery), done, failed)

    def _ended(self, fetch: Fetch) -> None:
        if self._fetching == fetch:
            self._fetching = None
