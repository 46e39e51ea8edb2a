"""The REST API, mounted by Airflow at ``/hitl-review``.

Routes that touch the database are plain ``def``, so FastAPI runs them in threads: Airflow's sessions are
synchronous, and one that waits for a lock inside ``async def`` would stop the whole server.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any

from fastapi import BackgroundTasks, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from airflow_hitl_review import decisions, internals
from airflow_hitl_review.access import CurrentUser, DecidableTask, ReadableTask
from airflow_hitl_review.decisions import ConflictError, SessionNotFoundError
from airflow_hitl_review.inbox import Filters, OrderBy, ReviewList, list_reviews
from airflow_hitl_review.review import ReviewResponse
from airflow_hitl_review.schema import Channel, TaskKey
from airflow_hitl_review.states import Action, SessionStatus
from airflow_hitl_review.waker import Waker

MAX_FEEDBACK_LENGTH = 100_000


class DecisionBody(BaseModel):
    """Body of an approval; may be left out."""

    iteration: int | None = Field(default=None, ge=1, description="Number of the output that the reviewer saw")
    channel: Channel = Field(default="rest", description="Where the reviewer decided")


class RejectBody(DecisionBody):
    """Body of a rejection; may be left out."""

    feedback: str = Field(default="", max_length=MAX_FEEDBACK_LENGTH, description="The reason, if any")


class FeedbackBody(DecisionBody):
    """Body of a request for changes."""

    feedback: str = Field(max_length=MAX_FEEDBACK_LENGTH, description="What to change")


def create_app() -> FastAPI:
    """Make the app. Nothing is read or started before Airflow enters its lifespan."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.waker = Waker(float(internals.option("wake_sweep_interval", "10")))
        task = asyncio.create_task(app.state.waker.run(), name="hitl-review-waker")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    app = FastAPI(
        title="HITL review",
        description="Reviews of Airflow task outputs: list, read, approve, reject, ask for changes.",
        lifespan=lifespan,
    )

    @app.exception_handler(SessionNotFoundError)
    def not_found(_: Request, error: SessionNotFoundError) -> JSONResponse:
        detail = {"message": str(error), "task_active": error.task_active}
        return JSONResponse({"detail": detail}, status_code=404)

    @app.exception_handler(ConflictError)
    def conflict(_: Request, error: ConflictError) -> JSONResponse:
        session = error.session.model_dump(mode="json")
        detail = {"message": str(error), "decided_by": session["decided_by"], "session": session}
        return JSONResponse({"detail": detail}, status_code=409)

    _add_routes(app)
    return app


def _add_routes(app: FastAPI) -> None:
    errors: dict[int | str, dict[str, Any]] = {
        401: {"description": "No token, or an expired one"},
        403: {"description": "The caller may not do this for that DAG"},
        404: {"description": "No such review; `task_active` says whether one may still appear"},
    }
    conflict: dict[int | str, dict[str, Any]] = {
        409: {"description": "Not pending, or another output is current; carries the session"}
    }

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Whether the plugin is served; open to all."""
        return {"status": "ok"}

    @app.get("/sessions", response_model=ReviewList, responses={304: {"description": "Not modified"}})
    def sessions(
        request: Request,
        user: CurrentUser,
        status: SessionStatus | None = None,
        dag_id: str | None = None,
        q: Annotated[str | None, Query(max_length=200, description="Text in an id or the prompt")] = None,
        include_ended: Annotated[bool, Query(description="Also those whose task has ended")] = False,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
        order_by: OrderBy = "-updated_at",
    ) -> Response:
        """The reviews that the caller may read, newest change first."""
        filters = Filters(status, dag_id, q, include_ended, limit, offset, order_by)
        with internals.transaction() as db:
            body = list_reviews(db, user, filters).model_dump_json().encode()
        headers = {
            "ETag": f'W/"{hashlib.sha256(body).hexdigest()[:32]}"',
            "Cache-Control": "private, no-cache",
        }
        if headers["ETag"] in (tag.strip() for tag in request.headers.get("if-none-match", "").split(",")):
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="application/json", headers=headers)

    @app.get("/sessions/find", response_model=ReviewResponse, responses=errors)
    def find(key: ReadableTask) -> ReviewResponse:
        """One review, with its conversation."""
        with internals.transaction() as db:
            return decisions.find(db, key)

    def decide(
        request: Request,
        background: BackgroundTasks,
        key: TaskKey,
        user: internals.BaseUser,
        wanted: decisions.Request,
    ) -> ReviewResponse:
        with internals.transaction() as db:
            review = decisions.decide(db, key, wanted, user, now=internals.utcnow())
        # Committed: from here on the sweep would wake the task if this process died.
        background.add_task(request.app.state.waker.wake_soon, key)
        return review

    @app.post("/sessions/feedback", response_model=ReviewResponse, responses={**errors, **conflict})
    def feedback(
        request: Request,
        background: BackgroundTasks,
        key: DecidableTask,
        user: CurrentUser,
        body: FeedbackBody,
    ) -> Response | ReviewResponse:
        """Ask for changes: the task makes the next output, and waits for a review again."""
        if not body.feedback.strip():
            return JSONResponse({"detail": "Say what to change: the feedback is empty."}, status_code=400)
        wanted = decisions.Request(Action.CHANGES_REQUESTED, body.feedback, body.iteration, body.channel)
        return decide(request, background, key, user, wanted)

    @app.post("/sessions/approve", response_model=ReviewResponse, responses={**errors, **conflict})
    def approve(
        request: Request,
        background: BackgroundTasks,
        key: DecidableTask,
        user: CurrentUser,
        body: DecisionBody | None = None,
    ) -> ReviewResponse:
        """Approve the current output: the task ends with it."""
        body = body or DecisionBody()
        wanted = decisions.Request(Action.APPROVE, "", body.iteration, body.channel)
        return decide(request, background, key, user, wanted)

    @app.post("/sessions/reject", response_model=ReviewResponse, responses={**errors, **conflict})
    def reject(
        request: Request,
        background: BackgroundTasks,
        key: DecidableTask,
        user: CurrentUser,
        body: RejectBody | None = None,
    ) -> ReviewResponse:
        """Reject: the task fails, and is not retried."""
        body = body or RejectBody()
        wanted = decisions.Request(Action.REJECT, body.feedback, body.iteration, body.channel)
        return decide(request, background, key, user, wanted)
