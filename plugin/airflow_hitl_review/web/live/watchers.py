"""The watchers of an API server process: of single reviews, of what their tasks do, and of the list."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from airflow_hitl_review.core.review import ReviewResponse
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.review_stamps import inbox_stamp, review_stamps
from airflow_hitl_review.server.db.transactions import transaction
from airflow_hitl_review.web.http.conditional import LEASE_SECONDS
from airflow_hitl_review.web.live.progress import ProgressWatcher
from airflow_hitl_review.web.live.streams import Update
from airflow_hitl_review.web.live.watcher import Watcher

INBOX = "inbox"
"""The one subject of the list's watcher."""

INBOX_LOOK_SECONDS = 2.0
"""Poll interval for the list: a query of all open reviews costs more than one of some."""


@dataclass(frozen=True)
class SeenInbox:
    """Result of the last poll of the list.

    Attributes:
        stamp: the list's stamp.
        at: when the poll began, by ``time.monotonic()``.
        since: when the first of the consecutive polls with this stamp began.
    """

    stamp: str = ""
    at: float = float("-inf")
    since: float = float("-inf")


@dataclass(frozen=True)
class InboxChange:
    """Says that the list has changed, not how: each reader may read a different part of it."""

    version: str

    @property
    def data(self) -> str:
        """As JSON."""
        return json.dumps({"version": self.version})


class ReviewUpdate(Update, Protocol):
    """A review as it is."""

    @property
    def review(self) -> ReviewResponse | None:
        """The review; None for a task without one."""

    @property
    def is_being_made(self) -> bool:
        """Whether the task makes the next output, or the first one."""


class Watchers:
    """All watchers; start them with ``run``.

    Args:
        load: loads what pages show of a review.
    """

    def __init__(self, load: Callable[[TaskKey], ReviewUpdate]) -> None:
        self.reviews: Watcher[TaskKey, ReviewUpdate] = Watcher(_look_at_reviews, load)
        self.progress = ProgressWatcher()
        self._inbox_seen = SeenInbox()
        self.inbox: Watcher[str, InboxChange] = Watcher(
            self._look_at_inbox, self._load_inbox, look_seconds=INBOX_LOOK_SECONDS
        )

    async def run(self) -> None:
        """Poll until cancelled."""
        tasks = [asyncio.create_task(watcher.run()) for watcher in (self.reviews, self.progress, self.inbox)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task

    def nudge(self) -> None:
        """Poll now, after a commit; thread-safe."""
        self.reviews.nudge()
        self.inbox.nudge()

    def inbox_seen(self, oldest: float) -> SeenInbox | None:
        """Return the last poll of the list if it is at most that many seconds old; thread-safe, never blocks.

        The caller is expected to ask again soon: until then, the list is polled.
        """
        if oldest <= 0:
            return None
        self.inbox.expect(INBOX, LEASE_SECONDS)
        seen = self._inbox_seen
        return seen if time.monotonic() - seen.at <= oldest else None

    def _look_at_inbox(self, subjects: Sequence[str]) -> Mapping[str, str]:
        start = time.monotonic()
        with transaction() as db:
            stamp = inbox_stamp(db)
        before = self._inbox_seen
        self._inbox_seen = SeenInbox(stamp, start, before.since if before.stamp == stamp else start)
        return dict.fromkeys(subjects, stamp)

    def _load_inbox(self, subject: str) -> InboxChange:
        return inbox_change(self._inbox_seen.stamp)


def inbox_change(stamp: str) -> InboxChange:
    """Make the version of a state of the list."""
    return InboxChange(hashlib.sha256(stamp.encode()).hexdigest()[:16])


def _look_at_reviews(keys: Sequence[TaskKey]) -> Mapping[TaskKey, str]:
    with transaction() as db:
        return review_stamps(db, keys)
