"""In what form an event is posted.

The outbox keeps the standard body of an event, once. A format makes of it, anew at each attempt and always
alike, what an endpoint gets. A format is one function; to add one, register it::

    @register("teams", signed=False)
    def _teams(event_id: str, body: bytes) -> Rendered: ...

All texts in an event came from outside: from a DAG, a model or a reviewer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hitl_webhooks.payload import Payload, encode
from hitl_webhooks.slack import slack_message

Render = Callable[[str, bytes], "Rendered"]
"""From an event's id and its standard body to what is posted.

Raises ValueError where the body is none of ours.
"""


@dataclass(frozen=True)
class Rendered:
    """What is posted: the exact bytes, which are also what is signed, and their content type."""

    body: bytes
    content_type: str


@dataclass(frozen=True)
class Format:
    """A form in which events are posted.

    Attributes:
        name: how an endpoint asks for it.
        render: makes what is posted.
        signed: whether the ``webhook-*`` headers, signature included, go along.
        min_interval: seconds that the receiver wants between two messages to one URL.
    """

    name: str
    render: Render
    signed: bool = True
    min_interval: float = 0.0


_formats: dict[str, Format] = {}


def register(name: str, *, signed: bool = True, min_interval: float = 0.0) -> Callable[[Render], Render]:
    """Decorator: make a function the format ``name``; see ``Format`` for the arguments.

    Raises:
        ValueError: there is such a format already.
    """

    def decorate(render: Render) -> Render:
        if name in _formats:
            raise ValueError(f"There is a webhook format {name!r} already.")
        _formats[name] = Format(name, render, signed, min_interval)
        return render

    return decorate


def get_format(name: str) -> Format:
    """Return the format of that name.

    Raises:
        ValueError: there is none; names those that there are.
    """
    try:
        return _formats[name]
    except KeyError:
        raise ValueError(f"No webhook format {name!r}. Use one of: {', '.join(format_names())}.") from None


def format_names() -> tuple[str, ...]:
    """All names that ``get_format`` knows, in the order of their registration."""
    return tuple(_formats)


@register("standard")
def _standard(event_id: str, body: bytes) -> Rendered:
    """Standard Webhooks 1.0.0: the body as it is."""
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
    """A message for an incoming webhook of Slack, which takes one per second and knows no signatures."""
    return Rendered(encode(slack_message(Payload.read(body))), "application/json")
