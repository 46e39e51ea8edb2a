"""Webhook endpoints as DAG authors declare them, and as XCom holds them. No Airflow imports."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

from airflow_hitl_review.core.options import WebhookSettings
from hitl_webhooks import EventType
from hitl_webhooks.send.formats import get_format

log = logging.getLogger(__name__)

SLACK_HOST = "hooks.slack.com"

# Airflow's own rule. An id with "?", "@" or "=" is a URL without its scheme, and may contain a secret.
_CONN_ID = re.compile(r"[\w#!()\-.:/\\]+")
_SENDABLE = [event.value for event in EventType if event is not EventType.TEST]


class WebhookTarget(BaseModel):
    """One endpoint, as named in the DAG or the deployment's settings; never contains a secret.

    Attributes:
        endpoint: a connection id, or a URL.
        format: name of the body's format; None if the connection decides.
        events: names of the events to send; all if empty.
    """

    endpoint: str
    format: str | None = None
    events: tuple[str, ...] = ()


class ReviewWebhooks(BaseModel):
    """The webhook endpoints of a review, under ``WEBHOOKS_KEY``.

    Attributes:
        task_instance_id: Airflow's id of the try that wrote this, a UUID; event ids are derived from it.
    """

    task_instance_id: Annotated[str, AfterValidator(lambda id_: str(UUID(id_)))]
    try_number: int
    targets: list[WebhookTarget] = Field(default_factory=list)

    def wanting(self, event_type: str) -> list[tuple[str, str | None]]:
        """Name and format of each endpoint that gets events of this type."""
        return [(t.endpoint, t.format) for t in self.targets if not t.events or event_type in t.events]


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
            raise ValueError("Webhook needs a url or a conn_id, but not both.")
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
            raise ValueError(
                "Webhook conn_id: this is neither a connection id nor a URL. A URL begins with https://."
            )
        if not _CONN_ID.fullmatch(conn_id) or conn_id.startswith(f"{SLACK_HOST}/"):
            raise ValueError(
                "Webhook conn_id: this cannot be the id of an Airflow connection, and it would be readable in "
                "XCom. If it is an address with a secret, create a connection for it and give the connection's "
                "id."
            )

    def _check_url(self, url: str) -> None:
        if is_template(url):
            raise ValueError(
                "Webhook url: Airflow renders no templates here. Use webhook_url, or give a URL without a template."
            )
        try:
            parts = urlsplit(url)
            secret = parts.username or parts.password or parts.query or parts.fragment
        except ValueError:
            raise ValueError("Webhook url: this is not a URL.") from None
        if secret:
            raise ValueError(
                "Webhook url: a URL with a user, a password or a query would be readable in XCom. Create an "
                "Airflow connection for it and give the connection's id."
            )
        if self.format == "slack" or parts.hostname == SLACK_HOST:
            raise ValueError(
                "Webhook url: the address of a Slack webhook is a secret. Create an Airflow connection of type "
                "slackwebhook for it and give the connection's id."
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
            log.error("A webhook of %s cannot be used and is left out: %s", of, error)
    return tuple(usable.values())


def all_targets(webhooks: Sequence[Webhook], settings: WebhookSettings) -> list[WebhookTarget]:
    """The DAG's endpoints, followed by those of the deployment that the DAG does not name."""
    targets = [webhook.target for webhook in webhooks]
    named = {target.endpoint for target in targets}
    default = usable_webhooks(settings.conn_ids, None, of="[hitl_review] webhook_conn_ids")
    return targets + [webhook.target for webhook in default if webhook.name not in named]
