"""Keeps our requests out of httpx's log.

At level INFO httpx logs the URL of each request, and some URLs are secrets (Slack's, for one).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ours: ContextVar[bool] = ContextVar("hitl_webhooks_request", default=False)


class _NotOurs(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not _ours.get()


_FILTER = _NotOurs()

# All loggers of httpx and httpcore: a filter does not apply to child loggers.
_LOGGERS = (
    "httpx",
    *(f"httpcore.{name}" for name in ("connection", "http11", "http2", "proxy", "socks")),
)


@contextmanager
def no_request_log() -> Iterator[None]:
    """Suppress httpx's logs of requests made inside the block by this task or thread."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)  # does nothing if already added
    token = _ours.set(True)
    try:
        yield
    finally:
        _ours.reset(token)
