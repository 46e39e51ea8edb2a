"""Background services of an API server process; routes get them from the request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, FastAPI, Request

from airflow_hitl_review.core.options import WebhookSettings
from airflow_hitl_review.server.delivery.dispatcher import Dispatcher
from airflow_hitl_review.server.reviews.inbox_counts import Counter
from airflow_hitl_review.server.reviews.resumer import Resumer
from airflow_hitl_review.web.http.conditional import LastETags
from airflow_hitl_review.web.live.watchers import Watchers


@dataclass(frozen=True)
class Services:
    """The services of one process, from the start of its app to the end."""

    resumer: Resumer
    webhook_settings: WebhookSettings
    dispatcher: Dispatcher
    watchers: Watchers
    last_etags: LastETags
    counter: Counter


def install(app: FastAPI, services: Services) -> None:
    """Store the services in the app."""
    app.state.services = services


def of_app(app: FastAPI) -> Services | None:
    """The app's services; None before it has started."""
    services: Services | None = getattr(app.state, "services", None)
    return services


async def _of_request(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


CurrentServices = Annotated[Services, Depends(_of_request)]
