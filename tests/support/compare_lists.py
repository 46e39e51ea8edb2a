"""Whether lists from memory are those from the database: ``python -m tests.support.compare_lists``, in an Airflow's
environment. Prints, as the last line, JSON: how many lists were compared, and what differs.

After a first comparison a session is written, another one is deleted, a task ends, and a review is added.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from typing import Any

from airflow.api_fastapi.app import init_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import update

from airflow_hitl_review.core.schema import SESSION_KEY
from airflow_hitl_review.core.states import SessionStatus
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.transactions import Session, transaction, utcnow
from airflow_hitl_review.server.db.xcoms import delete_xcom, write_xcom
from airflow_hitl_review.server.reviews import open_reviews
from airflow_hitl_review.server.reviews.inbox import count_reviews, list_reviews
from airflow_hitl_review.server.reviews.inbox_counts import Totals
from airflow_hitl_review.server.reviews.inbox_filters import Filters, OrderBy
from airflow_hitl_review.server.reviews.open_reviews import FEW, OpenReviews
from tests.support.api_server import DAG_ID, TASK_ID
from tests.support.seed_inbox import seed_reviews

PENDING, ASKED = SessionStatus.PENDING_REVIEW, SessionStatus.CHANGES_REQUESTED
ORDERS: tuple[OrderBy, ...] = (
    "-updated_at",
    "updated_at",
    "created_at",
    "-created_at",
    "deadline_at",
    "-deadline_at",
)
TEXTS = (None, "p", "SEED+", "a long way down")
"""In prompts, in ids, and in what is too long to be kept."""


class Lists:
    """Both ways to a list."""

    def __init__(self) -> None:
        self.open_reviews = OpenReviews()
        self._user = SimpleAuthManagerUser(username="admin", role="ADMIN")
        self.compared = 0

    def differing(self, *, totals_too: bool) -> Iterator[Any]:
        """Compare lists, whole ones first."""
        statuses = (), (PENDING,), (PENDING, ASKED)
        wanted = [
            Filters(these, text=text, order_by=order_by)
            for order_by, these, text in product(ORDERS, statuses, TEXTS)
        ]
        wanted += [
            Filters(these, order_by=order_by, limit=2, offset=1) for order_by in ORDERS for these in statuses
        ]
        with transaction() as db:
            # Both ways see the same rows, whatever an API server writes meanwhile.
            db.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            totals = count_reviews(self.open_reviews, db)
            assert totals.open_reviews is None, "There are too many reviews for this test."
            known = Totals(totals.counted_at, totals.sessions, totals.active, self.open_reviews)
            for filters in wanted:
                from_database = self._shown(db, filters, totals)
                for few in (FEW, 1):  # sorted when they are found, and found in order
                    vars(open_reviews)["FEW"] = few
                    from_memory = self._shown(db, filters, known)
                    self.compared += 1
                    if from_database[: 2 if totals_too else 1] != from_memory[: 2 if totals_too else 1]:
                        yield [repr(filters), from_database, from_memory]

    def _shown(self, db: Session, filters: Filters, totals: Totals) -> tuple[list[str], int]:
        found = list_reviews(db, self._user, filters, totals)
        rows = [f"{row.dag_id} {row.map_index} {row.status.value} {row.prompt}" for row in found.sessions]
        return rows, found.total_entries


def session(prompt: str, **more: Any) -> dict[str, Any]:
    value = {"status": PENDING.value, "iteration": 1, "max_iterations": 5, "prompt": prompt, "current_output": "O"}
    return {"state": "awaiting_input", "session": value | more, "timestamp": utcnow().isoformat()}


if __name__ == "__main__":
    init_auth_manager()
    lists = Lists()
    with transaction() as setting_up:
        run_id = seed_reviews(setting_up, DAG_ID, [session(f"P {n}") for n in range(4)])
    with transaction() as reading:
        kept = lists.open_reviews.reconcile(reading)
    differing = list(lists.differing(totals_too=True)) if kept else []
    with transaction() as changing:
        keys = [TaskKey(DAG_ID, run_id, TASK_ID, n) for n in range(4)]
        late = session("P, and a long way down. " * 200, status=ASKED.value, deadline_at="2027-01-01T00:00:00Z")
        write_xcom(changing, keys[0], SESSION_KEY, late["session"])
        delete_xcom(changing, keys[1], SESSION_KEY)
        ended = TaskInstance.run_id == run_id, TaskInstance.map_index == 2
        changing.execute(update(TaskInstance).where(*ended).values(state="failed"))
        seed_reviews(changing, DAG_ID, [session("P of a new one")])
    differing += lists.differing(totals_too=False) if kept else []
    with transaction() as reading:
        lists.open_reviews.reconcile(reading)
    differing += lists.differing(totals_too=True) if kept else []
    print(json.dumps({"compared": lists.compared, "differing": differing}))  # noqa: T201 - its result
