"""Tasks that make their first output: the list has them before there is anything to review."""

from __future__ import annotations

from airflow_hitl_review.core.review import FirstOutput
from airflow_hitl_review.server.db.progress_queries import first_outputs
from airflow_hitl_review.server.db.transactions import Session
from airflow_hitl_review.server.reviews.inbox_filters import Filters
from hitl_rendering.review_words import searched

MAX_BEING_MADE = 50
"""So many are listed, those that started last."""

_MOST = 1_000
"""So many are looked at: the reader may not read all of them."""


def being_made(db: Session, filters: Filters) -> list[FirstOutput]:
    """Those that match the filters, whoever may read them; one SQL statement.

    None on other pages than the first, and none if only reviews in some status are asked for.
    """
    if filters.offset or filters.statuses:
        return []
    wanted = searched(filters.text or "")[0].casefold()
    return [
        one
        for one in first_outputs(db, _MOST)
        if filters.dag_id in (None, one.dag_id)
        and any(wanted in name.casefold() for name in (one.dag_id, one.run_id, one.task_id))
    ]
