"""Looks up a webhook endpoint for one delivery attempt: its current URL, secrets and format."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from airflow_hitl_review.core.airflow_sdk import AirflowException
from airflow_hitl_review.core.connection_url import url_of
from airflow_hitl_review.core.options import WebhookSettings
from airflow_hitl_review.core.webhook_endpoints import SLACK_HOST
from hitl_webhooks import Endpoint, HITLWebhookError, InvalidEndpointError, InvalidSecretError
from hitl_webhooks.send.formats import get_format

log = logging.getLogger(__name__)

_SLACK_CONNECTION = "slackwebhook"
_USED_EXTRA = {"path", "headers"}


def resolve(
    name: str, format_: str | None, *, connection: Callable[[str], Any], settings: WebhookSettings
) -> Endpoint:
    """Look up the current URL, secrets and format of an endpoint.

    Args:
        name: a connection id, or a URL.
        format_: as the DAG author gave it; None if the connection decides.
        connection: looks up an Airflow connection by its id.
        settings: secrets for plain URLs, and what is allowed.

    Raises:
        HITLWebhookError: the URL or a secret is invalid; for a secret, the message says where it is set.
        AirflowNotFoundException: there is no such connection.
    """
    if "://" in name:
        with _secret_set_in("the setting [hitl_review] webhook_secret"):
            return Endpoint(
                name, name, settings.url_secrets, format=format_ or "standard", allow_http=settings.allow_http
            )
    found = connection(name)
    format_ = format_ or ("slack" if found.conn_type == _SLACK_CONNECTION else "standard")
    extra = _extra(found)
    headers = extra.get("headers") or {}
    if not isinstance(headers, dict):
        raise InvalidEndpointError(f"Connection {name!r}: headers in the extra must be an object.")
    slack = f"https://{SLACK_HOST}/services" if found.conn_type == _SLACK_CONNECTION else ""
    url = url_of(found, str(extra.get("path") or ""), default_host=slack)
    if unused := sorted(set(extra) - _USED_EXTRA):
        log.warning(
            "Connection %r: webhooks do not use %s of its extra. If that is part of the address, such as the "
            "query of a URI, give the whole address as the host.",
            name,
            ", ".join(unused),
        )
    password = (found.password or "").strip()
    if not get_format(format_).signed and "://" in password:
        url, password = password, ""
    elif not get_format(format_).signed and password:
        url, password = f"{url.rstrip('/')}/{password.lstrip('/')}", ""
    with _secret_set_in(f"the password of connection {name!r}"):
        return Endpoint(
            name,
            url,
            secrets=tuple(password.split()),
            headers={str(header).strip(): str(value).strip() for header, value in headers.items()},
            format=format_,
            allow_http=settings.allow_http,
        )


@contextmanager
def _secret_set_in(place: str) -> Iterator[None]:
    try:
        yield
    except InvalidSecretError as error:
        raise InvalidSecretError(f"The value in {place} is not a webhook secret. {error}") from None


def why_unusable(error: Exception) -> str:
    """Why ``resolve`` failed, as a text that is safe to store and show.

    A secrets backend, or Airflow when it reads a connection, may raise any error, whose message may quote the
    connection: for such an error only the type is given.
    """
    kind = type(error).__name__
    if isinstance(error, HITLWebhookError | AirflowException) or type(error) is LookupError:
        return f"{kind}: {error}"
    return f"{kind} while looking up the endpoint. Its message is left out because it may contain a secret"


def _extra(connection: Any) -> dict[str, Any]:
    try:
        extra = json.loads(connection.extra or "{}")
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise InvalidEndpointError(f"Connection {connection.conn_id!r}: the extra must be a JSON object.")
    return extra
