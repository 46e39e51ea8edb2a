"""What tasks do while they make their next outputs, for all who watch; one query for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from airflow_hitl_review.core.progress import Progress, read_progress
from airflow_hitl_review.core.review import ReviewResponse
from airflow_hitl_review.core.stored import StoredValue
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.progress_queries import load_progress
from airflow_hitl_review.server.db.transactions import transaction
from airflow_hitl_review.web.live.watcher import Watcher
from hitl_rendering.progress_box import progress_html

LOOK_SECONDS = 0.4
"""Poll interval. A task writes once a second, so that its text is on a page within 1.5 s."""


@dataclass(frozen=True)
class ProgressUpdate:
    """What a task does just now.

    Attributes:
        progress: what it says; None if it says nothing.
    """

    progress: Progress | None = None

    @cached_property
    def html(self) -> str:
        """For the page; empty for nothing."""
        return progress_html(self.progress) if self.progress is not None else ""


NOTHING = ProgressUpdate()


def of_next(doing: ProgressUpdate, review: ReviewResponse | None) -> ProgressUpdate:
    """What a task does for the output that comes next; what is left of an earlier one is nothing."""
    number = review.iteration + 1 if review is not None else 1
    return doing if doing.progress is not None and doing.progress.iteration == number else NOTHING


class ProgressWatcher(Watcher[TaskKey, ProgressUpdate]):
    """Watches what tasks do. Each look reads the values themselves, so that a change costs no further query."""

    def __init__(self) -> None:
        super().__init__(self._look_at, self._load_value, look_seconds=LOOK_SECONDS)
        self._stored: dict[TaskKey, StoredValue] = {}

    def _look_at(self, keys: Sequence[TaskKey]) -> Mapping[TaskKey, str]:
        with transaction() as db:
            found = load_progress(db, keys)
        for key in keys:  # others are left alone: a look whose caller has gone may end after a later one
            self._stored.pop(key, None)
        self._stored |= found
        return {key: str(stored.timestamp) for key, stored in found.items()}

    def _load_value(self, key: TaskKey) -> ProgressUpdate:
        stored = self._stored.get(key)
        if stored is None or stored.unreadable is not None:
            return NOTHING
        return ProgressUpdate(read_progress(stored.value))
