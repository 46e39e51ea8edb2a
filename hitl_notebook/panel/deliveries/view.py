"""The webhook section below the open review."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import ipywidgets as widgets

from hitl_notebook.client.deliveries import Delivery, EndpointDelivery
from hitl_notebook.panel.actions import Notice
from hitl_notebook.panel.deliveries.model import DeliveryModel, words_for_event
from hitl_notebook.panel.elements import Post
from hitl_notebook.panel.views import close_all, html_view, notices_html
from hitl_rendering import render

MAX_ERROR_CHARS = 300
"""Maximum length of an error, which can contain an endpoint's response."""

OVERDUE = timedelta(minutes=1)
"""An attempt this late is shown as late, not as in progress."""

_FORMATS = {"cloudevents": "CloudEvents", "slack": "Slack"}


class DeliveryView:
    """Webhook events of the open review, collapsed by default."""

    def __init__(self, model: DeliveryModel, post: Post, resend: Callable[[str], object]) -> None:
        self._model = model
        self._post = post
        self._resend = resend
        self._rows: dict[str, EventRow] = {}
        # The front end sets no aria-pressed, so the label must show the state.
        self.toggle = widgets.ToggleButton(
            value=model.shown, tooltip="What was sent to other systems about this review"
        )
        self.toggle.add_class("hitl-fold")
        self.toggle.observe(self._on_toggle, "value")
        self._notice = html_view()
        self._state = html_view()
        self._list = widgets.VBox()
        self._body = widgets.VBox([self._notice, self._state, self._list])
        self.widget = widgets.VBox([self.toggle, self._body])
        self.widget.add_class("hitl-webhooks")
        model.observe(lambda _: self.update_fold(), ["shown", "key"])
        model.observe(lambda _: self.update_text(), ["page", "problem", "notice"])
        model.observe(lambda _: self.update_rows(), ["page", "as_of", "sending"])
        self.update_fold()
        self.update_text()
        self.update_rows()

    def update_fold(self) -> None:
        """Show the section for an open review, and its content if expanded."""
        self.widget.layout.display = None if self._model.key is not None else "none"
        self.toggle.description = "Hide webhooks" if self._model.shown else "Show webhooks"
        self._body.layout.display = None if self._model.shown else "none"

    def update_text(self) -> None:
        """Show the status of the list."""
        notices = [self._model.notice] if self._model.notice is not None else []
        if self._model.problem:
            notices.append(Notice("error", self._model.problem))
        self._notice.value = notices_html(*notices)
        page = self._model.page
        text = ""
        if page is None:
            text = "" if self._model.problem else '<div class="hitl-empty">Looking for webhooks…</div>'
        elif not len(page):
            text = '<div class="hitl-empty">No webhooks were sent about this review.</div>'
        elif page.total_entries > len(page):
            text = f'<div class="hitl-meta">The latest {len(page)} of {page.total_entries}.</div>'
        self._state.value = text

    def update_rows(self) -> None:
        """Show the events; an event's row stays the same widget, so that it keeps the focus."""
        shown = {delivery.event_id: delivery for delivery in self._model.page or ()}
        for event_id, delivery in shown.items():
            if event_id not in self._rows:
                self._rows[event_id] = EventRow(event_id, self._post, self._resend)
            sending = event_id in self._model.sending
            self._rows[event_id].update(delivery, now=self._model.as_of, sending=sending)
        self._list.children = tuple(self._rows[event_id].widget for event_id in shown)
        for event_id in self._rows.keys() - shown.keys():
            close_all(self._rows.pop(event_id).widget)

    def _on_toggle(self, change: dict[str, Any]) -> None:
        self._post(lambda: self._model.show(bool(change["new"])))


class EventRow:
    """One event: its delivery status, and a button to resend it."""

    def __init__(self, event_id: str, post: Post, resend: Callable[[str], object]) -> None:
        self._name = html_view("hitl-event-name")
        self.again = widgets.Button()
        self.again.add_class("hitl-again")
        self.again.on_click(lambda _: post(lambda: resend(event_id)))
        self._endpoints = html_view("hitl-endpoints")
        self.widget = widgets.HBox([self._name, self.again, self._endpoints])
        self.widget.add_class("hitl-event")

    def update(self, delivery: Delivery, *, now: datetime, sending: bool) -> None:
        """Show the event's current state."""
        self._name.value = event_html(delivery)
        self._endpoints.value = endpoints_html(delivery, now=now)
        # Never disabled: that would lose the keyboard focus. The model ignores a second click.
        self.again.description = "Sending…" if sending else "Send again"
        self.again.tooltip = render.encodable(
            f"Send “{words_for_event(delivery)}” of {render.moment(delivery.timestamp)} again to all its "
            "endpoints, including those that already have it. It keeps its id, so receivers can recognize "
            "the repeat."
        )


def event_html(delivery: Delivery) -> str:
    """Return what happened, and when."""
    return (
        f"<b>{render.inline(words_for_event(delivery))}</b> "
        f'<span class="hitl-meta">{render.moment(delivery.timestamp)}</span>'
    )


def endpoints_html(delivery: Delivery, *, now: datetime) -> str:
    """Return the event's delivery status at each endpoint."""
    endpoints = "".join(_endpoint_html(endpoint, now) for endpoint in delivery.endpoints)
    return f"<ul>{endpoints or '<li>It has no endpoints.</li>'}</ul>"


def endpoint_state(endpoint: EndpointDelivery, *, now: datetime) -> tuple[str, str, str]:
    """Return an event's delivery status at an endpoint: CSS class, symbol, and text."""
    match endpoint.status:
        case "delivered":
            return "good", "✓", "Delivered"
        case "gone":
            return "bad", "✗", "Gone (410)"
        case "failed":
            return "bad", "✗", "Gave up"
        case "pending":
            due = endpoint.next_attempt_at
            if due is not None and due > now:
                return "busy", "◌", f"Next attempt {render.time_of_day(due, now=now)}"
            if due is not None and due + OVERDUE < now:
                return "busy", "◌", f"Due since {render.time_of_day(due, now=now)}"
            return "busy", "◌", "Being sent"
        case other:
            return "busy", "?", other


def _endpoint_html(endpoint: EndpointDelivery, now: datetime) -> str:
    css, symbol, words = endpoint_state(endpoint, now=now)
    facts = [name] if (name := _FORMATS.get(endpoint.format or "")) else []
    facts.append("not tried yet" if not endpoint.attempts else _count(endpoint.attempts, "attempt"))
    error = (
        f'<div class="hitl-meta">Last error: {render.inline(endpoint.last_error, limit=MAX_ERROR_CHARS)}</div>'
        if endpoint.last_error
        else ""
    )
    return (
        f'<li><div class="hitl-state"><span class="{css}">{symbol}</span> {render.inline(words)}</div>'
        f'<div class="hitl-endpoint">{render.inline(endpoint.endpoint)} '
        f'<span class="hitl-meta">{" · ".join(facts)}</span>{error}</div></li>'
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
