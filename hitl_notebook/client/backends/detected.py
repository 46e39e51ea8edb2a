"""Detects whether an Airflow server runs this project's plugin or only the AI provider, and uses what is there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from hitl_notebook.client.backends.base import Backend, Channel, DecisionRequest, ListFilters
from hitl_notebook.client.backends.plugin import NotThePluginError, PluginBackend
from hitl_notebook.client.backends.provider import ProviderBackend
from hitl_notebook.client.review_page import CachedPage
from hitl_notebook.client.transport import Transport
from hitl_notebook.records import Review, ReviewKey
from hitl_notebook.traces import ReviewProgress

T = TypeVar("T")

LOOK_AGAIN_SECONDS = 60.0
"""How long "only the provider" is cached; the plugin may be installed later."""


class DetectedBackend:
    """The plugin's API, or the provider's where only that is installed. Its methods are those of ``Backend``.

    Args:
        transport: sends requests to that server.
        channel: recorded with each decision.
        clock: monotonic time in seconds.
    """

    def __init__(self, transport: Transport, channel: Channel, clock: Callable[[], float] = time.monotonic) -> None:
        self._transport = transport
        self._clock = clock
        self._plugin = PluginBackend(transport, channel)
        self._provider = ProviderBackend(transport)
        self._has_plugin = False
        self._provider_until = 0.0

    def page(self, known: CachedPage | None, filters: ListFilters, max_age: int) -> CachedPage:
        """List reviews."""
        return self._ask(lambda backend: backend.page(known, filters, max_age))

    def find(self, key: ReviewKey) -> Review:
        """Return one review."""
        return self._ask(lambda backend: backend.find(key))

    def progress(self, key: ReviewKey) -> ReviewProgress | None:
        """Return what the task does just now; None if that API does not tell."""
        return self._ask(lambda backend: backend.progress(key))

    def decide(self, decision: DecisionRequest) -> Review:
        """Send a decision, once it is known to which API: the provider's ignores which output was looked at."""
        backend = self._known() or self._ask(self._probed)
        return backend.decide(decision)

    def _probed(self, backend: Backend) -> Backend:
        """The backend, once it is known to be there."""
        if backend is self._plugin:
            backend.page(None, ListFilters(limit=1), 0)
        return backend

    def _known(self) -> Backend | None:
        """The backend of this server; None if it is not known."""
        if self._has_plugin:
            return self._plugin
        return self._provider if self._clock() < self._provider_until else None

    def _ask(self, request: Callable[[Backend], T]) -> T:
        if self._known() is not self._provider:
            try:
                answer = request(self._plugin)
            except NotThePluginError:
                self._check_provider()
            else:
                self._has_plugin = True
                return answer
        return request(self._provider)

    def _check_provider(self) -> None:
        """Raise unless the provider's API answers; else nobody does."""
        self._transport.read(lambda value: value["status"], self._transport.request("GET", "/health"))
        self._has_plugin, self._provider_until = False, self._clock() + LOOK_AGAIN_SECONDS
