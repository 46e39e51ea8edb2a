"""Detects whether an Airflow server runs this project's plugin or only the AI provider."""

from __future__ import annotations

import time
from collections.abc import Callable

import requests

from hitl_notebook.transport import Transport, detail_of

LOOK_AGAIN_SECONDS = 60.0
"""How long "only the provider" is cached; the plugin may be installed later."""


class ServerKind:
    """Caches the kind of a server. Sends a request only if it is unknown and a mistake would matter.

    Args:
        transport: sends requests to that server.
        clock: monotonic time in seconds.
    """

    def __init__(self, transport: Transport, clock: Callable[[], float] = time.monotonic) -> None:
        self._transport = transport
        self._clock = clock
        self._is_ours: bool | None = None  # None: not checked yet
        self._look_again_at = 0.0

    @property
    def is_provider(self) -> bool:
        """Whether the server is known to run only the provider."""
        return self._is_ours is False and self._clock() < self._look_again_at

    def saw_ours(self) -> None:
        """Record a response that only this project's plugin gives."""
        self._is_ours = True

    def look(self, answer: requests.Response) -> bool:
        """Whether a response to ``GET /sessions`` is the provider's, which has no such route.

        Raises:
            HITLNotebookError: nobody answers at all.
        """
        self._is_ours = not (answer.status_code == 404 and detail_of(answer) == "Not Found")
        if not self._is_ours:
            # Either the provider responds, or nobody does and this raises an error.
            self._transport.read(lambda value: value["status"], self._transport.request("GET", "/health"))
            self._look_again_at = self._clock() + LOOK_AGAIN_SECONDS
        return not self._is_ours

    def find_out(self) -> bool:
        """Return ``is_provider``, asking the server if necessary.

        Raises:
            HITLNotebookError: nobody answers at all.
        """
        if self._is_ours or self.is_provider:
            return not self._is_ours
        return self.look(self._transport.request("GET", "/sessions", expected=(404,), params={"limit": 1}))
