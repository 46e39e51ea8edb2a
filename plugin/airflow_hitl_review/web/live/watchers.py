"""The watchers of an API server process: of single reviews, and of the list."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from airflow_hitl_review.core.schema import TaskKey
from airflow_hitl_review.server.db.review_stamps import inbox_stamp, review_stamps
from airflow_hitl_review.server.db.transactions import transaction
from airflow_hitl_review.web.http.conditional import LEASE_SECONDS
from airflow_hitl_review.web.live.streams import Update
from airflow_hitl_review.web.live.watcher import Watcher

INBOX = "inbox"
"""The one subject of the list's watcher."""

INBOX_LOOK_SECONDS = 2.0
"""Between two looks at all open reviews at once, which cost more than looks at some."""


@dataclass(frozen=True)
class SeenInbox:
    """What the last look at the list saw.

    Attributes:
        stamp: the list's state.
        at: when it was asked for, by ``time.monotonic()``.
        since: when the first of the looks was that saw this state, without another one between.
    """

    stamp: str = ""
    at: float = float("-inf")
    since: float = float("-inf")


@dataclass(frozen=True)
class InboxChange:
    """Says that the list is another one, not which: each reader may read another part of it."""

    version: str

    @property
    def data(self) -> str:
        """As JSON."""
        return json.dumps({"version": self.version})


class Watchers:
    """Both watchers; start them with ``run``.

    Args:
        load: what pages show of a review.
    """

    def __init__(self, load: Callable[[TaskKey], Update]) -> None:
        self.reviews: Watcher[TaskKey, Update] = Watcher(_look_at_reviews, load)
        self._inbox_seen = SeenInbox()
        self.inbox: Watcher[str, InboxChange] = Watcher(
            self._look_at_inbox, self._load_inbox, look_seconds=INBOX_LOOK_SECONDS
        )

    async def run(self) -> None:
        """Look until cancelled."""
        tasks = [asyncio.create_task(watcher.run()) for watcher in (self.reviews, self.inbox)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task

    def nudge(self) -> None:
        """Look now; from any thread, after something was committed."""
        self.reviews.nudge()
        self.inbox.nudge()

    def inbox_seen(self, oldest: float) -> SeenInbox | None:
        """What was seen of the list within so many seconds, if anything; from any thread, and never waits.

        Whoever asks so is expected to ask again soon: until then the list is looked at now and then.
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
    """Name a state of the list."""
    return InboxChange(hashlib.sha256(stamp.encode()).hexdigest()[:16])


def _look_at_reviews(keys: Sequence[TaskKey]) -> Mapping[TaskKey, str]:
    with transaction() as db:
        return review_stamps(db, keys)
