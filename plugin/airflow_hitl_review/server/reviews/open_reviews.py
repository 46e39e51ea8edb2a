"""The open reviews in memory, for the filters and orders that the database has no index for.

The status, the times and the prompt of a review are inside its session: to filter or sort by them, the database
must read all sessions, 0.3 to 1 s for 100,000. So where there are many, each API server process keeps what it needs
of them in a table of an SQLite database in memory. Each request first reads what has been written since the last
one. A task can also end, or be cleared, without a write of its session: then its review is missing in what a
request reads of its page, and is forgotten; the others of this kind are found when the reviews are counted.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Collection, Sequence
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from airflow_hitl_review.core.review import ACTIVE_STATES
from airflow_hitl_review.core.texts import Time
from airflow_hitl_review.server.db.open_review_queries import (
    MAX_PROMPT_LENGTH,
    OpenReview,
    can_be_kept,
    load_open_reviews,
    open_review_times,
)
from airflow_hitl_review.server.db.review_queries import (
    ActiveCount,
    SessionFilter,
    SessionId,
    SessionRow,
    load_session_rows,
)
from airflow_hitl_review.server.db.transactions import Session, utcnow
from airflow_hitl_review.server.reviews.inbox_filters import Filters
from airflow_hitl_review.server.reviews.scan_window import OVERLAP

_Row = tuple[object, ...]

_TIME: TypeAdapter[datetime] = TypeAdapter(Time)

_TABLE = """
create table review (
  dag_run_id integer, task_id text, map_index integer, dag_id text, run_id text,
  status text, created_at real, updated_at real, deadline_at real, words text,
  primary key (dag_run_id, task_id, map_index)
);
create index by_status on review (dag_id, status);
create index by_update on review (updated_at);
create index by_creation on review (created_at);
create index first_due on review (deadline_at is null, deadline_at, dag_run_id, task_id, map_index);
create index last_due on review (deadline_at is null, deadline_at desc, dag_run_id, task_id, map_index);
"""

_INSERT = "insert or replace into review values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

_BETWEEN_WORDS = "\0"
"""Stands between the ids and the prompt, so that no text is found across two of them: no request has a NUL."""

FEW = 1_000
"""So many reviews at most are sorted when they are found; of more, a page is found in the order of an index."""

_ATTEMPTS = 3
"""How often a page is looked for anew because reviews of it have gone."""


class OpenReviews:
    """The open reviews; one object per API server process, for all of its threads."""

    def __init__(self) -> None:
        self._reconciling = threading.Lock()
        self._lock = threading.Lock()
        self._table = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._table.executescript(_TABLE)
        self._written: dict[SessionId, datetime] = {}
        self._too_long: set[SessionId] = set()
        self._seen: datetime | None = None
        self._refreshed_at = float("-inf")
        self._newly_read: set[SessionId] = set()

    def reconcile(self, db: Session) -> bool:
        """Read which reviews are open, and those of them that are not known as they are.

        Requests go on meanwhile; what they read is newer.

        Returns:
            Whether they can be kept; otherwise there are none.
        """
        if not can_be_kept(db):
            return False
        with self._reconciling:
            self._newly_read = set()
            now = utcnow()
            times = open_review_times(db, None)
            reviews = self._changed(db, times)
            rows = [_row(one) for one in reviews]
            with self._lock:
                self._forget(self._written.keys() - times.keys() - self._newly_read)
                newer = self._newly_read
                self._keep([(one, row) for one, row in zip(reviews, rows, strict=True) if one.id not in newer])
                self._seen = max(now, self._seen or now)
        return True

    def counts(self) -> dict[str, ActiveCount]:
        """The number of reviews by DAG, and of those that wait for a decision."""
        query = "select dag_id, count(*), sum(status = 'pending_review') from review group by dag_id"
        with self._lock:
            rows = self._table.execute(query).fetchall()
        return {dag_id: ActiveCount(every, some or 0) for dag_id, every, some in rows}

    def page(self, db: Session, wanted: SessionFilter, filters: Filters) -> tuple[list[SessionRow], int] | None:
        """A page of the reviews that match, and their number.

        Returns:
            None if only the database can tell: the reviews have not been read, or the filters need more of them.
        """
        if wanted.include_ended or wanted.in_output or not (filters.by_time or filters.column == "updated_at"):
            return None
        arrived = time.monotonic()
        with self._lock:
            if self._seen is None or (wanted.text and self._too_long):
                return None
            if self._refreshed_at < arrived:  # otherwise another request has begun to in the meantime
                began, now = time.monotonic(), utcnow()
                changed = self._changed(db, open_review_times(db, self._seen - OVERLAP))
                self._keep([(one, _row(one)) for one in changed])
                self._newly_read |= {one.id for one in changed}
                self._seen, self._refreshed_at = max(now, self._seen), began
        for _ in range(_ATTEMPTS):
            with self._lock:
                ids, total = self._find(wanted, filters)
            rows = load_session_rows(db, ids)
            open_rows = [row for row in rows if row.task_state in ACTIVE_STATES]
            if len(open_rows) == len(ids):
                break
            with self._lock:
                self._forget(set(ids) - {row.id for row in open_rows})
        return open_rows, total

    def _find(self, wanted: SessionFilter, filters: Filters) -> tuple[list[SessionId], int]:
        where, values = [f"dag_id in ({', '.join('?' * len(wanted.dag_ids))})"], list[object](wanted.dag_ids)
        if wanted.statuses:
            where.append(f"status in ({', '.join('?' * len(wanted.statuses))})")
            values += wanted.statuses
        if wanted.text:
            where.append("instr(words, ?)")
            values.append(wanted.text.lower())
        matching, column = " and ".join(where), filters.by_time or "updated_at"
        order = f"{column} desc" if filters.descending else column
        # Ties are sorted as the database's queries sort them.
        order += (
            ", dag_id, run_id, task_id, map_index" if column == "updated_at" else ", dag_run_id, task_id, map_index"
        )
        if column == "deadline_at":
            order = f"deadline_at is null, {order}"
        some = f"select rowid from review where {matching} limit {FEW + 1}"  # noqa: S608 - it has no values
        rowids = [rowid for (rowid,) in self._table.execute(some, values)]
        total = len(rowids)
        if total <= FEW:  # in the order of an index, nearly all reviews would be read to find these
            matching, values = f"rowid in ({', '.join('?' * total)})", rowids
        else:
            counted = f"select count(*) from review where {matching}"  # noqa: S608 - likewise
            (total,) = self._table.execute(counted, values).fetchone()
            matching = f"+{matching}"  # not by the DAG's index, but by that of the order
        found = (
            f"select dag_run_id, task_id, map_index from review where {matching} "  # noqa: S608 - likewise
            f"order by {order} limit ? offset ?"
        )
        return self._table.execute(found, [*values, filters.limit, filters.offset]).fetchall(), total

    def _changed(self, db: Session, times: dict[SessionId, datetime]) -> list[OpenReview]:
        """Load those reviews among these that are not known as they are."""
        changed = [id_ for id_, at in times.items() if self._written.get(id_) != at]
        return list(load_open_reviews(db, changed)) if changed else []

    def _keep(self, reviews: Sequence[tuple[OpenReview, _Row]]) -> None:
        self._table.execute("begin")
        self._table.executemany(_INSERT, [row for _, row in reviews])
        self._table.execute("commit")
        for one, _ in reviews:
            self._written[one.id] = one.written_at
            if (one.prompt_length or 0) > MAX_PROMPT_LENGTH:
                self._too_long.add(one.id)
            else:
                self._too_long.discard(one.id)

    def _forget(self, ids: Collection[SessionId]) -> None:
        self._table.execute("begin")
        self._table.executemany("delete from review where (dag_run_id, task_id, map_index) = (?, ?, ?)", list(ids))
        self._table.execute("commit")
        for id_ in ids:
            self._written.pop(id_, None)
        self._too_long.difference_update(ids)


def _row(one: OpenReview) -> _Row:
    """As it stands in the table."""
    words = _BETWEEN_WORDS.join((one.dag_id, one.run_id, one.id[1], one.prompt or "")).lower()
    updated = one.written_at.timestamp()
    created = _seconds(one.created_at)
    times = updated if created is None else created, updated, _seconds(one.deadline_at)
    return *one.id, one.dag_id, one.run_id, one.status, *times, words


def _seconds(written: str | None) -> float | None:
    """A time that stands in a session, as seconds since 1970; None if it is none."""
    try:
        return _TIME.validate_python(written).timestamp() if written is not None else None
    except ValidationError:
        return None
