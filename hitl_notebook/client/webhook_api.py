"""Requests about webhooks; only this project's plugin answers them."""

from __future__ import annotations

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
from hitl_notebook.records import ReviewKey, ReviewSummary, key_of


class WebhookApi:
    """Lists webhook deliveries, resends events and tests endpoints; see the methods of ``Client``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        review: ReviewKey | ReviewSummary | None,
        dag_id: str | None,
        status: str | None,
        limit: int,
        offset: int,
    ) -> DeliveryPage:
        """Return a page of events, of one review or one DAG if given; see ``Client.deliveries``."""
        if review is not None and dag_id is not None:
            raise ValueError("Give a review or a dag_id, but not both.")
        params: dict[str, Any] = {"limit": limit, "offset": offset}
        if review is not None:
            params |= key_of(review)._asdict()
        if dag_id is not None:
            params["dag_id"] = dag_id
        if status is not None:
            params["status"] = status
        return self._transport.read(parse_delivery_page, self._ask("GET", "/deliveries", params=params))

    def resend(self, delivery: Delivery | str, endpoint: str | None) -> Delivery:
        """Resend an event to one endpoint, or to all of its endpoints."""
        event_id = delivery.event_id if isinstance(delivery, Delivery) else delivery
        if not event_id:
            raise ValueError("The id of the event is empty.")
        body = {} if endpoint is None else {"json": {"endpoint": endpoint}}
        answer = self._ask("POST", f"/deliveries/{quote(event_id, safe='')}/resend", **body)
        return self._transport.read(parse_delivery, answer)

    def test(self, conn_id: str | None, url: str | None, format_: str | None) -> WebhookTest:
        """Send a test event to a connection or a URL."""
        if (conn_id is None) == (url is None):
            raise ValueError("Give a conn_id or a url, and not both.")
        given = {"conn_id": conn_id, "url": url, "format": format_}
        body = {name: value for name, value in given.items() if value is not None}
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
                f"{self._transport.where} does not answer questions about webhooks: hitl-notebook's plugin there "
                "is older than this client, or not installed. Update it and restart that API server."
            )
        raise WebhookNotFoundError(detail)
