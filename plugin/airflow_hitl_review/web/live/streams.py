"""Server-sent events: what a page hears while it is open."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeVar

from sse_starlette import EventSourceResponse, ServerSentEvent

from airflow_hitl_review.web.live.watcher import K, Watcher

PING_SECONDS = 15
"""Between two comments, which keep proxies from closing a quiet connection."""

STREAM_SECONDS = 300.0
"""After which a stream ends; the browser opens the next one by itself, and is asked for its token again."""


class Update(Protocol):
    """A value with a version, and the text that is sent of it."""

    @property
    def version(self) -> str:
        """Names it: no two different ones have the same."""

    @property
    def data(self) -> str:
        """JSON."""


U = TypeVar("U", bound=Update)


def stream(
    watcher: Watcher[K, U], subject: K, *, seen: str, allowed: Callable[[], Awaitable[bool]]
) -> EventSourceResponse:
    """Send ``change`` events about one subject.

    The first event is ``hello``, at once: a page that does not hear it knows that something on the way holds the
    stream back, and asks now and then instead.

    Args:
        watcher: who knows.
        subject: about what.
        seen: version that the page has already.
        allowed: whether the caller may still read it; asked before each event.
    """

    async def events() -> AsyncIterator[ServerSentEvent]:
        end = time.monotonic() + STREAM_SECONDS
        async with watcher.watching(subject):
            yield ServerSentEvent(event="hello", data="{}", retry=2000)
            value = await watcher.value(subject)
            if value.version != seen:  # which of the two is older?
                value = await watcher.fresh(subject)
            if value.version != seen and await allowed():
                yield ServerSentEvent(event="change", data=value.data, id=value.version)
            while (left := end - time.monotonic()) > 0:
                changed = await watcher.change(subject, value, left)
                if changed is None:
                    return
                value = changed
                if not await allowed():
                    return
                yield ServerSentEvent(event="change", data=value.data, id=value.version)

    return EventSourceResponse(events(), ping=PING_SECONDS)
