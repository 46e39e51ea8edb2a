"""The DAGs whose reviews a user may read, cached for some seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from cachetools import TTLCache

from airflow_hitl_review.server.db.auth import BaseUser, may_read_each, team_names
from airflow_hitl_review.server.db.transactions import Session

REMEMBERED_SECONDS = 20.0
"""Seconds for which lists cache the auth manager's answer about a user and a DAG."""

MAX_REMEMBERED = 50_000
"""Maximum number of the auth manager's answers that a process caches; about 20 MB."""


class ReadableDags:
    """Cache of what each user may read; one per API server process. Decisions do not use it.

    Args:
        timer: a monotonic clock in seconds.
    """

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._known: TTLCache[tuple[str, str], bool] = TTLCache(MAX_REMEMBERED, REMEMBERED_SECONDS, timer)

    def of(self, db: Session, user: BaseUser, dag_ids: Sequence[str]) -> list[str]:
        """The DAGs among ``dag_ids`` whose reviews ``user`` may read, in the same order."""
        user_id = str(user.get_id())
        with self._lock:
            found = {dag_id: self._known.get((user_id, dag_id)) for dag_id in dag_ids}
        known = {dag_id: may for dag_id, may in found.items() if may is not None}
        if unknown := [dag_id for dag_id in dag_ids if dag_id not in known]:
            asked = may_read_each(user, team_names(db, unknown))
            with self._lock:
                self._known.update({(user_id, dag_id): may for dag_id, may in asked.items()})
            known |= asked
        return [dag_id for dag_id in dag_ids if known[dag_id]]


_readable = ReadableDags()


def readable_dags(db: Session, user: BaseUser, dag_ids: list[str]) -> list[str]:
    """The DAGs among ``dag_ids`` that the caller may read; changes take up to ``REMEMBERED_SECONDS``."""
    return _readable.of(db, user, dag_ids)
