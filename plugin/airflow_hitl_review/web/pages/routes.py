"""Routes of the pages, and of their live updates.

The latter are ``async def``, unlike all other routes: they only wait for the watcher, whose threads query the
database. Hundreds of open pages must not hold a thread each.
"""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field
from sse_starlette import EventSourceResponse

from airflow_hitl_review.core.schema import is_reviewer
from airflow_hitl_review.server.db.readable_dags import decidable_dags
from airflow_hitl_review.server.db.review_stamps import inbox_stamp
from airflow_hitl_review.server.db.transactions import transaction
from airflow_hitl_review.server.reviews.inbox import list_reviews
from airflow_hitl_review.web.http import error_schemas
from airflow_hitl_review.web.http.conditional import revalidated
from airflow_hitl_review.web.http.dependencies import CurrentUser, DecidableTask, ReadableTask, may_decide, may_read
from airflow_hitl_review.web.http.field_limits import MAX_EDIT_LENGTH, Text
from airflow_hitl_review.web.http.inbox_query import InboxFilters
from airflow_hitl_review.web.http.request_limits import PlainJsonRoute
from airflow_hitl_review.web.live.following import follow
from airflow_hitl_review.web.live.progress import of_next
from airflow_hitl_review.web.live.streams import STREAM_SECONDS, review_stream, stream
from airflow_hitl_review.web.live.watchers import INBOX, inbox_change
from airflow_hitl_review.web.pages import inbox_view, responses, review_view
from airflow_hitl_review.web.services import CurrentServices

POLL_LEASE_SECONDS = 15.0
"""How long a page that polls counts as open after each request."""

router = APIRouter(route_class=PlainJsonRoute)

Seen = Annotated[Text, Query(max_length=64, description="Version that the page has")]


class ReviewUpdate(BaseModel):
    """A review's page as it is now: where the review stands, for the script, and the page's parts as HTML.

    ``progress``: what the task does for the next output, as HTML, while it makes it.
    """

    version: str
    state: dict[str, Any]
    parts: dict[str, str]
    progress: str | None = None


class LatestPart(BaseModel):
    """The part of a review's page with the current output."""

    html: str


class EditToShow(BaseModel):
    """An edit of the current output that is not sent yet."""

    edited_output: Text = Field(max_length=MAX_EDIT_LENGTH, description="The output as edited so far")
    display_as: Text = Field(default="", max_length=64, description="How the output is shown")


class EditPreview(BaseModel):
    """The edit as it will look, and what changed by hand; both as HTML."""

    html: str
    changes: str


class InboxUpdate(BaseModel):
    """Names the list's state, so that a page sees whether it has changed."""

    version: str


@router.get("/chat-by-task", response_class=HTMLResponse, responses=error_schemas.REVIEW_PAGE)
@router.get("/chat", response_class=HTMLResponse, responses=error_schemas.REVIEW_PAGE)
def chat(request: Request, key: ReadableTask, user: CurrentUser) -> Response:
    """One review as a page. The second path is for Airflow's own links, with its placeholders in them."""
    view = review_view.load_view(key)
    html = review_view.page(
        view,
        key,
        user=user,
        may_decide=may_decide(user, key) and is_reviewer(str(user.get_id()), view.reviewers),
        inbox=responses.inbox_before(request),
    )
    found = view.state["status"] is not None or view.state["task_active"]
    return responses.page(html, 200 if found else 404)


@router.get("/chat/latest", response_model=LatestPart, responses=error_schemas.REVIEW_PART)
def latest(
    key: ReadableTask,
    display_as: Annotated[Text, Query(max_length=64, description="How the output is shown")] = "",
    changes: Annotated[Text, Query(max_length=64, description="How changes are shown")] = "",
) -> LatestPart:
    """The part of the page with the current output, shown as a reader chose."""
    return LatestPart(html=review_view.latest_html(key, display_as, changes))


@router.post("/chat/preview", response_model=EditPreview, responses=error_schemas.PREVIEW)
def preview(key: DecidableTask, body: EditToShow) -> EditPreview:
    """Show an edit of the current output before it is sent; nothing is stored."""
    html, changes = review_view.edit_preview(key, body.edited_output, body.display_as)
    return EditPreview(html=html, changes=changes)


@router.get(
    "/chat/updates", response_model=ReviewUpdate, responses={**error_schemas.UNCHANGED, **error_schemas.REVIEW}
)
async def updates(request: Request, key: ReadableTask, services: CurrentServices) -> Response:
    """What ``/chat/events`` would send now, for pages that no events reach; 304 to a known ``ETag``."""
    view = await services.watchers.reviews.value(key, keep_seconds=POLL_LEASE_SECONDS)
    if not view.is_being_made:
        return revalidated(request, view.data.encode(), "application/json", version=view.version)
    now = await services.watchers.progress.value(key, keep_seconds=POLL_LEASE_SECONDS)
    doing = of_next(now, view.review)
    body = f'{view.data.removesuffix("}")}, "progress": {json.dumps(doing.html)}}}'
    return revalidated(request, body.encode(), "application/json")


@router.get(
    "/chat/events", response_class=EventSourceResponse, responses={**error_schemas.STREAM, **error_schemas.REVIEW}
)
async def events(key: ReadableTask, user: CurrentUser, services: CurrentServices, version: Seen = "") -> Response:
    """Server-sent events of one review: ``hello`` at once, and ``change`` with the page's parts as JSON.

    While the task makes an output, also ``progress`` with what it does, as HTML in JSON.
    """

    async def allowed() -> bool:
        return await asyncio.to_thread(may_read, user, key)

    watchers = services.watchers
    updates = follow(
        watchers.reviews, watchers.progress, key, seen=version, seconds=STREAM_SECONDS, allowed=allowed
    )
    return review_stream(updates)


@router.get("/inbox", response_class=HTMLResponse, responses={**error_schemas.UNCHANGED, **error_schemas.LIST_PAGE})
def inbox(request: Request, user: CurrentUser, filters: InboxFilters, services: CurrentServices) -> Response:
    """The list of reviews as a page; its query is that of ``/sessions``."""
    with transaction() as db:
        # Read before the list: a change between the two makes the page reload, instead of being missed.
        version = inbox_change(inbox_stamp(db)).version
        totals = services.counter.totals(db)
        reviews = list_reviews(db, user, filters, totals)
        decidable = decidable_dags(db, user, sorted({review.dag_id for review in reviews.sessions}))
    html = inbox_view.page(reviews, filters, version, user_id=str(user.get_id()), decidable=decidable).encode()
    return revalidated(request, html, "text/html; charset=utf-8", headers=responses.HEADERS)


@router.get(
    "/inbox/events",
    response_class=EventSourceResponse,
    responses={**error_schemas.STREAM, **error_schemas.LOGGED_IN},
)
async def inbox_events(user: CurrentUser, services: CurrentServices, version: Seen = "") -> Response:
    """Server-sent events of the list: ``hello`` at once, and ``change`` when the list may have changed."""

    async def allowed() -> bool:
        return True  # it says only that something changed

    return stream(services.watchers.inbox, INBOX, seen=version, allowed=allowed)


@router.get("/inbox/updates", response_model=InboxUpdate, responses=error_schemas.INBOX)
async def inbox_updates(request: Request, user: CurrentUser, services: CurrentServices) -> Response:
    """What ``/inbox/events`` would send now; 304 to a known ``ETag``."""
    change = await services.watchers.inbox.value(INBOX, keep_seconds=POLL_LEASE_SECONDS)
    return revalidated(request, change.data.encode(), "application/json", version=change.version)
