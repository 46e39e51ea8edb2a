"""What a task does while it makes an output that nobody has seen."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from airflow_hitl_review.core.progress import Progress
from airflow_hitl_review.web.http import error_schemas
from airflow_hitl_review.web.http.dependencies import ReadableTask
from airflow_hitl_review.web.http.request_limits import PlainJsonRoute
from airflow_hitl_review.web.live.progress import of_next
from airflow_hitl_review.web.services import CurrentServices

LEASE_SECONDS = 15.0
"""How long somebody who asks counts as waiting."""

router = APIRouter(route_class=PlainJsonRoute)


class ReviewProgress(BaseModel):
    """What a task does just now.

    Attributes:
        version: changes with the review: then there is something else to read than progress.
        being_made: whether the task makes an output, the next one or the first.
        progress: what it says of that, if it says something.
    """

    version: str
    being_made: bool
    progress: Progress | None


@router.get("/sessions/progress", response_model=ReviewProgress, responses=error_schemas.REVIEW)
async def progress(key: ReadableTask, services: CurrentServices) -> ReviewProgress:
    """What the task does for the next output; from memory, so that it can be asked for every second."""
    review = await services.watchers.reviews.value(key, keep_seconds=LEASE_SECONDS)
    doing = None
    if review.is_being_made:
        now = await services.watchers.progress.value(key, keep_seconds=LEASE_SECONDS)
        doing = of_next(now, review.review).progress
    return ReviewProgress(version=review.version, being_made=review.is_being_made, progress=doing)
