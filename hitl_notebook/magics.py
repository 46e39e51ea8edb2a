"""``%hitl_review`` and ``%hitl_inbox``, for IPython; ``%load_ext hitl_notebook`` adds them.

Neither takes a password or a token: what is typed into a cell is saved with the notebook and in the history.
"""

# IPython's decorators have no type hints.
# mypy: disable-error-code="no-untyped-call, untyped-decorator"

from __future__ import annotations

import functools
import getpass
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from IPython.core.error import StdinNotImplementedError, UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from hitl_notebook.client.client import Client
from hitl_notebook.client.connection import PASSWORD, TOKEN, URL, USERNAME, Connection
from hitl_notebook.client.review_page import ReviewPage
from hitl_notebook.client.transport import check_url
from hitl_notebook.errors import AuthenticationError, HITLNotebookError
from hitl_notebook.records import CHANGES_REQUESTED, PENDING

if TYPE_CHECKING:
    import pandas as pd

    from hitl_notebook.panel.panel import ReviewPanel

_NAMES = ("hitl_review", "hitl_inbox")

F = TypeVar("F", bound=Callable[..., Any])


def _in_words(magic: F) -> F:
    """What goes wrong is said without a traceback."""

    @functools.wraps(magic)
    def wrapped(*args: Any) -> Any:
        try:
            return magic(*args)
        except (HITLNotebookError, ValueError, ImportError) as error:
            raise UsageError(str(error)) from None

    return wrapped  # type: ignore[return-value]


def _unquoted(text: str) -> str:
    """IPython splits a line between quotes, and leaves them there."""
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'" else text


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError
    return value


_seconds.__name__ = "number of seconds"  # argparse shows this name if the value is invalid


@magics_class
class ReviewMagics(Magics):
    """The magics, and the connection that they share."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._client: Client | None = None
        self._panel: ReviewPanel | None = None
        self._clients_of_panel: Client | None = None

    @line_magic
    @magic_arguments()
    @argument("url", nargs="?", type=_unquoted, help=f"address of Airflow's API server; default: {URL}")
    @argument("--user", type=_unquoted, metavar="NAME", help=f"user name; default: {USERNAME}")
    @argument("--refresh", type=_seconds, metavar="SECONDS", help="time between two refreshes; 0: no refresh")
    @argument("--dock", metavar="AREA", help="a tab of its own in JupyterLab: right, left, bottom or tab")
    @_in_words
    def hitl_review(self, line: str) -> ReviewPanel:
        """Show the reviews that wait, and decide about them.

        Without arguments, the connection is that of %hitl_inbox or of %hitl_review before, or comes from the
        environment. What is missing is asked for with a form. The panel is also the result: panel = %hitl_review
        """
        from hitl_notebook import ReviewPanel

        args = parse_argstring(self.hitl_review, line)
        more = {} if args.refresh is None else {"refresh_seconds": args.refresh}
        known = self._known(args.url, args.user)
        if known is not None:
            self._panel = ReviewPanel(client=known, **more)
        else:
            self._panel = ReviewPanel(self._address(args.url), username=args.user, **more)
        if args.dock is not None:
            try:
                self._panel.dock(args.dock)
            except (ValueError, ImportError):
                self._panel.close()
                raise
        return self._panel

    @line_magic
    @magic_arguments()
    @argument("url", nargs="?", type=_unquoted, help=f"address of Airflow's API server; default: {URL}")
    @argument("--user", type=_unquoted, metavar="NAME", help=f"user name; default: {USERNAME}")
    @argument(
        "--status",
        action="append",
        type=_unquoted,
        metavar="S",
        help="only reviews in this status, such as pending_review; repeat it to allow several",
    )
    @argument("--dag", type=_unquoted, metavar="ID", help="only reviews of this DAG")
    @argument("--search", type=_unquoted, metavar="TEXT", help="only reviews with this text in an id or the prompt")
    @argument("--ended", action="store_true", help="also reviews whose task has ended")
    @_in_words
    def hitl_inbox(self, line: str) -> pd.DataFrame | ReviewPage:
        """All reviews that you may read, as a pandas DataFrame; without pandas, as a plain table.

        Without an address, the connection is that of %hitl_review or of %hitl_inbox before, or comes from the
        environment. A password that is missing is asked for. To ask for a status in which a review is decided
        includes those whose task has ended.
        """
        args = parse_argstring(self.hitl_inbox, line)
        decided = any(status not in (PENDING, CHANGES_REQUESTED) for status in args.status or ())
        filters = {
            "status": args.status,
            "dag_id": args.dag,
            "q": args.search,
            "include_ended": args.ended or decided,
        }
        client = self._known(args.url, args.user) or self._connect(args.url, args.user)
        try:
            try:
                found: pd.DataFrame | ReviewPage = client.to_frame(**filters)
            except ImportError:
                rows = tuple(client.iter_sessions(**filters))
                found = ReviewPage(rows, len(rows))
        except AuthenticationError:
            if self._client is client:
                self._client = None  # so that the user can retype the password
            raise
        self._client = client
        return found

    def _known(self, url: str | None, user: str | None) -> Client | None:
        """What is connected already, if it is what is asked for."""
        client = self._latest()
        if client is None or (url and check_url(url) != client.url) or (user and user != client.username):
            return None
        return client

    def _latest(self) -> Client | None:
        """The last connection that was made, in a panel's form too."""
        of_panel = self._panel.client if self._panel is not None and self._panel.connected else None
        if of_panel is not None and of_panel is not self._clients_of_panel:
            self._client = self._clients_of_panel = of_panel
        return self._client

    def _address(self, url: str | None) -> str | None:
        """What is given, or where we are connected."""
        client = self._latest()
        return url or (client.url if client is not None else None)

    def _connect(self, url: str | None, user: str | None) -> Client:
        given = Connection.from_environment(self._address(url), username=user)
        if not given.url:
            raise UsageError(
                f"Say where Airflow's API server is: %hitl_inbox http://localhost:8080. Or set {URL}, "
                "or connect with %hitl_review."
            )
        if not given.complete:
            given = _ask(given)
        return Client.connect(given, channel="notebook")


def _ask(given: Connection) -> Connection:
    """Ask for the user and the password. Neither is kept in the history."""
    try:
        username = given.username or input(f"User name at {given.url}: ").strip()
        password = getpass.getpass(f"Password of {username} at {given.url}: ") if username else ""
    except (StdinNotImplementedError, EOFError):
        raise UsageError(
            f"This kernel cannot ask for a password. Set {TOKEN}, or {USERNAME} and {PASSWORD}, or connect "
            "with %hitl_review."
        ) from None
    if not password:
        raise UsageError("Give a user name and a password to connect.")
    return Connection(given.url, username=username, password=password, url_prefix=given.url_prefix)


def load(shell: InteractiveShell) -> None:
    """Add the magics."""
    shell.register_magics(ReviewMagics(shell))


def unload(shell: InteractiveShell) -> None:
    """Remove them, and what they know."""
    manager = shell.magics_manager
    manager.registry.pop(ReviewMagics.__name__, None)
    for name in _NAMES:
        manager.magics["line"].pop(name, None)
