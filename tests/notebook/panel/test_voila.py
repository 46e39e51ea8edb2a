"""The panel in a page that Voilà serves."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.processes import Process, StartError, free_port, wait_until
from demo.stack import jupyter_env
from tests.conftest import missing, need_chromium
from tests.notebook.kernels import NotInstalledError, python_with
from tests.notebook.lab import WAIT, feedback, press, row, session_form, tell, write_notebook
from tests.notebook.panels import key
from tests.notebook.server import ReviewServer
from tests.support import browser
from tests.support.browser import send_now

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

VERSION = "0.5"


@pytest.fixture
def address(server: ReviewServer, tmp_path: Path) -> Iterator[str]:
    """The page of a notebook with a panel."""
    need_chromium()
    try:
        voila = python_with("voila", VERSION).with_name("voila")
    except NotInstalledError as error:
        missing(f"Voilà {VERSION}", str(error))
        raise AssertionError from error
    panel = f"panel = ReviewPanel({server.url!r}, username='ada', password='ada-password', refresh_seconds=1)"
    write_notebook(tmp_path / "reviews.ipynb", f"from hitl_notebook import ReviewPanel\n{panel}\npanel")
    port = free_port()
    process = Process(
        [str(voila), "reviews.ipynb", "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"],
        env=jupyter_env(tmp_path),
        log=tmp_path / "voila.log",
        cwd=tmp_path,
    )

    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(answers, timeout=60, what="Voilà", alive=process.alive)
        yield f"http://127.0.0.1:{port}/"
    except StartError as error:
        raise StartError(f"{error}:\n{process.tail()}") from None
    finally:
        process.stop()


def test_reviews_can_be_decided_in_voila(server: ReviewServer, address: str) -> None:
    from playwright.sync_api import expect

    server.add("alpha", current_output="Draft of alpha")
    server.add("beta", current_output="Draft of beta")
    with browser.new_page(need_chromium()) as page:
        expect.set_options(timeout=WAIT)
        page.goto(address)
        panel = page.locator(".hitl-panel")
        row(panel, "alpha").click()
        expect(panel.locator(".hitl-output")).to_contain_text("Draft of alpha")
        press(panel, "Approve")
        send_now(session_form(panel))
        tell(panel, "Approved output 1")
        row(panel, "beta").click()
        expect(panel.locator(".hitl-output")).to_contain_text("Draft of beta")
        feedback(panel).fill("Shorter")
        page.keyboard.press("Control+Enter")
        tell(panel, "Changes requested")
        expect(page.locator(".hitl-record")).to_be_hidden()
        expect(page.get_by_text("ReviewPanel")).to_have_count(0)  # no code
    assert server.sessions[key("alpha")]["status"] == "approved"
    assert server.sessions[key("beta")]["status"] == "changes_requested"
