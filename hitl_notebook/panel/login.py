"""Log-in form for missing connection settings. No secret enters a widget's state."""

from __future__ import annotations

from collections.abc import Callable

from hitl_notebook.client.client import Client
from hitl_notebook.client.connection import Connection
from hitl_notebook.client.transport import check_url
from hitl_notebook.errors import HITLNotebookError
from hitl_notebook.panel.background import Background
from hitl_notebook.panel.elements import Login, LoginForm, Message


class LoginView:
    """A form for the URL and the credentials.

    Args:
        background: runs the work.
        connected: called with a client after a successful log-in.
    """

    def __init__(self, background: Background, connected: Callable[[Client], object]) -> None:
        self._background = background
        self._connected = connected
        self._url = self._username = ""
        self._url_prefix: str | None = None
        self._bound = False
        self.widget = LoginForm(state=self._state(shown=False))
        self.widget.on_message(self._on_message, background.post)

    @property
    def shown(self) -> bool:
        """Whether the form is shown."""
        return bool(self.widget.state["shown"])

    def show(
        self,
        url: str,
        username: str,
        problem: str = "",
        *,
        bound: bool = False,
        url_prefix: str | None = None,
    ) -> None:
        """Show the form.

        Args:
            url: initial URL.
            username: initial user name.
            problem: the reason to show.
            bound: whether the URL is fixed, because the open review and drafts belong to it.
            url_prefix: path of the plugin below that URL; None for the default.
        """
        self._url, self._username, self._bound, self._url_prefix = url, username, bound, url_prefix
        self.widget.state = self._state(problem=problem)

    def _on_message(self, message: Message) -> None:
        if not isinstance(message, Login) or not self.shown or self.widget.state["busy"]:
            return
        if self._bound and _complete(message.url) != self._url:
            problem = f"This panel shows reviews of {self._url}. Make another panel for another address."
            self.widget.state = self._state(problem=problem)
            return
        url, self._username = message.url.strip(), message.username.strip()
        if self._url and _complete(url) != _complete(self._url):
            self._url_prefix = None  # it belonged to the other URL
        self._url = url
        given = Connection(
            url=self._url or None,
            token=message.token.strip() or None,
            username=self._username or None,
            password=message.password or None,
            url_prefix=self._url_prefix,
        )
        try:
            client = Client.connect(given, channel="notebook")
        except ValueError as error:
            self.widget.state = self._state(problem=str(error))
            return
        self.widget.state = self._state(busy="Connecting…")

        def done(_: object) -> None:
            self.widget.state = self._state(shown=False)
            self._connected(client)

        def failed(error: HITLNotebookError) -> None:
            self.widget.state = self._state(problem=str(error))

        self._background.run(lambda: client.sessions(limit=1), done, failed)

    def _state(self, *, shown: bool = True, busy: str = "", problem: str = "") -> dict[str, object]:
        return {"shown": shown, "url": self._url, "username": self._username, "busy": busy, "problem": problem}


def _complete(url: str) -> str:
    """Return the normalized URL; an invalid one unchanged."""
    try:
        return check_url(url.strip())
    except ValueError:
        return url.strip().rstrip("/")
