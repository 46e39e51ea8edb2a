"""The panel in a real JupyterLab or Notebook 7, in a browser."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from playwright.sync_api import Dialog, Locator, Page, expect

from demo.processes import PATIENCE
from demo.stack import ROOT, jupyter_env, jupyter_server
from tests.support import browser
from tests.support.browser import send_now

WAIT = 20_000.0 * PATIENCE
"""Milliseconds."""

_KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


class HasUrl(Protocol):
    """A server of reviews, with a user ``ada``."""

    @property
    def url(self) -> str:
        """Its address."""


class Lab:
    """A Jupyter server, and a browser page on it.

    Attributes:
        page: the browser page.
        file: the notebook that was opened last.
        dialogs: messages of all alert boxes and other dialogs that any page has opened.
        requests: addresses of all requests to other machines.
    """

    def __init__(self, folder: Path, page: Page, address: Callable[[str], str]) -> None:
        self._folder, self._address, self._count = folder, address, 0
        self.page = page
        self.file = folder
        page.set_default_timeout(WAIT)
        expect.set_options(timeout=WAIT)
        self.dialogs: list[str] = []
        self.requests: list[str] = []
        page.on("dialog", self._on_dialog)
        page.on("request", lambda request: self._on_request(request.url))

    def open(self, server: HasUrl, *more_cells: str, app: str = "lab/tree", opens_next: bool = False) -> Locator:
        """Run a new notebook with a panel on this server.

        Args:
            server: whose reviews are shown.
            more_cells: source of further cells, which are not run.
            app: ``lab/tree``, or ``notebooks`` for Notebook 7.
            opens_next: whether the next review opens after a decision.

        Returns:
            The panel.
        """
        self._count += 1
        self.file = self._folder / f"panel_{self._count}.ipynb"
        source = (
            "from hitl_notebook import ReviewPanel\n"
            f"panel = ReviewPanel({server.url!r}, username='ada', password='ada-password', refresh_seconds=1)\n"
            f"panel.workspace.model.opens_next = {opens_next}\n"
            "panel"
        )
        write_notebook(self.file, source, *more_cells)
        # In a separate workspace, or JupyterLab also reopens the previous notebooks.
        app = app.replace("lab/", f"lab/workspaces/w{self._count}/")
        self.page.goto(self._address(f"{app}/{self.file.name}"))
        return self.run_first_cell()

    def run_first_cell(self) -> Locator:
        """Run the cell with the panel, and wait for its list."""
        browser.wait_for_kernel(self.page)
        cell = self.page.locator(".jp-Notebook .jp-CodeCell").first
        cell.locator(".jp-InputArea-editor").click()
        self.page.keyboard.press("Control+Enter")
        panel = self.page.locator(".hitl-panel")
        panel.locator(".hitl-list").wait_for()
        return panel

    def run_cell(self, number: int) -> None:
        """Run a cell without waiting for its end."""
        cell = self.page.locator(".jp-Notebook .jp-CodeCell").nth(number)
        cell.locator(".jp-InputArea-editor").click()
        self.page.keyboard.press("Control+Enter")

    def save(self, text: str) -> str:
        """Save the notebook until its file has this text, and return the outputs of its first cell, as JSON."""
        self.page.locator(".jp-Notebook .jp-InputArea-prompt").first.click()
        end = time.monotonic() + WAIT / 1000
        while True:
            self.page.keyboard.press("Control+s")
            self.page.wait_for_timeout(500)
            outputs = json.dumps(json.loads(self.file.read_text())["cells"][0]["outputs"])
            if text in outputs:
                return outputs
            assert time.monotonic() < end, f"{text!r} is not in {outputs}"

    def reopen(self) -> None:
        """Open a copy of the saved notebook, which has a new kernel."""
        self.file = Path(shutil.copy(self.file, self.file.with_stem(f"copy_{self._count}")))
        self.page.goto(self._address(f"lab/workspaces/copy{self._count}/tree/{self.file.name}"))
        browser.wait_for_kernel(self.page)

    def _on_dialog(self, dialog: Dialog) -> None:
        if dialog.type == "beforeunload":  # JupyterLab's: the notebook has not been saved
            dialog.accept()
            return
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def _on_request(self, url: str) -> None:
        if not url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:", "about:")):
            self.requests.append(url)


@contextmanager
def running_lab(home: Path, chromium: str) -> Iterator[Lab]:
    """A Jupyter server and a browser."""
    root = home / "notebooks"
    root.mkdir(parents=True)
    env = {**jupyter_env(home), "PYTHONPATH": str(ROOT)}
    with jupyter_server(home, root, env) as address, browser.new_page(chromium) as page:
        yield Lab(root, page, address)


def rows(panel: Locator) -> Locator:
    """The rows of the list."""
    return panel.locator(".hitl-row")


def row(panel: Locator, dag_id: str) -> Locator:
    """The row of the review of this DAG."""
    return panel.locator(".hitl-row").filter(has=panel.page.get_by_text(dag_id, exact=True))


def session_form(panel: Locator) -> Locator:
    """The form below the open review."""
    return panel.locator(".hitl-session .hitl-form").last


def feedback(panel: Locator) -> Locator:
    """The feedback field of that form."""
    return session_form(panel).locator("textarea")


def press(panel: Locator, name: str) -> None:
    """Press a button of the form below the open review."""
    session_form(panel).get_by_role("button", name=name, exact=True).click()


def decide(panel: Locator, name: str) -> None:
    """Press a button of that form, and send the decision without waiting."""
    press(panel, name)
    send_now(session_form(panel))


def is_seen(element: Locator) -> bool:
    """Whether the beginning of an element is on the screen, and nothing covers it."""
    seen: bool = element.evaluate(
        """(element) => {
          const { left, top } = element.getBoundingClientRect();
          return element.contains(document.elementFromPoint(left + 4, top + 4));
        }"""
    )
    return seen


def tell(panel: Locator, text: str) -> None:
    """Wait until the panel shows this text."""
    expect(panel.locator(".hitl-notice").filter(has_text=text).first).to_be_visible()


def write_notebook(path: Path, *sources: str) -> None:
    """Write a notebook with these code cells."""
    cells = [_cell(number, text) for number, text in enumerate(sources)]
    book = {"cells": cells, "metadata": {"kernelspec": _KERNEL}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(book), encoding="utf-8")


def _cell(number: int, source: str) -> dict[str, object]:
    return {
        "cell_type": "code",
        "id": f"cell-{number}",
        "metadata": {},
        "execution_count": None,
        "outputs": [],
        "source": source,
    }
