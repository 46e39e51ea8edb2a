"""Routes that show what webhooks delivered, send again, and try an endpoint out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BaseModel, Field

from airflow_hitl_review import deliveries, internals
from airflow_hitl_review.access import CurrentUser, OptionalTask, require_connection, require_decidable
from airflow_hitl_review.deliveries import DeliveryList, DeliveryRecord, ListedStatus, TestResult
from airflow_hitl_review.endpoints import Webhook

router = APIRouter()

_ERRORS: dict[int | str, dict[str, Any]] = {
    401: {"description": "No token, or an expired one"},
    403: {"description": "The caller may not do this"},
    404: {"description": "No such event, endpoint or connection"},
}


class ResendBody(BaseModel):
    """Body of a resend; may be left out."""

    endpoint: str | None = Field(
        default=None, description="Only to this endpoint; to all of the event's if not given"
    )


class TestBody(BaseModel):
    """What to send a test event to: a connection, or a URL."""

    conn_id: str | None = None
    url: str | None = None
    format: str | None = Field(default=None, description="Body format, if not the connection's own")


@router.get("/deliveries", response_model=DeliveryList, responses=_ERRORS)
def list_deliveries(
    user: CurrentUser,
    key: OptionalTask,
    dag_id: str | None = None,
    status: ListedStatus | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> DeliveryList:
    """Webhook events and how their delivery stands, the newest first: of one review, of a DAG, or of all."""
    with internals.transaction() as db:
        return deliveries.list_deliveries(
            db, user, key=key, dag_id=dag_id, status=status, limit=limit, offset=offset
        )


@router.post("/deliveries/{event_id}/resend", response_model=DeliveryRecord, responses=_ERRORS)
def resend(request: Request, user: CurrentUser, event_id: str, body: ResendBody | None = None) -> DeliveryRecord:
    """Send an event again, whatever came of it before; with the same id, so that receivers know a repeat."""
    endpoint = body.endpoint if body is not None else None
    with internals.transaction() as db:
        row = deliveries.find_event(db, event_id)
        require_decidable(user, row.key)
    record = deliveries.resend(row, endpoint)
    with internals.transaction() as db:
        task_instance = internals.load_task_instance(db, row.key)
        if task_instance is not None:
            extra = {
                "event_id": record.event_id,
                "type": record.type,
                "endpoint": endpoint,
                "user_id": str(user.get_id()),
            }
            internals.write_audit_log(db, task_instance, event="hitl_review.resend", user=user, extra=extra)
    request.app.state.dispatcher.nudge()
    return record


@router.post("/webhooks/test", response_model=TestResult, responses=_ERRORS)
def test(request: Request, user: CurrentUser, body: TestBody) -> TestResult:
    """Send a ``hitl_review.delivery.test`` event to an endpoint, once, and say what came of it."""
    try:
        webhook = Webhook(url=body.url or None, conn_id=body.conn_id or None, format=body.format or None)
    except ValueError as error:
        raise HTTPException(422, str(error)) from None
    require_connection(user, webhook.conn_id)
    try:
        return deliveries.try_out(webhook, request.app.state.webhook_settings)
    except LookupError as error:
        raise HTTPException(404, f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
