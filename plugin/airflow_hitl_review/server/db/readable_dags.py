"""The DAGs whose reviews a user may read, remembered for some seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from airflow_hitl_review.server.db.auth import BaseUser, may_read_each, team_names
from airflow_hitl_review.server.db.transactions import Session

REMEMBERED_SECONDS = 20.0
"""How long lists use an answer of the auth manager about a user and a DAG."""

MAX_REMEMBERED = 50_000
"""Answers of the auth manager that a process remembers; some 10 MB."""


class ReadableDags:
    """What each user may read, remembered for some seconds; one per API server process. Deciding asks anew.

    Args:
        timer: seconds from any start.
    """

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], tuple[bool, float]] = {}  # the answer, and until when it counts

    def of(self, db: Session, user: BaseUser, dag_ids: Sequence[str]) -> list[str]:
        """Those of ``dag_ids`` whose reviews ``user`` may read, in their order."""
        user_id, now = str(user.get_id()), self._timer()
        with self._lock:
            found = {dag_id: self._known.get((user_id, dag_id), (False, now)) for dag_id in dag_ids}
        known = {dag_id: may for dag_id, (may, until) in found.items() if until > now}
        if unknown := [dag_id for dag_id in dag_ids if dag_id not in known]:
            asked = may_read_each(user, team_names(db, unknown))
            self._remember({(user_id, dag_id): (may, now + REMEMBERED_SECONDS) for dag_id, may in asked.items()})
            known |= asked
        return [dag_id for dag_id in dag_ids if known[dag_id]]

    def _remember(self, answers: dict[tuple[str, str], tuple[bool, float]]) -> None:
        with self._lock:
            if len(self._known) + len(answers) > MAX_REMEMBERED:
                self._known.clear()
            self._known.update(answers)


_readable = ReadableDags()


def readable_dags(db: Session, user: BaseUser, dag_ids: list[str]) -> list[str]:
    """Those of ``dag_ids`` whose reviews the caller may read; a change counts after ``REMEMBERED_SECONDS``."""
    return _readable.of(db, user, dag_ids)
