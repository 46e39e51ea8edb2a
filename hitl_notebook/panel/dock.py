"""The panel in a tab of its own in JupyterLab, and word of new reviews there. Both are done by ipylab."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import ipywidgets as widgets

from hitl_notebook.panel.background import Background
from hitl_notebook.panel.inbox.model import InboxModel
from hitl_notebook.panel.review.model import ReviewModel
from hitl_notebook.panel.views import close_all
from hitl_notebook.records import ReviewKey, ReviewSummary
from hitl_rendering.review_words import task_name

AREAS = {"right": "split-right", "left": "split-left", "bottom": "split-bottom", "tab": "tab-after"}
"""Where a tab can be, and JupyterLab's name for it: beside or below the notebook, or among the other tabs."""

PATIENCE = 5.0
"""Seconds within which JupyterLab answers; other front ends never do."""

_LONGEST = 140
"""Characters of a notification; JupyterLab shows no more."""

_SHOWN = 8_000
"""Milliseconds for which a notification is shown; it stays in the notification centre."""

_NOTEBOOK = 7
"""Jupyter Notebook's first version that answers too; it has one tab, and would drop ours without a word."""

_PLACED = ("top", "left", "width", "height")
_KEEP = "as it is"
"""No value in CSS, so browsers ignore it. Without one, ipywidgets removes what JupyterLab has set for the tab."""


class Dock:
    """A tab that holds the panel, once JupyterLab has answered.

    Args:
        panel: what it holds.
        area: one of ``AREAS``.
        notify: whether JupyterLab tells of new reviews.
        background: waits for JupyterLab.
        opened: called when the tab is there.
        ended: called if there will be no tab, with the reason; and with none when the reader has closed it.

    Raises:
        ValueError: there is no such area.
        ImportError: ipylab is not installed.
    """

    def __init__(
        self,
        panel: widgets.Widget,
        area: str,
        notify: bool,
        background: Background,
        opened: Callable[[], object],
        ended: Callable[[str], object],
    ) -> None:
        if area not in AREAS:
            raise ValueError(f"A panel can be docked at {', '.join(AREAS)}, not at {area!r}.")
        try:
            import ipylab
        except ImportError as error:
            raise ImportError(
                "To dock the panel, ipylab must be installed, for the kernel and for JupyterLab: "
                'pip install "hitl-notebook[jupyterlab]". Then reload JupyterLab.'
            ) from error
        self._area, self._notify, self._post = AREAS[area], notify, background.post
        self._opened, self._ended = opened, ended
        self._inbox: InboxModel | None = None
        self._told: set[tuple[ReviewKey, int, str]] = set()
        self._is_open = self._closed = False
        self._app = ipylab.JupyterFrontEnd()
        self._tab = ipylab.Panel([panel], layout=widgets.Layout(**dict.fromkeys(_PLACED, _KEEP)))
        self._tab.add_class("hitl-tab")
        self._tab.title.caption = "Reviews of what Airflow tasks produced"
        self._update_title()
        self._app.observe(lambda _: self._post(self._open), "version")
        self._app.shell.observe(lambda _: self._post(self._look), "_widgets")
        self._background = background

    def follow(self, inbox: InboxModel, model: ReviewModel) -> None:
        """Show the number of waiting reviews of this list, and tell of those that arrive."""
        self._inbox, self._model = inbox, model
        inbox.observe(self._on_page, "page")
        self._update_title()

    def start(self) -> None:
        """Ask JupyterLab for the tab. It answers later; other front ends do not."""
        if self._background.has_loop:
            self._background.start(self._wait(), forever=True)
        else:
            self._give_up()

    def close(self) -> None:
        """Remove the tab, but not the panel in it."""
        if self._closed:
            return
        self._closed = True
        if self._inbox is not None:
            self._inbox.unobserve(self._on_page, "page")
        self._tab.children = ()
        app = self._app
        parts = (self._tab.title, self._tab, app.shell, app.commands, app.sessions, app.menu, app.toolbar, app)
        for part in parts:
            close_all(part)

    async def _wait(self) -> None:
        await asyncio.sleep(PATIENCE)
        if not self._is_open:
            self._give_up()

    def _give_up(self) -> None:
        self._end("The panel gets its own tab only in JupyterLab with ipylab installed. Here it stays in its cell.")

    def _open(self) -> None:
        if self._closed or self._is_open:
            return
        if int(str(self._app.version).partition(".")[0]) >= _NOTEBOOK:
            self._give_up()
            return
        self._is_open = True
        self._opened()
        self._app.shell.add(self._tab, "main", {"mode": self._area})

    def _look(self) -> None:
        """Notice that the reader has closed the tab. ipylab says it in no other way."""
        if self._is_open and not self._app.shell._widgets:
            self._end("")

    def _end(self, reason: str) -> None:
        if not self._closed:
            self.close()
            self._ended(reason)

    def _on_page(self, _: object) -> None:
        self._update_title()
        self._tell()

    def _update_title(self) -> None:
        waiting, more = self._inbox.waiting if self._inbox is not None else (0, False)
        self._tab.title.label = f"Reviews ({waiting:,}{'+' if more else ''})" if waiting else "Reviews"

    def _tell(self) -> None:
        """Tell of each output that has arrived since the list was first loaded, once, if this user may decide."""
        inbox = self._inbox
        if inbox is None or not (self._notify and self._is_open):
            return
        arrived = [row for row in inbox.page or () if row.key in inbox.new and self._waits_for_user(row)]
        untold = [row for row in arrived if _output(row) not in self._told]
        if not untold:
            return
        self._told.update(map(_output, untold))
        first, count = task_name(untold[0].key), len(untold)
        text = f"A review waits: {first}" if count == 1 else f"{count} reviews wait, the first is {first}"
        message = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
        notification = {"message": message, "type": "info", "options": {"autoClose": _SHOWN}}
        self._app.commands.execute("apputils:notify", notification)

    def _waits_for_user(self, row: ReviewSummary) -> bool:
        return row.is_pending and not row.leaves_out(self._model.user_id)


def _output(row: ReviewSummary) -> tuple[ReviewKey, int, str]:
    return row.key, row.iteration, row.output_sha256
