"""The list of reviews as a page."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from airflow_hitl_review.core.review import FirstOutput, ReviewSummary
from airflow_hitl_review.core.schema import is_reviewer
from airflow_hitl_review.core.site import query_of
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.reviews.inbox import ReviewList
from airflow_hitl_review.server.reviews.inbox_filters import Filters
from airflow_hitl_review.web.pages.templates import fill
from hitl_rendering.one_line import title_of
from hitl_rendering.review_words import (
    BEING_MADE,
    NO_MATCH,
    ORDER_WORDS,
    SEARCH_HELP,
    STATUS_WORDS,
    Tone,
    round_words,
    state_of,
    task_name,
)


@dataclass(frozen=True)
class Row:
    """One review of the list.

    Attributes:
        for_you: as in ``state_of``.
    """

    review: ReviewSummary
    for_you: bool | None

    @property
    def query(self) -> str:
        """The query string for the review's page."""
        review = self.review
        return query_of(TaskKey(review.dag_id, review.run_id, review.task_id, review.map_index))

    @property
    def title(self) -> str:
        """What the prompt says first; the task instance's name without a prompt."""
        return title_of(self.review.prompt) or self.name

    @property
    def name(self) -> str:
        """The task instance's name."""
        return task_name(self.review)

    @property
    def round(self) -> str:
        """Which output it is at."""
        return round_words(self.review.iteration, self.review.max_iterations)

    @property
    def tone(self) -> Tone:
        """The colour of its state."""
        return self._state[0]

    @property
    def words(self) -> str:
        """Its state in words."""
        return self._state[1]

    @property
    def _state(self) -> tuple[Tone, str]:
        review = self.review
        return state_of(
            review.status.value,
            task_completed=review.task_completed,
            for_you=self.for_you,
            edited=review.edited,
            channel=review.channel,
            request_kind=review.request_kind,
        )

    @property
    def excerpt(self) -> str:
        """The start of the output."""
        return self.review.output_excerpt


@dataclass(frozen=True)
class FirstRow:
    """One task of the list that makes its first output."""

    first: FirstOutput

    @property
    def query(self) -> str:
        """The query string for its page."""
        first = self.first
        return query_of(TaskKey(first.dag_id, first.run_id, first.task_id, first.map_index))

    @property
    def name(self) -> str:
        """The task instance's name."""
        return task_name(self.first)


def query_for(filters: Filters) -> str:
    """The list's query string for these filters, without default values."""
    usual = Filters()
    pairs: list[tuple[str, object]] = [("status", status.value) for status in filters.statuses]
    named = {
        "dag_id": filters.dag_id,
        "q": filters.text,
        "include_ended": "true" if filters.include_ended else None,
        "order_by": filters.order_by if filters.order_by != usual.order_by else None,
        "limit": filters.limit if filters.limit != usual.limit else None,
        "offset": filters.offset or None,
    }
    pairs += [(name, value) for name, value in named.items() if value is not None]
    return urlencode(pairs)


def address_of(filters: Filters) -> str:
    """The list's URL, relative to another page of ours."""
    query = query_for(filters)
    return f"inbox?{query}" if query else "inbox"


def page(reviews: ReviewList, filters: Filters, version: str, *, user_id: str, decidable: Collection[str]) -> str:
    """Render the whole page.

    Args:
        reviews: what it lists.
        filters: what the reader asked for.
        version: identifies the state of the list that it shows.
        user_id: the reader's id.
        decidable: the listed DAGs whose reviews the reader may decide.
    """

    def for_you(review: ReviewSummary) -> bool | None:
        if not is_reviewer(user_id, review.reviewers):
            return False
        return True if review.dag_id in decidable else None

    following = filters.offset + filters.limit
    orders = {**ORDER_WORDS, filters.order_by: ORDER_WORDS.get(filters.order_by, filters.order_by)}
    return fill(
        "inbox.html",
        page=reviews,
        version=version,
        rows=[Row(review, for_you(review)) for review in reviews.sessions],
        being_made=[FirstRow(one) for one in reviews.being_made],
        words_being_made=BEING_MADE,
        filters=filters,
        statuses=STATUS_WORDS,
        dag_ids=sorted({*reviews.dag_ids, *([filters.dag_id] if filters.dag_id else [])}),
        orders=orders,
        no_match=NO_MATCH,
        search_help=SEARCH_HELP,
        is_filtered=bool(filters.statuses or filters.dag_id or filters.text),
        first=address_of(replace(filters, offset=0)),
        previous=(
            address_of(replace(filters, offset=max(0, filters.offset - filters.limit))) if filters.offset else None
        ),
        next=address_of(replace(filters, offset=following)) if following < reviews.total_entries else None,
    )
