"""The REST API and the pages, mounted by Airflow at ``/hitl-review``.

Routes that touch the database are plain ``def``, so FastAPI runs them in threads: Airflow's sessions are
synchronous, and one that waits for a lock inside ``async def`` would stop the whole server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from airflow_hitl_review import delivery_routes, internals, review_routes
from airflow_hitl_review.answers import taken_as_decisions
from airflow_hitl_review.decisions import ConflictError, SessionNotFoundError
from airflow_hitl_review.deliveries import EndpointNotFoundError, EventNotFoundError
from airflow_hitl_review.dispatcher import Dispatcher
from airflow_hitl_review.pages import assets, errors
from airflow_hitl_review.pages import routes as page_routes
from airflow_hitl_review.pages.watchers import Watchers
from airflow_hitl_review.schema import TaskKey
from airflow_hitl_review.settings import WebhookSettings
from airflow_hitl_review.waker import Waker
from hitl_webhooks import HITLWebhookError


def create_app() -> FastAPI:
    """Make the app. Nothing is read or started before Airflow enters its lifespan."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.waker = Waker(float(internals.option("wake_sweep_interval", "10")))
        app.state.webhook_settings = WebhookSettings.read(internals.option)
        app.state.dispatcher = Dispatcher(app.state.webhook_settings)
        app.state.dispatcher.start()
        app.state.watchers = Watchers()
        tasks = [
            asyncio.create_task(app.state.waker.run(), name="hitl-review-waker"),
            asyncio.create_task(app.state.watchers.run(), name="hitl-review-watchers"),
        ]

        def decided(key: TaskKey) -> None:
            app.state.waker.wake_later(key)
            app.state.watchers.nudge()

        try:
            with taken_as_decisions(decided):
                yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.to_thread(app.state.dispatcher.stop)
            for task in tasks:
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

    @app.exception_handler(EventNotFoundError)
    @app.exception_handler(EndpointNotFoundError)
    def no_event(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=404)

    @app.exception_handler(HITLWebhookError)
    def unusable_endpoint(_: Request, error: HITLWebhookError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=422)

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Whether the plugin is served; open to all."""
        return {"status": "ok"}

    app.include_router(review_routes.router)
    app.include_router(delivery_routes.router)
    app.include_router(page_routes.router)
    app.mount("/assets", assets.files(), name="assets")
    errors.install(app)
    return app
