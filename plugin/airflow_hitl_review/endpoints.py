"""Where a DAG author wants webhooks to go, and what that means on the worker."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hitl_webhooks import Endpoint, EventType, InvalidEndpointError


@dataclass(frozen=True)
class Webhook:
    """A webhook endpoint: either ``url`` or ``conn_id``.

    Attributes:
        url: absolute URL. It is signed with the setting ``[hitl_review] webhook_secret``; without one,
            requests to it are unsigned.
        conn_id: an Airflow connection. Its host is the URL (or host, schema and port make it, with
            ``path`` in the extra); its password is the signing secret (``whsec_...``); ``headers`` in the
            extra are sent along.
        events: names of the events to send, such as ``"hitl_review.finalized"``; all if empty.
        format: ``"standard"``, the Standard Webhooks body; the only one so far.

    Raises:
        ValueError: not exactly one of ``url`` and ``conn_id``, an unknown event or format.
    """

    url: str | None = None
    conn_id: str | None = None
    events: tuple[str, ...] = ()
    format: Literal["standard"] = "standard"

    def __post_init__(self) -> None:
        if bool(self.url) == bool(self.conn_id):
            raise ValueError("Webhook needs a url or a conn_id, and not both.")
        known = {event.value for event in EventType}
        if isinstance(self.events, str) or not known.issuperset(self.events):
            raise ValueError(f"Webhook events must be a tuple of {sorted(known)}, not {self.events!r}.")
        if self.format != "standard":
            raise ValueError(f"Webhook format must be 'standard', not {self.format!r}.")

    @property
    def name(self) -> str:
        """How the endpoint is called in the outbox."""
        return self.conn_id or self.url or ""

    def wants(self, type_: EventType) -> bool:
        """Whether an event of this type goes there."""
        return not self.events or type_.value in self.events


def as_webhooks(given: Sequence[str | Webhook] | str | Webhook) -> tuple[Webhook, ...]:
    """Read the operator's ``webhooks`` argument: URLs, connection ids and ``Webhook`` objects.

    Raises:
        ValueError: something else is among them, or the same endpoint is there twice.
    """
    items = [given] if isinstance(given, str | Webhook) else list(given)
    webhooks: list[Webhook] = []
    for item in items:
        if isinstance(item, Webhook):
            webhooks.append(item)
        elif isinstance(item, str) and item.strip():
            webhooks.append(Webhook(url=item) if "://" in item else Webhook(conn_id=item))
        else:
            raise ValueError(f"webhooks takes URLs, connection ids and Webhook objects, not {item!r}.")
    names = [webhook.name for webhook in webhooks]
    if len(set(names)) != len(names):
        raise ValueError(f"webhooks names an endpoint twice: {sorted(names)}.")
    return tuple(webhooks)


def resolve(webhook: Webhook, *, url_secret: str) -> Endpoint:
    """Look up address and secret, on the worker.

    Args:
        webhook: what the DAG author gave.
        url_secret: secret for plain URLs; empty for none.

    Raises:
        HITLWebhookError: the address or the secret cannot be used.
        AirflowNotFoundException: there is no such connection.
    """
    if webhook.url:
        return Endpoint(webhook.name, webhook.url, secrets=(url_secret,) if url_secret else ())
    from airflow.sdk import Connection

    connection = Connection.get(webhook.conn_id or "")
    extra = _extra(connection)
    headers = extra.get("headers") or {}
    if not isinstance(headers, dict):
        raise InvalidEndpointError(f"Connection {webhook.conn_id!r}: headers in the extra must be an object.")
    return Endpoint(
        webhook.name,
        _url(connection, str(extra.get("path") or "")),
        secrets=(connection.password,) if connection.password else (),
        headers={str(name): str(value) for name, value in headers.items()},
    )


def _extra(connection: Any) -> dict[str, Any]:
    try:
        extra = json.loads(connection.extra or "{}")
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise InvalidEndpointError(f"Connection {connection.conn_id!r}: the extra must be a JSON object.")
    return extra


def _url(connection: Any, path: str) -> str:
    host = connection.host or ""
    if "://" not in host:
        host = f"{connection.schema or connection.conn_type or 'https'}://{host}"
        if connection.port:
            host += f":{connection.port}"
    return host + path
