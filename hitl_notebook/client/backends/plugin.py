"""Reviews through the API of this project's plugin."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import msgspec

from hitl_notebook.client.backends.base import Channel, DecisionRequest, ListFilters
from hitl_notebook.client.review_page import CachedPage, parse_page
from hitl_notebook.client.transport import Transport, detail_of
from hitl_notebook.records import Review, ReviewKey, parse_review
from hitl_notebook.traces import ReviewProgress


class NotThePluginError(Exception):
    """The response is not this project's; the AI provider's API is at the same path."""


class PluginBackend:
    """Sends requests to the plugin. Its methods are those of ``Backend``.

    Args:
        transport: sends requests to that Airflow.
        channel: recorded with each decision.
    """

    def __init__(self, transport: Transport, channel: Channel) -> None:
        self._transport = transport
        self._channel = channel

    def page(self, known: CachedPage | None, filters: ListFilters, max_age: int) -> CachedPage:
        """Return a page; raises ``NotThePluginError`` if the server has no list."""
        params = {field.name: getattr(filters, field.name) for field in fields(filters)}
        params["include_ended"] = str(filters.include_ended).lower()
        headers = {"If-None-Match": known.etag} if known and known.etag else {}
        if max_age > 0:
            headers["Cache-Control"] = f"max-age={max_age}"
        answer = self._transport.request("GET", "/sessions", expected=(404,), params=params, headers=headers)
        if answer.status_code == 404 and detail_of(answer) == "Not Found":  # FastAPI's message for an unknown path
            raise NotThePluginError
        if answer.status_code == 304 and known is not None:
            return known
        page = self._transport.read(lambda value: parse_page(value, filters.offset), answer)
        return CachedPage(page, answer.headers.get("ETag"))

    def find(self, key: ReviewKey) -> Review:
        """Return a review; raises ``NotThePluginError`` if the response lacks a field of this project's."""
        answer = self._transport.request("GET", "/sessions/find", params=key._asdict())
        return self._transport.read(_parse_ours, answer)

    def progress(self, key: ReviewKey) -> ReviewProgress | None:
        """Return what the task does just now; None from a plugin that is older than that."""
        answer = self._transport.request("GET", "/sessions/progress", expected=(404,), params=key._asdict())
        if answer.status_code == 404:
            return None
        return self._transport.read(lambda value: msgspec.convert(value, ReviewProgress), answer)

    def decide(self, decision: DecisionRequest) -> Review:
        """Send a decision."""
        body: dict[str, Any] = {"iteration": decision.iteration, "channel": self._channel}
        if decision.feedback or decision.action == "feedback":
            body["feedback"] = decision.feedback
        if decision.output_sha256 is not None:
            body["output_sha256"] = decision.output_sha256
        if decision.edited_output is not None:
            body["edited_output"] = decision.edited_output
        if decision.calls is not None:
            body["calls"] = decision.calls
        if decision.acting_for is not None:
            body["acting_for"] = asdict(decision.acting_for)
        params = decision.key._asdict()
        answer = self._transport.request("POST", f"/sessions/{decision.action}", params=params, json=body)
        return self._transport.read(parse_review, answer)


def _parse_ours(value: dict[str, Any]) -> Review:
    if "map_index" not in value:
        raise NotThePluginError
    return parse_review(value)
