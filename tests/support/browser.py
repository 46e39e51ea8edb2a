"""Headless Chromium, and JupyterLab in it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from playwright.sync_api import FrameLocator, Locator, Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from demo.processes import PATIENCE

# The last five keep it from calling home.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
ARGUMENTS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]

WAIT = 60_000.0 * PATIENCE
"""Milliseconds; a kernel starts slowly on a small machine."""


def find_chromium() -> str | None:
    """Path of a Chromium on this machine, or None."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


@contextmanager
def new_page(chromium: str, *, width: int = 1360, height: int = 1000, scale: float = 1.0) -> Iterator[Page]:
    """A page in a new browser; ``scale``: pixels for a CSS pixel."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        try:
            page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=scale)
            page.set_default_timeout(WAIT)
            expect.set_options(timeout=WAIT)
            try:
                yield page
            except BaseException:
                # What was on the screen then says more than the error.
                page.screenshot(path=Path(tempfile.gettempdir()) / "hitl-browser-failure.png")
                raise
        finally:
            browser.close()


def wait_for_kernel(page: Page) -> None:
    """Wait until JupyterLab or Notebook 7 shows a notebook whose kernel is idle."""
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    # JupyterLab calls itself idle before it has a kernel, too; cells that are run then ask for one instead.
    page.wait_for_function(
        """() => document.querySelector(".jp-KernelName")?.textContent.includes("Python 3")
            && document.querySelector(".jp-Notebook-ExecutionIndicator")?.dataset.status === "idle" """
    )
    page.wait_for_timeout(1_000)


def send_now(where: Page | FrameLocator | Locator) -> None:
    """Send a decision that can be undone for five seconds; on a slow machine they may be over, and it is sent."""
    with suppress(PlaywrightTimeoutError):
        where.get_by_role("button", name="Send now", exact=True).click(timeout=6_000)


def run_notebook(page: Page, address: str) -> None:
    """Open a notebook in JupyterLab, run all cells, and wait for the panel."""
    page.goto(address)
    wait_for_kernel(page)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    page.locator(".hitl-panel").wait_for()
