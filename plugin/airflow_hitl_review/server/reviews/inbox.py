"""The list of reviews."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Literal, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from airflow_hitl_review.core.review import FirstOutput, ReviewSummary, summarize
from airflow_hitl_review.core.states import SessionStatus
from airflow_hitl_review.core.stored import UnreadableXComError
from airflow_hitl_review.core.texts import Time
from airflow_hitl_review.server.db.auth import BaseUser
from airflow_hitl_review.server.db.readable_dags import readable_dags
from airflow_hitl_review.server.db.review_queries import (
    ActiveCount,
    SessionFilter,
    SessionRow,
    SessionTime,
    count_active_sessions,
    count_by_dag,
    count_sessions,
    list_session_rows,
    list_session_times,
    load_session_rows,
)
from airflow_hitl_review.server.db.transactions import Session, transaction
from airflow_hitl_review.server.db.xcoms import values_are_in_the_row
from airflow_hitl_review.server.reviews.being_made import MAX_BEING_MADE, being_made
from airflow_hitl_review.server.reviews.inbox_counts import MANY, Totals
from airflow_hitl_review.server.reviews.inbox_filters import Filters
from airflow_hitl_review.server.reviews.open_reviews import OpenReviews
from hitl_rendering.review_words import searched

_T = TypeVar("_T")
_TIME: TypeAdapter[datetime] = TypeAdapter(Time)
_WAITING = SessionStatus.PENDING_REVIEW


class ReviewList(BaseModel):
    """A page of the inbox, and what a client needs around it.

    Attributes:
        sessions: the page.
        total_entries: how many reviews the filters leave in all.
        waiting: how many wait for a decision of those that the caller may read, whatever the filters; None
            where XCom values are not in the database, so that it cannot count them.
        dag_ids: the DAGs that have reviews and that the caller may read, sorted.
        being_made: tasks that make their first output and say so, 50 at most; only on the first
            page, and not if the list has only reviews in some status.
    """

    sessions: list[ReviewSummary]
    total_entries: int
    waiting: int | None
    dag_ids: list[str]
    being_made: list[FirstOutput] = []


def count_reviews(open_reviews: OpenReviews, db: Session | None = None) -> Totals:
    """Count the reviews; where they are many, bring what is known of the open ones up to date.

    Args:
        open_reviews: those of this process.
        db: an open session; None for a transaction of its own.
    """
    if db is None:
        with transaction() as own:
            return count_reviews(open_reviews, own)
    start = time.monotonic()
    sessions = count_by_dag(db)
    if sum(sessions.values()) > MANY and open_reviews.reconcile(db):
        return Totals(start, sessions, open_reviews.counts(), open_reviews)
    active = count_active_sessions(db, sessions, _WAITING.value) if values_are_in_the_row() else None
    return Totals(start, sessions, active)


def list_reviews(db: Session, user: BaseUser, filters: Filters, totals: Totals) -> ReviewList:
    """List the reviews that ``user`` may read; the number of SQL statements does not depend on their number."""
    started = being_made(db, filters)
    readable = set(readable_dags(db, user, list({*totals.sessions, *(one.dag_id for one in started)})))
    dag_ids = sorted(readable & set(totals.sessions))
    # With a custom XCom backend, the row holds a reference, so SQL cannot read fields of a session.
    in_sql = totals.active is not None
    active = None
    if totals.active is not None:
        active = {dag_id: totals.active[dag_id] for dag_id in dag_ids if dag_id in totals.active}
    text, in_output = searched(filters.text or "")
    wanted = SessionFilter(
        dag_ids=[dag_id for dag_id in dag_ids if filters.dag_id in (None, dag_id)],
        statuses=[status.value for status in filters.statuses] if in_sql else (),
        text=text or None,
        in_output=in_output,
        include_ended=filters.include_ended,
    )
    if not wanted.dag_ids:
        reviews, total = list[ReviewSummary](), 0
    elif totals.open_reviews is not None and (found := totals.open_reviews.page(db, wanted, filters)) is not None:
        reviews, total = _summaries(found[0]), found[1]
    elif not in_sql and (filters.statuses or filters.by_time):
        reviews, total = _from_values(db, wanted, filters)
    elif filters.by_time:
        reviews, total = _from_times(db, wanted, filters, filters.by_time)
    else:
        reviews = _from_columns(db, wanted, filters)
        total = _total(db, wanted, active)
    return ReviewList(
        sessions=reviews,
        total_entries=total,
        waiting=sum(count.in_status for count in active.values()) if active is not None else None,
        dag_ids=dag_ids,
        being_made=[one for one in started if one.dag_id in readable][:MAX_BEING_MADE],
    )


def _total(db: Session, wanted: SessionFilter, active: Mapping[str, ActiveCount] | None) -> int:
    """Number of sessions that match ``wanted``, from the existing counts where possible."""
    if active is not None and not wanted.text and not wanted.include_ended:
        counts = [active[dag_id] for dag_id in wanted.dag_ids if dag_id in active]
        if not wanted.statuses:
            return sum(count.every for count in counts)
        if set(wanted.statuses) == {_WAITING.value}:
            return sum(count.in_status for count in counts)
    return count_sessions(db, wanted)


def _from_columns(db: Session, wanted: SessionFilter, filters: Filters) -> list[ReviewSummary]:
    """A page that the database sorts."""
    rows = list_session_rows(
        db,
        wanted,
        order_by=filters.column,
        descending=filters.descending,
        limit=filters.limit,
        offset=filters.offset,
    )
    return _summaries(rows)


def _from_times(
    db: Session,
    wanted: SessionFilter,
    filters: Filters,
    field: Literal["created_at", "deadline_at"],
) -> tuple[list[ReviewSummary], int]:
    """A page sorted by a time inside the sessions: reads that time of all sessions, then the page."""

    def time_of(one: SessionTime) -> datetime | None:
        return _parse_time(one.written) or (one.timestamp if field == "created_at" else None)

    times = list_session_times(db, wanted, field)
    page = _page(in_order_of(times, time_of, descending=filters.descending), filters)
    return _summaries(load_session_rows(db, [one.id for one in page])), len(times)


def _from_values(db: Session, wanted: SessionFilter, filters: Filters) -> tuple[list[ReviewSummary], int]:
    """A page where SQL cannot read fields of a session: reads all that match the other filters."""
    rows = list_session_rows(db, wanted, order_by=filters.column, descending=filters.descending)
    reviews = [r for r in _summaries(rows) if not filters.statuses or r.status in filters.statuses]
    if filters.by_time:
        by_key = sorted(reviews, key=lambda r: (r.dag_id, r.run_id, r.task_id, r.map_index))
        reviews = in_order_of(by_key, attrgetter(filters.by_time), descending=filters.descending)
    return _page(reviews, filters), len(reviews)


def in_order_of(items: Iterable[_T], time_of: Callable[[_T], datetime | None], *, descending: bool) -> list[_T]:
    """Sort ``items`` by a time, those without one last; stable."""
    timed: list[tuple[float, _T]] = []
    timeless: list[_T] = []
    for item in items:
        at = time_of(item)
        if at is None:
            timeless.append(item)
        else:
            timed.append((at.timestamp(), item))
    timed.sort(key=itemgetter(0), reverse=descending)
    return [item for _, item in timed] + timeless


def _page(items: list[_T], filters: Filters) -> list[_T]:
    return items[filters.offset : filters.offset + filters.limit]


def _parse_time(written: object) -> datetime | None:
    try:
        return _TIME.validate_python(written) if written is not None else None
    except ValidationError:
        return None


def _summaries(rows: Iterable[SessionRow]) -> list[ReviewSummary]:
    return [review for row in rows if (review := _summary(row)) is not None]


def _summary(row: SessionRow) -> ReviewSummary | None:
    try:
        return summarize(row.key, row.task_state, row.stored)
    except (ValidationError, UnreadableXComError):
        # Somebody wrote something else under our key, or it is unreadable for now: it must not hide the others.
        return None
