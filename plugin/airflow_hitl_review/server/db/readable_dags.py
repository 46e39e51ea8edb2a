"""The DAGs whose reviews a user may read, or decide, as lists show it: cached for some seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from cachetools import TTLCache

from airflow_hitl_review.server.db.auth import BaseUser, Method, may_each, team_names
from airflow_hitl_review.server.db.transactions import Session

REMEMBERED_SECONDS = 20.0
"""Seconds for which lists cache the auth manager's answer about a user and a DAG."""

MAX_REMEMBERED = 50_000
"""Maximum number of the auth manager's answers that a process caches; about 20 MB."""


class PermittedDags:
    """Cache of what each user may do; one per API server process. Decisions do not use it.

    Args:
        method: what they may do.
        timer: a monotonic clock in seconds.
    """

    def __init__(self, method: Method, timer: Callable[[], float] = time.monotonic) -> None:
        self._method = method
        self._lock = threading.Lock()
        self._known: TTLCache[tuple[str, str], bool] = TTLCache(MAX_REMEMBERED, REMEMBERED_SECONDS, timer)

    def of(self, db: Session, user: BaseUser, dag_ids: Sequence[str]) -> list[str]:
        """The DAGs among ``dag_ids`` with whose reviews ``user`` may do that, in the same order."""
        user_id = str(user.get_id())
        with self._lock:
            found = {dag_id: self._known.get((user_id, dag_id)) for dag_id in dag_ids}
        known = {dag_id: may for dag_id, may in found.items() if may is not None}
        if unknown := [dag_id for dag_id in dag_ids if dag_id not in known]:
            asked = may_each(user, self._method, team_names(db, unknown))
            with self._lock:
                self._known.update({(user_id, dag_id): may for dag_id, may in asked.items()})
            known |= asked
        return [dag_id for dag_id in dag_ids if known[dag_id]]


_readable, _decidable = PermittedDags("GET"), PermittedDags("PUT")


def readable_dags(db: Session, user: BaseUser, dag_ids: list[str]) -> list[str]:
    """The DAGs among ``dag_ids`` that the caller may read; changes take up to ``REMEMBERED_SECONDS``."""
    return _readable.of(db, user, dag_ids)


def decidable_dags(db: Session, user: BaseUser, dag_ids: list[str]) -> list[str]:
    """Likewise the DAGs whose reviews the caller may decide."""
    return _decidable.of(db, user, dag_ids)
