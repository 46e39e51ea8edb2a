"""Which of the two backends a client uses, and when it asks the server which one is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from hitl_notebook import ReviewKey
from hitl_notebook.client.backends.base import DecisionRequest
from hitl_notebook.client.backends.detected import LOOK_AGAIN_SECONDS, DetectedBackend
from hitl_notebook.client.backends.plugin import NotThePluginError

DECISION = DecisionRequest("approve", ReviewKey("d", "r", "t", -1), 1)


@dataclass
class Server:
    """Stands for an Airflow: what was asked of it, and whether it has the plugin.

    Attributes:
        before_answer: seconds that pass while it answers.
    """

    has_plugin: bool
    asked: list[str] = field(default_factory=list)
    now: float = 1000.0
    before_answer: float = 0.0

    def _answer(self, what: str, *, only_plugin: bool) -> Any:
        self.asked.append(what)
        self.now += self.before_answer
        if only_plugin and not self.has_plugin:
            raise NotThePluginError
        return what

    def request(self, method: str, path: str) -> Any:
        return self._answer(f"{method} {path}", only_plugin=False)

    def read(self, parse: Any, answer: Any) -> Any:
        return answer


class Api:
    """One of the backends, of a ``Server``."""

    def __init__(self, server: Server, name: str) -> None:
        self._server, self._name = server, name

    def page(self, *_: Any) -> Any:
        return self._server._answer(f"{self._name}.page", only_plugin=self._name == "plugin")

    def find(self, *_: Any) -> Any:
        return self._server._answer(f"{self._name}.find", only_plugin=self._name == "plugin")

    def decide(self, *_: Any) -> Any:
        """The provider takes what was meant for the plugin, too."""
        return self._server._answer(f"{self._name}.decide", only_plugin=False)


def backend_of(server: Any) -> Any:
    found = DetectedBackend(server, "rest", clock=lambda: server.now)
    vars(found).update(_plugin=Api(server, "plugin"), _provider=Api(server, "provider"))
    return found


@pytest.mark.parametrize("slow", [0.0, 5.0])
def test_decision_goes_to_the_provider_only_by_its_own_backend(slow: float) -> None:
    """At any age of what is known of the server, also if it expires while the server answers."""
    for age in (0.0, LOOK_AGAIN_SECONDS - 2, LOOK_AGAIN_SECONDS + 1):
        server = Server(has_plugin=False)
        backend = backend_of(server)
        backend.find(DECISION.key)
        server.asked.clear()
        server.now += age
        server.before_answer = slow
        backend.decide(DECISION)
        assert server.asked[-1] == "provider.decide"
        assert "plugin.decide" not in server.asked
        assert "provider.page" not in server.asked


def test_known_server_is_not_asked_before_a_decision() -> None:
    for has_plugin, name in ((True, "plugin"), (False, "provider")):
        server = Server(has_plugin)
        backend = backend_of(server)
        backend.page(None, None, 0)
        server.asked.clear()
        backend.decide(DECISION)
        assert server.asked == [f"{name}.decide"]


def test_unknown_server_is_asked_before_a_decision() -> None:
    for has_plugin, wanted in (
        (True, ["plugin.page", "plugin.decide"]),
        (False, ["plugin.page", "GET /health", "provider.decide"]),
    ):
        server = Server(has_plugin)
        backend_of(server).decide(DECISION)
        assert server.asked == wanted


def test_plugin_that_is_installed_later_is_found() -> None:
    server = Server(has_plugin=False)
    backend = backend_of(server)
    assert backend.find(DECISION.key) == "provider.find"
    server.has_plugin = True
    assert backend.find(DECISION.key) == "provider.find"
    server.now += LOOK_AGAIN_SECONDS
    assert backend.find(DECISION.key) == "plugin.find"
