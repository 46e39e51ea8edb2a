"""The REST API and the pages, mounted by Airflow at ``[hitl_review] url_prefix``.

Routes that use the database are plain ``def``, so FastAPI runs them in threads: Airflow's sessions are
synchronous, and waiting for a lock inside ``async def`` would block the whole server.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from airflow_hitl_review.core import ai_provider
from airflow_hitl_review.core.options import WebhookSettings, is_on, seconds
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db import auth, transactions
from airflow_hitl_review.server.db.auth import everybody_is_logged_in
from airflow_hitl_review.server.db.stats import start_stats, stats, stats_are_sent
from airflow_hitl_review.server.db.transactions import option
from airflow_hitl_review.server.delivery.delivery_log import EndpointNotFoundError, EventNotFoundError
from airflow_hitl_review.server.delivery.dispatcher import Dispatcher
from airflow_hitl_review.server.reviews.decisions import ConflictError, NotAReviewerError, SessionNotFoundError
from airflow_hitl_review.server.reviews.edits import InvalidEditError
from airflow_hitl_review.server.reviews.inbox import count_reviews
from airflow_hitl_review.server.reviews.inbox_counts import Counter, send_pending
from airflow_hitl_review.server.reviews.open_reviews import OpenReviews
from airflow_hitl_review.server.reviews.resumer import Resumer
from airflow_hitl_review.web import services
from airflow_hitl_review.web.ag_ui import routes as ag_ui_routes
from airflow_hitl_review.web.http.conditional import LastETags
from airflow_hitl_review.web.http.csrf import CSRFCheck
from airflow_hitl_review.web.http.dependencies import CurrentUser
from airflow_hitl_review.web.http.error_schemas import (
    Conflict,
    DecisionConflict,
    EditError,
    InvalidEdit,
    NoReview,
    ReviewNotFound,
)
from airflow_hitl_review.web.http.request_limits import LimitedBodies, no_nul_in_address
from airflow_hitl_review.web.live.watchers import Watchers
from airflow_hitl_review.web.pages import assets
from airflow_hitl_review.web.pages import routes as page_routes
from airflow_hitl_review.web.pages.responses import install_error_handlers
from airflow_hitl_review.web.pages.review_view import load_view
from airflow_hitl_review.web.required_actions import taken_as_decisions
from airflow_hitl_review.web.routes import deliveries, progress, reviews
from airflow_hitl_review.web.services import Services
from hitl_webhooks import HITLWebhookError

log = logging.getLogger(__name__)


def create_app() -> FastAPI:
    """Create the app; it reads only URL settings, and starts nothing before Airflow enters its lifespan."""

    site = transactions.site()
    csrf = CSRFCheck.read(auth.origins(), bearer_is_explicit=not everybody_is_logged_in())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        log.info(ai_provider.what_happens(site, review_tab=is_on("review_tab", option)))
        settings = WebhookSettings.read(option)
        running = Services(
            resumer=Resumer(seconds("wake_sweep_interval", option)),
            webhook_settings=settings,
            dispatcher=Dispatcher(settings),
            watchers=Watchers(load_view),
            last_etags=LastETags(),
            counter=Counter(partial(count_reviews, OpenReviews())),
        )
        services.install(app, running)
        running.dispatcher.start()
        tasks = [
            asyncio.create_task(running.resumer.run(), name="hitl-review-resumer"),
            asyncio.create_task(running.watchers.run(), name="hitl-review-watchers"),
        ]
        if stats_are_sent():
            start_stats()
            gauge = send_pending(stats(), running.counter.totals)
            tasks.append(asyncio.create_task(gauge, name="hitl-review-pending"))

        def decided(key: TaskKey) -> None:
            running.resumer.wake_later(key)
            running.watchers.nudge()

        try:
            with taken_as_decisions(decided):
                yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.to_thread(running.dispatcher.stop)
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task

    app = FastAPI(
        title="HITL review",
        description="Reviews of Airflow task outputs: list, read, approve, reject, ask for changes.",
        lifespan=lifespan,
        dependencies=[Depends(csrf.check), Depends(no_nul_in_address)],
        # FastAPI would serve these without authentication, and its pages run third-party scripts on our origin.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )

    app.add_middleware(LimitedBodies)

    @app.exception_handler(SessionNotFoundError)
    def not_found(_: Request, error: SessionNotFoundError) -> JSONResponse:
        detail = NoReview(message=str(error), task_active=error.task_active)
        return JSONResponse(ReviewNotFound(detail=detail).model_dump(mode="json"), status_code=404)

    @app.exception_handler(NotAReviewerError)
    def not_a_reviewer(_: Request, error: NotAReviewerError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=403)

    @app.exception_handler(ConflictError)
    def conflict(_: Request, error: ConflictError) -> JSONResponse:
        detail = Conflict(message=str(error), decided_by=error.session.decided_by, session=error.session)
        return JSONResponse(DecisionConflict(detail=detail).model_dump(mode="json"), status_code=409)

    @app.exception_handler(InvalidEditError)
    def invalid_edit(_: Request, error: InvalidEditError) -> JSONResponse:
        errors = [EditError(path=list(one.path), message=one.message) for one in error.errors]
        return JSONResponse(InvalidEdit(detail=str(error), errors=errors).model_dump(), status_code=422)

    @app.exception_handler(EventNotFoundError)
    @app.exception_handler(EndpointNotFoundError)
    def no_event(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=404)

    @app.exception_handler(HITLWebhookError)
    def unusable_endpoint(_: Request, error: HITLWebhookError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=422)

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Whether the plugin is running; needs no token."""
        return {"status": "ok"}

    @app.get("/openapi.json", include_in_schema=False)
    def schema(user: CurrentUser) -> dict[str, Any]:
        """The REST API as an OpenAPI document."""
        return {**app.openapi(), "servers": [{"url": site.path}]}

    app.include_router(reviews.router)
    app.include_router(progress.router)
    app.include_router(ag_ui_routes.router)
    app.include_router(deliveries.router)
    app.include_router(page_routes.router)
    app.mount("/assets", assets.files(), name="assets")
    # Only where this app replaces the provider's. The provider uses "/static", so our files are elsewhere.
    if not site.is_moved and (bundle := assets.provider_files()) is not None:
        app.mount("/static", bundle, name="provider")
    install_error_handlers(app)
    return app
