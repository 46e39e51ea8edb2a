"""Requests about webhooks; only this project's plugin answers them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import requests

from hitl_notebook.client.deliveries import (
    Delivery,
    DeliveryPage,
    WebhookTest,
    parse_delivery,
    parse_delivery_page,
    parse_webhook_test,
)
from hitl_notebook.client.transport import Transport, detail_of, error_of
from hitl_notebook.errors import ServerError, WebhookNotFoundError


class WebhookApi:
    """Lists webhook deliveries, resends events and tests endpoints; see the methods of ``Client``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, params: Mapping[str, Any]) -> DeliveryPage:
        """Return a page of events; ``params`` are those of ``GET /deliveries``."""
        return self._transport.read(parse_delivery_page, self._ask("GET", "/deliveries", params=params))

    def resend(self, event_id: str, endpoint: str | None) -> Delivery:
        """Resend an event to one endpoint, or to all of its endpoints."""
        body = {} if endpoint is None else {"json": {"endpoint": endpoint}}
        answer = self._ask("POST", f"/deliveries/{quote(event_id, safe='')}/resend", **body)
        return self._transport.read(parse_delivery, answer)

    def test(self, body: Mapping[str, str]) -> WebhookTest:
        """Send a test event; ``body`` is that of ``POST /webhooks/test``."""
        return self._transport.read(parse_webhook_test, self._ask("POST", "/webhooks/test", json=body))

    def _ask(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        answer = self._transport.request(method, path, expected=(404,), **kwargs)
        if answer.status_code != 404:
            return answer
        detail = detail_of(answer)
        if not isinstance(detail, str):
            raise error_of(answer, self._transport.where)
        if detail == "Not Found":  # FastAPI's message for an unknown path
            raise ServerError(
                f"{self._transport.where} cannot tell about webhooks: hitl-notebook's plugin there is "
                "older than this one, or not installed. Update it, and restart that API server."
            )
        raise WebhookNotFoundError(detail)
