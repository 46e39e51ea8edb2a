"""``ReviewPanel``: the inbox and one review, as a widget."""

from __future__ import annotations

from importlib import resources
from typing import Any

import ipywidgets as widgets

from hitl_notebook.background import Background
from hitl_notebook.client import Client
from hitl_notebook.controller import Controller
from hitl_notebook.delivery_controller import DeliveryController
from hitl_notebook.delivery_model import DeliveryModel
from hitl_notebook.delivery_view import DeliveryView
from hitl_notebook.model import ReviewModel
from hitl_notebook.records import Review
from hitl_notebook.session_view import SessionView
from hitl_notebook.views import HeadView, InboxView, NoticeView, close_all

_in_cell: dict[str, tuple[str, ReviewPanel]] = {}
"""Cell id -> id of the run that made a panel there, and the panel."""


class ReviewPanel:
    """Lists the reviews that wait, shows one, and sends what you decide.

    Put it last in a cell, or ``display`` it. It keeps nothing in the kernel that matters: running the cell
    again shows everything again.

    Args:
        url: address of Airflow's API server, such as ``http://localhost:8080``.
        token: a token of Airflow's API; or
        username: with ``password``; the token is then fetched, and renewed in time.
        password: of that user. Neither it nor a token is ever put into a widget or saved in a notebook.
        refresh_seconds: time between two refreshes by itself; 0 for none.
        client: a ``Client`` to use instead of all of these.

    Raises:
        ValueError: the URL or the credentials cannot be used.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        username: str | None = None,
        password: str | None = None,
        refresh_seconds: float = 5.0,
        client: Client | None = None,
    ) -> None:
        if client is None:
            if url is None:
                raise ValueError("Give the url of Airflow's API server, or a client.")
            client = Client(url, token=token, username=username, password=password, channel="notebook")
        self._closed = False
        self.client = client
        self.model = ReviewModel()
        self._background = Background()
        deliveries = DeliveryModel()
        webhooks = DeliveryController(client, self.model, deliveries, self._background)
        controller = Controller(client, self.model, self._background, refresh_seconds, refreshed=webhooks.refresh)
        post = self._background.post
        self._head = HeadView(self.model, post, controller.refresh)
        self._inbox = InboxView(self.model, post)
        self._session = SessionView(self.model, post, controller.decide)
        self._webhooks = DeliveryView(deliveries, post, webhooks.resend)
        session = widgets.VBox([self._session.widget, self._webhooks.widget])
        session.add_class("hitl-session")
        body = widgets.HBox([self._inbox.widget, session])
        body.add_class("hitl-body")
        style = widgets.HTML(f"<style>{_css()}</style>")
        style.add_class("hitl-style")
        notice = NoticeView(self.model)
        self.widget = widgets.VBox([style, self._head.widget, notice.widget, body])
        self.widget.add_class("hitl-panel")
        self._replace_earlier()
        controller.start()

    @property
    def session(self) -> Review | None:
        """The open review, as last fetched."""
        return self.model.review

    @property
    def output(self) -> Any:
        """The open review's output; parsed if it is JSON, None if no review is open."""
        return self.model.review.output if self.model.review is not None else None

    async def settled(self) -> None:
        """Wait until all that was clicked has been sent and its answer is shown."""
        await self._background.settled()

    def close(self) -> None:
        """Stop refreshing and remove the widgets."""
        self._closed = True
        self._background.close()
        for cell_id, (_, panel) in list(_in_cell.items()):
            if panel is self:
                del _in_cell[cell_id]
        close_all(self.widget)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        if self._closed:
            return {"text/plain": "This review panel is closed. Run its cell again."}
        return self.widget._repr_mimebundle_(**kwargs)

    def _replace_earlier(self) -> None:
        """Running a cell again makes a new panel there: the one before must not go on refreshing unseen."""
        cell = _current_cell()
        if cell is None:
            return
        cell_id, run = cell
        earlier_run, earlier = _in_cell.get(cell_id, (run, None))
        if earlier is not None and earlier_run != run:
            earlier.close()
        _in_cell[cell_id] = (run, self)


def _current_cell() -> tuple[str, str] | None:
    """The cell that is being run and the id of that run, where the front end tells."""
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


def _css() -> str:
    return resources.files("hitl_notebook").joinpath("panel.css").read_text(encoding="utf-8")
