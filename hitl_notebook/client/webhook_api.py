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
    """What ``Client`` does about webhooks: lists deliveries, resends events, tests endpoints."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def deliveries(
        self,
        review: ReviewKey | ReviewSummary | None = None,
        *,
        dag_id: str | None = None,
        status: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> DeliveryPage:
        """Return a page of webhook events, newest first, of the reviews that you may read.

        Args:
            review: only events of this review.
            dag_id: only events of this DAG; not together with ``review``.
            status: only events with this status: ``"pending"``, ``"delivered"`` or ``"failed"``.
            limit: maximum number of events, 1 to 500.
            offset: number of events to skip.

        Raises:
            ServerError: for example, the plugin on that Airflow is too old for this.
        """
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

    def resend(self, delivery: Delivery | str, *, endpoint: str | None = None) -> Delivery:
        """Resend an event, whatever its status, with the same id and body. Needs permission to decide.

        Args:
            delivery: the event, or its id.
            endpoint: name of the only endpoint to resend to; by default, all endpoints of the event.

        Returns:
            The updated event: pending, and due at once.

        Raises:
            WebhookNotFoundError: no such event, or no such endpoint of it.
        """
        event_id = delivery.event_id if isinstance(delivery, Delivery) else delivery
        if not event_id:
            raise ValueError("The id of the event is empty.")
        body = {} if endpoint is None else {"json": {"endpoint": endpoint}}
        answer = self._ask("POST", f"/deliveries/{quote(event_id, safe='')}/resend", **body)
        return self._transport.read(parse_delivery, answer)

    def test_webhook(
        self,
        conn_id: str | None = None,
        *,
        url: str | None = None,
        format: str | None = None,  # noqa: A002 - the same name as everywhere else
    ) -> WebhookTest:
        """Send a ``hitl_review.delivery.test`` event at once, from the API server, and return the result.

        An endpoint that rejects the event is not an error here.

        Args:
            conn_id: the Airflow connection to test; or
            url: a plain URL.
            format: ``"standard"``, ``"cloudevents"`` or ``"slack"``; by default, that of the connection.

        Raises:
            PermissionDeniedError: you may not use Airflow's connections.
            WebhookNotFoundError: no such connection.
            InvalidRequestError: the connection or the URL is invalid; the message says why.
        """
        if (conn_id is None) == (url is None):
            raise ValueError("Give a conn_id or a url, and not both.")
        given = {"conn_id": conn_id, "url": url, "format": format}
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
