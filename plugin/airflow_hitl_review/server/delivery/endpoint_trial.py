"""Sends a test event to an endpoint, and says what came of it."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from airflow_hitl_review.core.endpoint_lookup import resolve, why_unusable
from airflow_hitl_review.core.options import WebhookSettings
from airflow_hitl_review.core.webhook_endpoints import Webhook
from airflow_hitl_review.server.db.connections import load_connection
from airflow_hitl_review.server.db.transactions import site, transaction, utcnow
from airflow_hitl_review.server.delivery.delivery_log import AttemptRecord
from hitl_webhooks import Attempt, Endpoint, HITLWebhookError, InvalidEndpointError
from hitl_webhooks.events import build_test_event
from hitl_webhooks.send.delivery import attempt, open_client

TEST_TIMEOUT = 10.0
"""Timeout of a test in seconds: somebody waits for its result."""


class TestResult(BaseModel):
    """What came of a test event."""

    endpoint: str
    event_id: str
    delivered: bool
    attempt: AttemptRecord


def try_out(webhook: Webhook, settings: WebhookSettings) -> TestResult:
    """Send a test event to an endpoint, once, and wait for the answer.

    Raises:
        HITLWebhookError: the address or a secret cannot be used, or the connection cannot be read.
        LookupError: there is no such connection.
    """
    endpoint = _endpoint_of(webhook, settings)
    event = build_test_event(at=utcnow(), address=site().base_url)
    done = asyncio.run(_one_attempt(endpoint, event.id, event.body, settings))
    return TestResult(
        endpoint=webhook.name, event_id=event.id, delivered=done.error is None, attempt=AttemptRecord.of(done)
    )


def _endpoint_of(webhook: Webhook, settings: WebhookSettings) -> Endpoint:
    try:
        with transaction() as db:
            return resolve(
                webhook.name,
                webhook.format,
                connection=lambda conn_id: load_connection(db, conn_id, None),
                settings=settings,
            )
    except Exception as error:
        if isinstance(error, HITLWebhookError) or type(error) is LookupError:
            raise
        # Not chained: the log would contain everything that the error quotes.
        raise InvalidEndpointError(f"{why_unusable(error)}.") from None


async def _one_attempt(endpoint: Endpoint, event_id: str, body: bytes, settings: WebhookSettings) -> Attempt:
    async with open_client(block_private_addresses=settings.block_private_addresses) as client:
        return await attempt(client, endpoint, event_id, body, timeout=TEST_TIMEOUT)
