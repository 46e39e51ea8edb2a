"""Signed webhooks of hitl-notebook: events, signing, delivery, and tools for receivers.

A receiver needs one function::

    event = hitl_webhooks.verify(payload, headers, secret)

This package imports neither Airflow nor Jupyter.
"""

from __future__ import annotations

from hitl_webhooks.errors import (
    HITLWebhookError,
    InvalidEndpointError,
    InvalidSecretError,
    InvalidSignatureError,
    MalformedEventError,
    MissingHeaderError,
    PrivateAddressError,
    TimestampError,
    UnusableEnvironmentError,
    WebhookVerificationError,
)
from hitl_webhooks.events import Event, EventType, Person, ReviewFacts, build_event, event_id
from hitl_webhooks.receive.duplicates import DuplicateGuard
from hitl_webhooks.receive.received import ReceivedEvent, SessionRef
from hitl_webhooks.receive.verification import verify
from hitl_webhooks.send.delivery import deliver_to_all
from hitl_webhooks.send.endpoint import Endpoint
from hitl_webhooks.send.outbox import Attempt, DeliveryStatus, EndpointDelivery, OutboxEntry
from hitl_webhooks.signing import check_secret, generate_secret, sign

__all__ = [
    "Attempt",
    "DeliveryStatus",
    "DuplicateGuard",
    "Endpoint",
    "EndpointDelivery",
    "Event",
    "EventType",
    "HITLWebhookError",
    "InvalidEndpointError",
    "InvalidSecretError",
    "InvalidSignatureError",
    "MalformedEventError",
    "MissingHeaderError",
    "OutboxEntry",
    "Person",
    "PrivateAddressError",
    "ReceivedEvent",
    "ReviewFacts",
    "SessionRef",
    "TimestampError",
    "UnusableEnvironmentError",
    "WebhookVerificationError",
    "build_event",
    "check_secret",
    "deliver_to_all",
    "event_id",
    "generate_secret",
    "sign",
    "verify",
]
