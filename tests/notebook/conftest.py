"""One server for all of these tests, empty for each."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from hitl_notebook import Client
from tests.notebook.server import ReviewServer


@pytest.fixture(scope="session")
def _server() -> Iterator[ReviewServer]:
    before = set(threading.enumerate())
    server = ReviewServer()
    yield server
    server.stop()
    assert set(threading.enumerate()) <= before


@pytest.fixture
def server(_server: ReviewServer) -> ReviewServer:
    """The server, without sessions."""
    _server.reset()
    return _server


@pytest.fixture
def client(server: ReviewServer) -> Client:
    """A client of somebody who may decide."""
    return Client(server.url, username="ada", password="ada-password", timeout=10)
