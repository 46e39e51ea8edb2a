"""The list of reviews."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ValidationError

from airflow_hitl_review import internals
from airflow_hitl_review.access import readable_dags
from airflow_hitl_review.review import ReviewSummary, summarize
from airflow_hitl_review.states import SessionStatus

OrderBy = Literal["updated_at", "-updated_at", "dag_id", "-dag_id", "run_id", "-run_id", "task_id", "-task_id"]


class ReviewList(BaseModel):
    """A page of the inbox, and how many reviews the filters leave in all."""

    sessions: list[ReviewSummary]
    total_entries: int


@dataclass(frozen=True)
class Filters:
    """Which reviews, in which order; a minus sign before a name in ``order_by`` turns the order round."""

    status: SessionStatus | None = None
    dag_id: str | None = None
    text: str | None = None
    include_ended: bool = False
    limit: int = 50
    offset: int = 0
    order_by: OrderBy = "-updated_at"


def list_reviews(db: internals.Session, user: internals.BaseUser, filters: Filters) -> ReviewList:
    """The reviews that ``user`` may read."""
    known = internals.dags_with_sessions(db)
    wanted = [d for d in known if filters.dag_id is None or d == filters.dag_id]
    dag_ids = readable_dags(db, user, wanted)
    if not dag_ids:
        return ReviewList(sessions=[], total_entries=0)
    # With a custom XCom backend the row holds a reference, so SQL cannot look at the status: then all
    # sessions that the other filters leave are read and filtered here.
    in_sql = filters.status is None or internals.values_are_in_the_row()
    rows, total = internals.list_session_rows(
        db,
        dag_ids=dag_ids,
        status=filters.status.value if filters.status and in_sql else None,
        text=filters.text,
        include_ended=filters.include_ended,
        order_by=filters.order_by.removeprefix("-"),
        descending=filters.order_by.startswith("-"),
        limit=filters.limit if in_sql else None,
        offset=filters.offset if in_sql else 0,
    )
    reviews = [review for row in rows if (review := _summary(row)) is not None]
    if not in_sql:
        reviews = [review for review in reviews if review.status is filters.status]
        total = len(reviews)
        reviews = reviews[filters.offset : filters.offset + filters.limit]
    return ReviewList(sessions=reviews, total_entries=total)


def _summary(row: internals.SessionRow) -> ReviewSummary | None:
    try:
        return summarize(row.key, row.task_state, row.stored)
    except ValidationError:
        # Somebody wrote something else under our key. It is no review, and must not hide the others.
        return None
