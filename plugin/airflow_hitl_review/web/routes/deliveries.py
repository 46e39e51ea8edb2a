"""Routes that list webhook deliveries, resend events, and test an endpoint."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import BaseModel, Field

from airflow_hitl_review.core.webhook_endpoints import Webhook
from airflow_hitl_review.server.db.audit_log import write_audit_log
from airflow_hitl_review.server.db.task_instances import load_task_instance
from airflow_hitl_review.server.db.transactions import transaction
from airflow_hitl_review.server.delivery import delivery_log, endpoint_trial
from airflow_hitl_review.server.delivery.delivery_log import DeliveryList, DeliveryRecord, ListedStatus
from airflow_hitl_review.server.delivery.endpoint_trial import TestResult
from airflow_hitl_review.web.http import error_schemas
from airflow_hitl_review.web.http.dependencies import (
    CurrentUser,
    OptionalTask,
    may_decide,
    require_connection,
    require_decidable,
)
from airflow_hitl_review.web.http.field_limits import MAX_URL_LENGTH, Id, Limit, Offset, Text
from airflow_hitl_review.web.http.request_limits import PlainJsonRoute
from airflow_hitl_review.web.services import CurrentServices

router = APIRouter(route_class=PlainJsonRoute)


class ResendBody(BaseModel):
    """Body of a resend; may be left out."""

    endpoint: Text | None = Field(
        default=None,
        max_length=MAX_URL_LENGTH,
        description="Only to this endpoint; default: all endpoints of the event",
    )


class TestBody(BaseModel):
    """What to send a test event to: a connection, or a URL."""

    conn_id: Id | None = None
    url: Text | None = Field(default=None, max_length=MAX_URL_LENGTH)
    format: Id | None = Field(default=None, description="Body format; default: that of the connection")


@router.get("/deliveries", response_model=DeliveryList, responses=error_schemas.DELIVERIES)
def list_deliveries(
    user: CurrentUser,
    key: OptionalTask,
    dag_id: Annotated[Id | None, Query(description="DAG id")] = None,
    status: ListedStatus | None = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> DeliveryList:
    """Webhook events and their delivery status, newest first: of one review, of a DAG, or of all."""
    with transaction() as db:
        return delivery_log.list_deliveries(
            db, user, key=key, dag_id=dag_id, status=status, limit=limit, offset=offset
        )


@router.post("/deliveries/{event_id}/resend", response_model=DeliveryRecord, responses=error_schemas.RESEND)
def resend(
    services: CurrentServices,
    user: CurrentUser,
    event_id: Annotated[Id, Path(description="Id of the webhook event")],
    body: ResendBody | None = None,
) -> DeliveryRecord:
    """Send an event again, whatever its result was; with the same id, so receivers recognize the repeat."""
    endpoint = body.endpoint if body is not None else None
    with transaction() as db:
        row = delivery_log.find_event(db, event_id, partial(may_decide, user))
        require_decidable(user, row.key)
    record = delivery_log.resend(row, endpoint)
    with transaction() as db:
        task_instance = load_task_instance(db, row.key)
        if task_instance is not None:
            extra = {
                "event_id": record.event_id,
                "type": record.type,
                "endpoint": endpoint,
                "user_id": str(user.get_id()),
            }
            write_audit_log(db, task_instance, event="hitl_review.resend", user=user, extra=extra)
    services.dispatcher.nudge()
    return record


@router.post("/webhooks/test", response_model=TestResult, responses=error_schemas.WEBHOOK)
def test(services: CurrentServices, user: CurrentUser, body: TestBody) -> TestResult:
    """Send a ``hitl_review.delivery.test`` event to an endpoint, once, and return the result."""
    try:
        webhook = Webhook(url=body.url or None, conn_id=body.conn_id or None, format=body.format or None)
    except ValueError as error:
        raise HTTPException(422, str(error)) from None
    require_connection(user, webhook.conn_id)
    try:
        return endpoint_trial.try_out(webhook, services.webhook_settings)
    except LookupError as error:
        raise HTTPException(404, f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
