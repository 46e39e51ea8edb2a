"""What of each open review lists are filtered and sorted by, without the reviews' outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from airflow_hitl_review.core.review import ACTIVE_STATES
from airflow_hitl_review.core.schema import SESSION_KEY
from airflow_hitl_review.server.db.review_queries import SESSION_ID, SessionId, inside, with_summaries
from airflow_hitl_review.server.db.xcoms import same_task, values_are_in_the_row

MAX_PROMPT_LENGTH = 2_000
"""Characters of a prompt that ``OpenReview`` has."""

_BATCH = 500
"""Reviews in one statement, where only some are read."""

_FEW = 10 * _BATCH
"""From so many on, one statement that reads all open reviews is quicker than one for each batch."""


@dataclass(frozen=True)
class OpenReview:
    """What lists are filtered and sorted by.

    Attributes:
        id: identifies the row for ``load_session_rows``.
        dag_id: the DAG.
        run_id: the run.
        written_at: the row's timestamp.
        status: as its writer wrote it.
        created_at: text of the time in the session, ISO 8601 if its writer follows the schema; None if missing.
        deadline_at: likewise.
        prompt: the first ``MAX_PROMPT_LENGTH`` characters.
        prompt_length: how many there are.
    """

    id: SessionId
    dag_id: str
    run_id: str
    written_at: datetime
    status: str | None
    created_at: str | None
    deadline_at: str | None
    prompt: str | None
    prompt_length: int | None


def can_be_kept(db: Session) -> bool:
    """Whether SQL can return fields of each session.

    SQLite stores half of a surrogate pair, and then fails when it returns it, with all others of the query.
    """
    return values_are_in_the_row() and db.get_bind().dialect.name != "sqlite"


def open_review_times(db: Session, since: datetime | None) -> dict[SessionId, datetime]:
    """When each open review was last written.

    Args:
        db: an open session.
        since: only those that were written then or later; None for all.
    """
    query = _of_open_reviews(select(*SESSION_ID, XComModel.timestamp))
    if since is not None:
        query = query.where(XComModel.timestamp >= since)
    return {(run, task, index): at for run, task, index, at in db.execute(query).all()}


def load_open_reviews(db: Session, ids: Sequence[SessionId]) -> Iterator[OpenReview]:
    """Load open reviews, and perhaps others beside them; needs ``can_be_kept()``."""
    prompt = inside("prompt")
    query = with_summaries(
        _of_open_reviews(
            select(
                *SESSION_ID,
                XComModel.dag_id,
                XComModel.run_id,
                XComModel.timestamp,
                inside("status"),
                inside("created_at"),
                inside("deadline_at"),
                func.substr(prompt, 1, MAX_PROMPT_LENGTH),
                func.char_length(prompt),
            )
        )
    )
    batches: list[Any] = [None]
    if len(ids) <= _FEW:
        batches = [tuple_(*SESSION_ID).in_(ids[start : start + _BATCH]) for start in range(0, len(ids), _BATCH)]
    for only in batches:
        for run, task, index, *others in db.execute(query if only is None else query.where(only)):
            yield OpenReview((run, task, index), *others)


def _of_open_reviews(query: Any) -> Any:
    return query.join(TaskInstance, same_task()).where(
        XComModel.key == SESSION_KEY, TaskInstance.state.in_(ACTIVE_STATES)
    )
