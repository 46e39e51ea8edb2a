"""``ReviewPanel``: the inbox and one review, as a widget."""

# IPython's functions have no type hints.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import ipywidgets as widgets
from IPython.display import display

from hitl_notebook.client.client import Client
from hitl_notebook.client.connection import Connection
from hitl_notebook.errors import AuthenticationError, HITLNotebookError, NotConnectedError
from hitl_notebook.panel import cells
from hitl_notebook.panel.background import Background
from hitl_notebook.panel.dock import Dock
from hitl_notebook.panel.elements import Help, Keyboard, Message
from hitl_notebook.panel.login import LoginView
from hitl_notebook.panel.record import Record
from hitl_notebook.panel.views import close_all, style_view
from hitl_notebook.panel.workspace import Workspace
from hitl_notebook.records import Review, ReviewKey, ReviewSummary

_NOT_CONNECTED = "The panel is not connected yet. Fill in its form, or give it a url and a user."


class ReviewPanel:
    """Widget that lists pending reviews, shows one, and sends your decision.

    Put it last in a cell, or ``display`` it. It keeps no important state in the kernel: running the cell
    again restores everything.

    Missing arguments are read from the environment: ``HITL_REVIEW_URL``, and ``HITL_REVIEW_TOKEN`` or
    ``HITL_REVIEW_USERNAME`` with ``HITL_REVIEW_PASSWORD``. If that is not enough, the panel shows a form.

    Args:
        url: base URL of Airflow's API server, such as ``http://localhost:8080``.
        token: an Airflow API token; or
        username: with ``password``; a token is then fetched, and renewed before it expires.
        password: password of that user. Neither it nor a token is ever put into a widget or saved in a notebook.
        url_prefix: path of the plugin on that server, if Airflow's setting ``[hitl_review] url_prefix`` is not the
            default.
        refresh_seconds: interval of automatic refreshes; 0 for none.
        client: a ``Client`` to use instead of the other arguments.

    Raises:
        ValueError: the URL or the credentials are invalid.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        username: str | None = None,
        password: str | None = None,
        url_prefix: str | None = None,
        refresh_seconds: float = 5.0,
        client: Client | None = None,
    ) -> None:
        connection = None
        if client is None:
            connection = Connection.from_environment(
                url, token=token, username=username, password=password, url_prefix=url_prefix
            )
            if connection.complete:
                client = Client.connect(connection, channel="notebook")
        self._closed = False
        self._background = Background()
        self._refresh_seconds = refresh_seconds
        self._client: Client | None = None
        self._workspace: Workspace | None = None
        self._dock: Dock | None = None
        self._login = LoginView(self._background, self._connect)
        self._keyboard = Keyboard()
        self._keyboard.on_message(self._on_key, self._background.post)
        self.widget = widgets.VBox([style_view(), self._keyboard, self._login.widget])
        self.widget.add_class("hitl-panel")
        self._record = Record(self._background)
        self._cell = cells.CellOutput(self.widget, self._record.live)
        cells.replace_earlier(self)
        if client is not None:
            self._connect(client)
        else:
            assert connection is not None
            self._login.show(connection.url or "", connection.username or "", url_prefix=connection.url_prefix)

    @property
    def connected(self) -> bool:
        """Whether the panel has a URL and credentials; not whether the server responds."""
        return self._client is not None

    @property
    def client(self) -> Client:
        """The panel's client, which does from code everything that the panel does.

        Raises:
            NotConnectedError: the panel has no client yet.
        """
        if self._client is None:
            raise NotConnectedError(_NOT_CONNECTED)
        return self._client

    @property
    def session(self) -> Review | None:
        """The open review, as last fetched."""
        return self._workspace.model.review if self._workspace is not None else None

    @property
    def output(self) -> Any:
        """The open review's output; parsed if it is JSON, None if no review is open."""
        return self.session.output if self.session is not None else None

    @property
    def workspace(self) -> Workspace:
        """The content of the connected panel.

        Raises:
            NotConnectedError: it is not connected yet.
        """
        if self._workspace is None:
            raise NotConnectedError(_NOT_CONNECTED)
        return self._workspace

    def open(self, review: ReviewKey | ReviewSummary | None = None) -> None:
        """Open a review. It is loaded after ``await panel.settled()``.

        Args:
            review: the review to open; by default, the first pending one in the list.

        Raises:
            NotConnectedError: the panel is not connected yet.
            RuntimeError: there is no pending review.
        """
        if review is None:
            review = next((row for row in self.workspace.inbox.page or () if row.is_pending), None)
            if review is None:
                raise RuntimeError("No listed review waits for a decision. (await panel.settled() first?)")
        self.workspace.open(review)

    def pick(self, reviews: ReviewKey | ReviewSummary | Iterable[ReviewKey | ReviewSummary]) -> None:
        """Select reviews for a bulk decision; replaces the previous selection.

        Args:
            reviews: items of ``client.sessions()``, or keys of listed reviews. Decided ones are left out.

        Raises:
            NotConnectedError: the panel is not connected yet.
            RuntimeError: decisions are being sent.
            ValueError: a key is not listed.
        """
        self.workspace.pick(reviews)

    def dock(self, area: str = "right", *, notify: bool = True) -> None:
        """Move the panel from its cell into a tab of its own in JupyterLab, whose title says how many reviews wait.

        When the tab is closed, the panel is in its cell again; there it also stays in other front ends than
        JupyterLab 4 with ipylab, and says so. Docked again, it moves.

        Args:
            area: ``"right"``, ``"left"`` or ``"bottom"`` of the notebook, or ``"tab"``, among the other tabs.
            notify: whether JupyterLab tells of reviews that arrive meanwhile and that you may decide.

        Raises:
            ValueError: there is no such area.
            ImportError: ipylab is not installed.
            RuntimeError: the panel is closed.
        """
        if self._closed:
            raise RuntimeError(repr(self))
        dock = Dock(self.widget, area, notify, self._background, self._cell.show_place, self._undocked)
        if self._dock is not None:
            self._dock.close()
            self._undocked("")
        self._dock = dock
        if self._workspace is not None:
            dock.follow(self._workspace.inbox, self._workspace.model)
        dock.start()

    async def settled(self) -> None:
        """Wait until all clicks have been sent, also those that are held back, and the responses are shown."""
        await self._background.settled()
        self._record.write()

    def close(self) -> None:
        """Send what is held back, stop refreshing and remove the widgets, and the tab."""
        if not self._closed:
            self._record.write()
        self._closed = True
        if self._workspace is not None:
            self._workspace.close()
        self._background.close()
        cells.forget(self)
        if self._dock is not None:
            self._dock.close()
        close_all(self._cell.widget)
        close_all(self.widget)

    def _connect(self, client: Client) -> None:
        self._client = client
        if self._workspace is not None:
            self._workspace.reconnect(client)
            return
        self._workspace = Workspace(client, self._background, self._refresh_seconds, self._refused)
        self._record.follow(self._workspace)
        if self._dock is not None:
            self._dock.follow(self._workspace.inbox, self._workspace.model)
        self.widget.children = (*self.widget.children, self._workspace.widget)
        self._workspace.start()

    def _on_key(self, message: Message) -> None:
        if isinstance(message, Help):
            self._keyboard.shown = message.shown

    def _refused(self, error: HITLNotebookError) -> None:
        """Handle a fetch error: show the log-in form if needed; typed text is kept."""
        if isinstance(error, AuthenticationError) and not self._login.shown and self._client is not None:
            known = self._client
            self._login.show(known.url, known.username or "", str(error), bound=True, url_prefix=known.url_prefix)
            self.workspace.inbox.told = str(error)

    def __repr__(self) -> str:
        if self._closed:
            return "This review panel is closed. Run its cell again."
        if self._workspace is None or self._client is None:
            return "A review panel that is not connected yet."
        return (
            f"A review panel at {self._client.url}: {self._workspace.inbox.in_words}. It is seen in Jupyter; its "
            "client does the same without: panel.client.sessions()"
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        if self._closed:
            return {"text/plain": repr(self)}
        return {**self._cell.bundle(**kwargs), **self._record.bundle(), "text/plain": repr(self)}

    def _ipython_display_(self) -> None:
        if self._closed or not self._background.has_loop:
            display(self._repr_mimebundle_(), raw=True)
            return
        display(self._cell.bundle(), raw=True)
        self._record.show()

    def _undocked(self, reason: str) -> None:
        self._dock = None
        self._cell.show_panel(reason)
