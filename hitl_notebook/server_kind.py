"""Who answers on an Airflow: this project's plugin, or the AI provider alone."""

from __future__ import annotations

import time
from collections.abc import Callable

import requests

from hitl_notebook.transport import Transport, detail_of

LOOK_AGAIN_SECONDS = 60.0
"""So long the provider is taken to be alone; then somebody may have installed the plugin."""


class ServerKind:
    """What is known of a server. It costs a request only where nothing is, and a mistake would count.

    Args:
        transport: to that server.
        clock: seconds from any start.
    """

    def __init__(self, transport: Transport, clock: Callable[[], float] = time.monotonic) -> None:
        self._transport = transport
        self._clock = clock
        self._is_ours: bool | None = None  # None: nobody has looked yet
        self._look_again_at = 0.0

    @property
    def is_provider(self) -> bool:
        """Whether the provider is known to be alone there."""
        return self._is_ours is False and self._clock() < self._look_again_at

    def saw_ours(self) -> None:
        """An answer came that only this project's plugin gives."""
        self._is_ours = True

    def look(self, answer: requests.Response) -> bool:
        """Whether an answer of ``GET /sessions`` is the provider's, which has no such route.

        Raises:
            HITLNotebookError: nobody answers at all.
        """
        self._is_ours = not (answer.status_code == 404 and detail_of(answer) == "Not Found")
        if not self._is_ours:
            # Either the provider answers, or nobody; then this is an error.
            self._transport.read(lambda value: value["status"], self._transport.request("GET", "/health"))
            self._look_again_at = self._clock() + LOOK_AGAIN_SECONDS
        return not self._is_ours

    def find_out(self) -> bool:
        """``is_provider``, asking the server if need be.

        Raises:
            HITLNotebookError: nobody answers at all.
        """
        if self._is_ours or self.is_provider:
            return not self._is_ours
        return self.look(self._transport.request("GET", "/sessions", expected=(404,), params={"limit": 1}))
