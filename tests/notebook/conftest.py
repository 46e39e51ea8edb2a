"""One server for all of these tests, emptied for each."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from hitl_notebook import Client
from tests.notebook.panels import open_widgets
from tests.notebook.server import THREAD, ReviewServer


@pytest.fixture(autouse=True)
def _no_widget_is_left() -> Iterator[None]:
    before = set(open_widgets())
    yield
    left = {name: widget for name, widget in open_widgets().items() if name not in before}
    for widget in left.values():
        widget.close()
    assert left == {}


@pytest.fixture(scope="session")
def _server() -> Iterator[ReviewServer]:
    server = ReviewServer()
    yield server
    server.stop()
    assert THREAD not in {thread.name for thread in threading.enumerate()}


@pytest.fixture
def server(_server: ReviewServer) -> ReviewServer:
    """The server, without sessions."""
    _server.reset()
    return _server


@pytest.fixture
def outdated() -> Iterator[ReviewServer]:
    """A server from before the webhook routes existed."""
    server = ReviewServer(outdated=True)
    yield server
    server.stop()


@pytest.fixture
def client(server: ReviewServer) -> Client:
    """A client whose user may decide."""
    return Client(server.url, username="ada", password="ada-password", timeout=10)
