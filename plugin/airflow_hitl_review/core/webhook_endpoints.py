"""Webhook endpoints as DAG authors declare them, and their lookup at each delivery attempt."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from airflow_hitl_review.core.airflow_sdk import AirflowException
from airflow_hitl_review.core.connection_url import url_of
from airflow_hitl_review.core.options import WebhookSettings
from airflow_hitl_review.core.schema import WebhookTarget
from hitl_webhooks import Endpoint, EventType, HITLWebhookError, InvalidEndpointError, InvalidSecretError
from hitl_webhooks.send.formats import get_format

log = logging.getLogger(__name__)

_SLACK_CONNECTION = "slackwebhook"
_SLACK_HOST = "hooks.slack.com"
# Airflow's own rule. An id with "?", "@" or "=" is a URL without its scheme, and may contain a secret.
_CONN_ID = re.compile(r"[\w#!()\-.:/\\]+")
_USED_EXTRA = {"path", "headers"}
_SENDABLE = [event.value for event in EventType if event is not EventType.TEST]


@dataclass(frozen=True)
class Webhook:
    """A webhook endpoint: either ``url`` or ``conn_id``.

    Attributes:
        url: absolute URL without user, password or query, since it is stored in XCom: an address that is a
            secret belongs in a connection. It is signed with the setting ``[hitl_review] webhook_secret``;
            without one, requests to it are unsigned.
        conn_id: an Airflow connection. Its host is the URL; or host, port and schema make it, where schema is
            ``http``, ``https`` or the path, which ``path`` in the extra can name, too. Its password is the
            signing secret (``whsec_...``; two, with a space between them, while one rotates); ``headers`` in the
            extra are sent along. For ``slack`` the password is the secret end of the URL, as in Airflow's
            ``slackwebhook`` connections.
        events: names of the events to send, such as ``"hitl_review.finalized"``; all if empty.
        format: ``"standard"``, ``"cloudevents"``, ``"slack"``, or another one of ``hitl_webhooks.send.formats``.
            If not given, ``slack`` for a connection of type ``slackwebhook``, else ``standard``.

    Raises:
        ValueError: not exactly one of ``url`` and ``conn_id``, a URL with a secret, an id that no connection can
            have, an unknown event or format. No message repeats a URL or an id.
    """

    url: str | None = None
    conn_id: str | None = None
    events: tuple[str, ...] = ()
    format: str | None = None

    def __post_init__(self) -> None:
        if bool(self.url) == bool(self.conn_id):
            raise ValueError("Webhook needs a url or a conn_id, and not both.")
        if isinstance(self.events, str) or not set(_SENDABLE).issuperset(self.events):
            raise ValueError(f"Webhook events must be a tuple of {_SENDABLE}, not {self.events!r}.")
        if self.format is not None:
            try:
                get_format(self.format)
            except ValueError as error:
                raise ValueError(f"Webhook format: {error}") from None
        if self.conn_id:
            self._check_conn_id(self.conn_id)
        if self.url:
            self._check_url(self.url)

    @staticmethod
    def _check_conn_id(conn_id: str) -> None:
        if "://" in conn_id:
            raise ValueError("Webhook conn_id: this is a URL. Give it as url.")
        if ":/" in conn_id:
            raise ValueError("Webhook conn_id: this is neither an id nor a URL, which begins with https://.")
        if not _CONN_ID.fullmatch(conn_id) or conn_id.startswith(f"{_SLACK_HOST}/"):
            raise ValueError(
                "Webhook conn_id: this is no id that an Airflow connection can have. It would be readable in XCom: "
                "make a connection of an address that holds a secret, and give its id."
            )

    def _check_url(self, url: str) -> None:
        if is_template(url):
            raise ValueError("Webhook url: Airflow renders no template in here. Give webhook_url, or a plain text.")
        try:
            parts = urlsplit(url)
            secret = parts.username or parts.password or parts.query or parts.fragment
        except ValueError:
            raise ValueError("Webhook url: this is no URL.") from None
        if secret:
            raise ValueError(
                "Webhook url: a URL with a user, a password or a query would be readable in XCom. "
                "Make an Airflow connection of it, and give its id."
            )
        if self.format == "slack" or parts.hostname == _SLACK_HOST:
            raise ValueError(
                "Webhook url: the address of a Slack webhook is a secret. Make an Airflow connection of type "
                "slackwebhook of it, and give its id."
            )

    @property
    def name(self) -> str:
        """Name of the endpoint in the outbox."""
        return self.conn_id or self.url or ""

    @property
    def target(self) -> WebhookTarget:
        """The form in which it is stored."""
        return WebhookTarget(endpoint=self.name, format=self.format, events=tuple(self.events))


def is_template(text: str) -> bool:
    """Whether ``text`` contains a template that Airflow would render."""
    return "{{" in text or "{%" in text


def as_webhooks(
    given: Sequence[str | Webhook] | str | Webhook, url: str | None = None, *, rendered: bool = True
) -> tuple[Webhook, ...]:
    """Read the operator's ``webhooks`` and ``webhook_url``: URLs, connection ids and ``Webhook`` objects.

    If they are not ``rendered`` yet, texts with templates are skipped.

    Raises:
        ValueError: one of them is something else, or an endpoint occurs twice.
    """
    items = [given] if isinstance(given, str | Webhook) else list(given)
    webhooks: list[Webhook] = []
    for item in items:
        if isinstance(item, str) and not rendered and is_template(item):
            continue
        if isinstance(item, Webhook):
            webhooks.append(item)
        elif isinstance(item, str) and item.strip():
            webhooks.append(Webhook(url=item) if "://" in item else Webhook(conn_id=item))
        else:
            what = f"a {type(item).__name__}" if not isinstance(item, str) else "an empty text"
            raise ValueError(f"webhooks takes URLs, connection ids and Webhook objects, not {what}.")
    if url and not (isinstance(url, str) and not rendered and is_template(url)):
        if not isinstance(url, str) or "://" not in url:
            raise ValueError("webhook_url takes a URL. Give a connection id in webhooks.")
        webhooks.append(Webhook(url=url))
    names = [webhook.name for webhook in webhooks]
    if len(set(names)) != len(names):
        raise ValueError(f"webhooks names an endpoint twice: {sorted(names)}.")
    return tuple(webhooks)


def usable_webhooks(given: Any, url: str | None, *, of: str = "this task") -> tuple[Webhook, ...]:
    """Like ``as_webhooks``, at run time: an endpoint that a template made unusable is logged and left out.

    By then the output exists, or is even approved: a webhook must not lose it. ``of`` is its source, for the log.
    """
    items = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given] if given else []
    usable: dict[str, Webhook] = {}
    for items_, url_ in [*(([item], None) for item in items), *([((), url)] if url else [])]:
        try:
            for webhook in as_webhooks(items_, url_):
                usable.setdefault(webhook.name, webhook)
        except ValueError as error:
            log.error("A webhook of %s cannot be used, and is left out: %s", of, error)
    return tuple(usable.values())


def all_targets(webhooks: Sequence[Webhook], settings: WebhookSettings) -> list[WebhookTarget]:
    """The DAG's endpoints, followed by those of the deployment that the DAG does not name."""
    targets = [webhook.target for webhook in webhooks]
    named = {target.endpoint for target in targets}
    default = usable_webhooks(settings.conn_ids, None, of="[hitl_review] webhook_conn_ids")
    return targets + [webhook.target for webhook in default if webhook.name not in named]


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
    slack = f"https://{_SLACK_HOST}/services" if found.conn_type == _SLACK_CONNECTION else ""
    url = url_of(found, str(extra.get("path") or ""), default_host=slack)
    if unused := sorted(set(extra) - _USED_EXTRA):
        log.warning(
            "Connection %r: webhooks do not use %s of its extra. If that is part of the address, as the query of a "
            "URI is, give the whole address as the host.",
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
        raise InvalidSecretError(f"What is in {place} is no webhook secret. {error}") from None


def why_unusable(error: Exception) -> str:
    """Why ``resolve`` failed, as a text that is safe to store and show.

    A secrets backend, or Airflow when it reads a connection, may raise any error, whose message may quote the
    connection: for such an error only the type is given.
    """
    kind = type(error).__name__
    if isinstance(error, HITLWebhookError | AirflowException) or type(error) is LookupError:
        return f"{kind}: {error}"
    return f"{kind}, while the endpoint was looked up. What it says may hold a secret, and is left out"


def _extra(connection: Any) -> dict[str, Any]:
    try:
        extra = json.loads(connection.extra or "{}")
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise InvalidEndpointError(f"Connection {connection.conn_id!r}: the extra must be a JSON object.")
    return extra
