"""Query parameters of the inbox, shared by the API and the page."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Depends, Query

from airflow_hitl_review.core.states import SessionStatus
from airflow_hitl_review.server.reviews.inbox_filters import Filters, OrderBy
from airflow_hitl_review.web.http.field_limits import MAX_SEARCH_LENGTH, Id, Limit, Offset, Text


def api_filters(
    status: Annotated[
        list[SessionStatus | Literal[""]] | None,
        Query(description="Only reviews in this status; repeat it to allow several; empty: any status"),
    ] = None,
    dag_id: Annotated[Id | None, Query(description="Only reviews of this DAG")] = None,
    q: Annotated[
        Text | None,
        Query(
            max_length=MAX_SEARCH_LENGTH,
            description="Text in an id or the prompt; with the word in:output, also in the current output",
        ),
    ] = None,
    include_ended: Annotated[bool, Query(description="Also reviews whose task has ended")] = False,
    limit: Limit = 50,
    offset: Offset = 0,
    order_by: Annotated[
        OrderBy, Query(description="A minus sign reverses the order; reviews without a deadline always come last")
    ] = "-updated_at",
) -> Filters:
    """Parse the filters of a query; an empty value counts as none, as forms send one for each empty field."""
    statuses = tuple(one for one in status or () if one)
    return Filters(statuses, dag_id or None, q or None, include_ended, limit, offset, order_by)


InboxFilters = Annotated[Filters, Depends(api_filters)]
