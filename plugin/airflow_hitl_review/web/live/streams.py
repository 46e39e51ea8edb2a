"""Server-sent events for open pages."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Protocol, TypeVar

from sse_starlette import EventSourceResponse, ServerSentEvent

from airflow_hitl_review.web.live.progress import ProgressUpdate
from airflow_hitl_review.web.live.watcher import K, Watcher

PING_SECONDS = 15
"""Interval of comments, which keep proxies from closing an idle connection."""

STREAM_SECONDS = 300.0
"""Maximum duration of a stream; the browser reconnects on its own, which checks its token again."""


HELLO = ServerSentEvent(event="hello", data="{}", retry=2000)
"""Comes at once: a page that does not receive it knows that a proxy buffers the stream, and polls instead."""


class Update(Protocol):
    """A value with a version, and its text for an event."""

    @property
    def version(self) -> str:
        """Identifies the value: different values have different versions."""

    @property
    def data(self) -> str:
        """The value as JSON."""


U = TypeVar("U", bound=Update)


def review_stream(updates: AsyncGenerator[Update | ProgressUpdate, None]) -> EventSourceResponse:
    """Send ``change`` events about one review, and ``progress`` while its task makes an output; first ``hello``.

    Args:
        updates: what ``follow`` yields.
    """

    async def events() -> AsyncIterator[ServerSentEvent]:
        yield HELLO
        async with aclosing(updates):
            async for update in updates:
                if isinstance(update, ProgressUpdate):
                    yield ServerSentEvent(event="progress", data=json.dumps({"html": update.html}))
                else:
                    yield ServerSentEvent(event="change", data=update.data, id=update.version)

    return EventSourceResponse(events(), ping=PING_SECONDS)


def stream(
    watcher: Watcher[K, U], subject: K, *, seen: str, allowed: Callable[[], Awaitable[bool]]
) -> EventSourceResponse:
    """Send ``change`` events about one subject; first ``hello``.

    Args:
        watcher: the watcher of the subject.
        subject: the subject.
        seen: version that the page already has.
        allowed: whether the caller may still read it; called before each event.
    """

    async def events() -> AsyncIterator[ServerSentEvent]:
        end = time.monotonic() + STREAM_SECONDS
        async with watcher.watching(subject):
            yield HELLO
            value = await watcher.value(subject)
            if value.version != seen:  # either of the two may be older
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
