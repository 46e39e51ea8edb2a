"""Connects the section about webhooks with the client."""

from __future__ import annotations

from hitl_notebook.client import Client
from hitl_notebook.deliveries import Delivery, DeliveryPage
from hitl_notebook.errors import HITLNotebookError
from hitl_notebook.widgets.background import Background
from hitl_notebook.widgets.delivery_model import DeliveryModel, Fetch
from hitl_notebook.widgets.model import ReviewModel

LIMIT = 50
"""Events listed; a review has one or two a round."""


class DeliveryController:
    """Fetches the open review's webhook events while they are shown, and sends them again.

    Args:
        client: for HTTP.
        reviews: says which review is open.
        model: what the section shows.
        background: where the work runs.

    Attributes:
        client: may be replaced while everything goes on.
    """

    def __init__(self, client: Client, reviews: ReviewModel, model: DeliveryModel, background: Background) -> None:
        self.client = client
        self._model = model
        self._background = background
        self._fetching: Fetch | None = None
        reviews.observe(lambda change: model.select(change["new"]), "selected")
        model.observe(lambda _: self.refresh(), ["key", "shown"])

    def refresh(self) -> None:
        """Fetch the events, if the section is unfolded and they are not being fetched already."""
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
        """Send an event again to all its endpoints."""
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
