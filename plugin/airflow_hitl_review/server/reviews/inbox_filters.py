"""What a reader of the list asks for: filters, order, and which page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

from airflow_hitl_review.core.states import SessionStatus
from airflow_hitl_review.server.db.review_queries import ColumnName

OrderBy = Literal[
    "updated_at",
    "-updated_at",
    "created_at",
    "-created_at",
    "deadline_at",
    "-deadline_at",
    "dag_id",
    "-dag_id",
    "run_id",
    "-run_id",
    "task_id",
    "-task_id",
]
"""A minus sign means descending order; reviews without a deadline always come last."""


@dataclass(frozen=True)
class Filters:
    """Filters and sort order of the inbox.

    Attributes:
        statuses: only reviews in one of these statuses; all if empty.
        dag_id: only reviews of this DAG.
        text: only reviews with this text in an id or the prompt; if it has the word ``in:output``, with its other
            words there or in the current output.
        include_ended: also reviews whose task has ended.
        limit: maximum number of reviews.
        offset: number of reviews to skip.
        order_by: see ``OrderBy``.
    """

    statuses: tuple[SessionStatus, ...] = ()
    dag_id: str | None = None
    text: str | None = None
    include_ended: bool = False
    limit: int = 50
    offset: int = 0
    order_by: OrderBy = "-updated_at"

    @property
    def by_time(self) -> Literal["created_at", "deadline_at"] | None:
        """The time inside the session to sort by, if any."""
        name = self.order_by.removeprefix("-")
        return "created_at" if name == "created_at" else "deadline_at" if name == "deadline_at" else None

    @property
    def column(self) -> ColumnName:
        """The column to sort by, if not by a time inside the session."""
        name = self.order_by.removeprefix("-")
        return "updated_at" if self.by_time else cast("ColumnName", name)

    @property
    def descending(self) -> bool:
        """Whether the order is descending."""
        return self.order_by.startswith("-")
