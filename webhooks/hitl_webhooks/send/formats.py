"""Formats in which events are posted.

The outbox stores an event's standard body once. At each attempt a format converts it, deterministically, to
what the endpoint gets. A format is one function; to add one, register it::

    @register("teams", signed=False)
    def _teams(event_id: str, body: bytes) -> Rendered: ...

All texts in an event are untrusted: they come from a DAG, a model or a reviewer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hitl_webhooks.payload import Payload, encode
from hitl_webhooks.send.slack import slack_message

Render = Callable[[str, bytes], "Rendered"]
"""Converts an event's id and standard body to what is posted.

Raises ValueError if the body is not one of ours.
"""


@dataclass(frozen=True)
class Rendered:
    """A posted body: the exact bytes, which are also signed, and their content type."""

    body: bytes
    content_type: str


@dataclass(frozen=True)
class Format:
    """A format in which events are posted.

    Attributes:
        name: name used in an endpoint's settings.
        render: converts a standard body.
        signed: whether the ``webhook-*`` headers, including the signature, are sent.
        min_interval: minimum seconds between two messages to one URL.
    """

    name: str
    render: Render
    signed: bool = True
    min_interval: float = 0.0


_formats: dict[str, Format] = {}


def register(name: str, *, signed: bool = True, min_interval: float = 0.0) -> Callable[[Render], Render]:
    """Decorator that registers a function as the format ``name``; see ``Format`` for the arguments.

    Raises:
        ValueError: the format already exists.
    """

    def decorate(render: Render) -> Render:
        if name in _formats:
            raise ValueError(f"A webhook format {name!r} already exists.")
        _formats[name] = Format(name, render, signed, min_interval)
        return render

    return decorate


def get_format(name: str) -> Format:
    """Return the format with that name.

    Raises:
        ValueError: there is none; the message lists the existing ones.
    """
    try:
        return _formats[name]
    except KeyError:
        raise ValueError(f"There is no webhook format {name!r}. Use one of: {', '.join(format_names())}.") from None


def format_names() -> tuple[str, ...]:
    """Return all registered names, in order of registration."""
    return tuple(_formats)


@register("standard")
def _standard(event_id: str, body: bytes) -> Rendered:
    """Standard Webhooks 1.0.0: the unchanged body."""
    return Rendered(body, "application/json")


@register("cloudevents")
def _cloudevents(event_id: str, body: bytes) -> Rendered:
    """CloudEvents 1.0 in structured mode. ``data`` is that of the standard body."""
    event = Payload.read(body)
    attributes = {
        "specversion": "1.0",
        "id": event_id,
        "source": event.source,
        "type": event.type,
        "time": event.timestamp,
        "subject": event.subject,
        "datacontenttype": "application/json",
        "data": event.data,
    }
    present = {name: value for name, value in attributes.items() if value is not None}
    return Rendered(encode(present), "application/cloudevents+json; charset=utf-8")


@register("slack", signed=False, min_interval=1.0)
def _slack(event_id: str, body: bytes) -> Rendered:
    """A Slack incoming webhook message; Slack accepts one per second and no signatures."""
    return Rendered(encode(slack_message(Payload.read(body))), "application/json")
