"""Follows one review: as it is, then each change, and what its task does while it makes the next output."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.web.live.progress import NOTHING, ProgressUpdate, of_next
from airflow_hitl_review.web.live.watcher import Watcher
from airflow_hitl_review.web.live.watchers import ReviewUpdate

ALLOWED_SECONDS = 15.0
"""So long a reader's permission holds for what comes every second; a change of the review is always checked."""


async def follow(
    reviews: Watcher[TaskKey, ReviewUpdate],
    progress: Watcher[TaskKey, ProgressUpdate],
    key: TaskKey,
    *,
    seen: str,
    seconds: float,
    allowed: Callable[[], Awaitable[bool]],
) -> AsyncGenerator[ReviewUpdate | ProgressUpdate, None]:
    """Yield the review unless it is the version that was seen, then what happens, for at most so many seconds.

    Ends early once the reader may no longer read it. Close it (``aclosing``), so that nothing is watched in vain.

    Args:
        reviews: the watcher of reviews.
        progress: the watcher of what tasks do; asked only while an output is being made.
        key: the review.
        seen: version that the reader has; empty for none.
        seconds: how long to follow.
        allowed: whether the reader may still read the review.
    """
    end, checked = time.monotonic() + seconds, 0.0
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(reviews.watching(key))
        review = await reviews.value(key)
        if review.version != seen:  # either of the two may be older
            review = await reviews.fresh(key)
        told = NOTHING
        made = await stack.enter_async_context(AsyncExitStack())  # while an output is
        is_watched = False
        if review.version != seen:
            if not await allowed():
                return
            yield review
        while (left := end - time.monotonic()) > 0:
            waits: list[Awaitable[Any]] = [reviews.change(key, review, left)]
            if review.is_being_made:
                if not is_watched:
                    await made.enter_async_context(progress.watching(key))
                    is_watched = True
                waits.append(progress.change(key, told, left))
            elif is_watched:
                await made.aclose()
                is_watched = False
            changed = await _first(waits)
            if changed is None:
                return
            is_progress = isinstance(changed, ProgressUpdate)
            if not is_progress or time.monotonic() - checked > ALLOWED_SECONDS:
                if not await allowed():
                    return
                checked = time.monotonic()
            if isinstance(changed, ProgressUpdate):
                told = changed
                yield of_next(changed, review.review)
            else:
                review, told = changed, NOTHING
                yield changed


async def _first(waits: list[Awaitable[Any]]) -> Any:
    """The result of the one that is done first; the others are cancelled, and lose nothing."""
    tasks = [asyncio.ensure_future(one) for one in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task.done()).result()
    finally:
        for task in tasks:
            task.cancel()
