"""The content of a connected panel: models, controllers and views."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import ipywidgets as widgets

from hitl_notebook.client.client import Client
from hitl_notebook.errors import HITLNotebookError
from hitl_notebook.panel.background import Background
from hitl_notebook.panel.bulk.controller import BulkController
from hitl_notebook.panel.bulk.model import BulkModel
from hitl_notebook.panel.bulk.view import BulkView
from hitl_notebook.panel.controller import Controller
from hitl_notebook.panel.deliveries.controller import DeliveryController
from hitl_notebook.panel.deliveries.model import DeliveryModel
from hitl_notebook.panel.deliveries.view import DeliveryView
from hitl_notebook.panel.head import HeadView, NoticeView
from hitl_notebook.panel.inbox.model import InboxModel
from hitl_notebook.panel.inbox.view import InboxView
from hitl_notebook.panel.review.edit_view import EditView
from hitl_notebook.panel.review.model import ReviewModel
from hitl_notebook.panel.review.view import SessionView
from hitl_notebook.records import ReviewKey, ReviewSummary, key_of


class Workspace:
    """The inbox and the open review, connected.

    Args:
        client: client of the REST API.
        background: runs the work.
        refresh_seconds: interval of automatic refreshes; 0 for none.
        refused: called with each fetch error.

    Attributes:
        inbox: model of the list.
        model: model of the open review.
        bulk: model of the picks.
        widget: the root widget.
    """

    def __init__(
        self,
        client: Client,
        background: Background,
        refresh_seconds: float,
        refused: Callable[[HITLNotebookError], object],
    ) -> None:
        post = background.post
        self.inbox, self.model, self.bulk = InboxModel(), ReviewModel(), BulkModel()
        deliveries = DeliveryModel()
        self._webhooks = DeliveryController(client, self.model, deliveries, background)
        self.controller = Controller(
            client,
            self.inbox,
            self.model,
            background,
            refresh_seconds,
            refreshed=self._refreshed,
            refused=refused,
        )
        self._many = BulkController(client, self.bulk, background, ended=self.controller.refresh)
        self.head = HeadView(self.inbox, post, self.controller.refresh)
        self.list = InboxView(self.inbox, self.model, self.bulk, background)
        self.several = BulkView(self.bulk, post, self._many.confirm)
        self.editor = EditView(self.model, background, f"hitl-edit:{client.url}")
        self.session = SessionView(
            self.model, self.bulk, post, self.editor.form, f"hitl-draft:{client.url}", client.url
        )
        self.model.edits.observe(lambda change: self.bulk.set_trait("edited", change["new"]), "unsent")
        self.deliveries = DeliveryView(deliveries, post, self._webhooks.resend)
        decide = widgets.VBox([self.several.widget, self.session.form])
        decide.add_class("hitl-decide")
        right = widgets.VBox([self.session.widget, decide, self.deliveries.widget])
        right.add_class("hitl-session")
        body = widgets.HBox([self.list.widget, right])
        body.add_class("hitl-body")
        notice = NoticeView(self.inbox, self.model)
        self.widget = widgets.VBox([self.head.widget, notice.widget, body])

    def start(self) -> None:
        """Fetch the inbox, and keep refreshing it."""
        self.controller.start()

    def close(self) -> None:
        """Send what is held back."""
        self.controller.close()

    def reconnect(self, client: Client) -> None:
        """Continue with another client; the open review and drafts are kept."""
        self.controller.client = self._many.client = self._webhooks.client = client
        self.model.problem = self.inbox.told = ""
        self.controller.refresh()

    def open(self, review: ReviewKey | ReviewSummary) -> None:
        """Open a review."""
        self.model.select(key_of(review))

    def pick(self, reviews: ReviewKey | ReviewSummary | Iterable[ReviewKey | ReviewSummary]) -> None:
        """Pick these reviews and no others; a key stands for its row of the list.

        Raises:
            ValueError: a key is not on the listed page, so it is unknown which output is meant.
        """
        if self.bulk.running:
            raise RuntimeError("Decisions are being sent. Wait until they are sent, then pick others.")
        if isinstance(reviews, (ReviewKey, ReviewSummary)):
            reviews = [reviews]
        rows = []
        for review in reviews:
            key_of(review)  # raises for any other type
            row = self.inbox.row(review) if isinstance(review, ReviewKey) else review
            if row is None:
                raise ValueError(f"{review} is not listed. Give a row of client.sessions() instead.")
            rows.append(row)
        self.bulk.clear()
        self.bulk.pick(rows)

    def _refreshed(self) -> None:
        if self.inbox.page is not None:
            self.bulk.look(self.inbox.page)
        self._webhooks.refresh()
