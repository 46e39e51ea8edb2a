"""The result of ``verify``: the event, with typed access to its data.

Parsing is strict about the envelope (type, time, data) and lenient about the data: a later version of the sender
may add types and fields, and existing receivers must continue to work.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from hitl_webhooks.errors import MalformedEventError
from hitl_webhooks.events import Person

MAX_REQUEST_BYTES = 256_000
"""Upper bound of a request's body, in bytes, for the receivers of this package. Our events stay under 20,000."""

CLOUDEVENTS_VERSION = "1.0"

# RFC 3339. Not datetime.fromisoformat: Python 3.10 does not accept "Z", and later ones accept too much.
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


@dataclass(frozen=True)
class SessionRef:
    """The review that an event is about.

    Attributes:
        map_index: -1 for a task that is not mapped.
        try_number: number of the try in which the review began, from 1; the same for all events of a review.
        iteration: number of the output, from 1.
        max_iterations: maximum number of outputs.
        prompt: what the output answers; truncated to 2,000 bytes.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    iteration: int
    max_iterations: int
    prompt: str


_SESSION_FIELDS: dict[str, type] = {
    "dag_id": str,
    "run_id": str,
    "task_id": str,
    "map_index": int,
    "try_number": int,
    "iteration": int,
    "max_iterations": int,
    "prompt": str,
}


@dataclass(frozen=True)
class ReceivedEvent:
    """A verified event.

    The properties read ``data`` and never raise: they are None (or False) if the field is missing or has the
    wrong type.

    Attributes:
        id: the event's id. The same event always has the same id: see ``DuplicateGuard``.
        type: for instance ``"hitl_review.finalized"``; may be unknown to this version.
        timestamp: when the event happened, UTC; the same in each delivery.
        sent_at: when this delivery was attempted, UTC, in whole seconds.
        data: the payload, see ``docs/webhooks.md``. Plain JSON: it can be encoded as UTF-8 JSON again.
    """

    id: str
    type: str
    timestamp: datetime
    sent_at: datetime
    data: dict[str, Any]

    @property
    def session(self) -> SessionRef | None:
        """The review; None if the event is not about one, or does not fully describe it."""
        value = self._object("session")
        if any(type(value.get(name)) is not kind for name, kind in _SESSION_FIELDS.items()):
            return None
        return SessionRef(**{name: value[name] for name in _SESSION_FIELDS})

    @property
    def status(self) -> str | None:
        """The review's status, for instance ``"approved"``."""
        return self._text("status") or _text(self._object("session").get("status"))

    @property
    def output(self) -> str | None:
        """The output under review; only its beginning if ``output_truncated``."""
        return self._text("output")

    @property
    def output_truncated(self) -> bool:
        """Whether ``output`` is only the beginning."""
        return self.data.get("output_truncated") is True

    @property
    def feedback(self) -> str | None:
        """What the reviewer wrote."""
        return self._text("feedback")

    @property
    def decided_by(self) -> Person | None:
        """Who decided; if only an id or only a name is given, it is used for both."""
        value = self._object("decided_by")
        id_, name = _text(value.get("id")), _text(value.get("name"))
        if id_ is None and name is None:
            return None
        return Person(id=id_ or name or "", name=name or id_ or "")

    def _text(self, name: str) -> str | None:
        return _text(self.data.get(name))

    def _object(self, name: str) -> dict[str, Any]:
        value = self.data.get(name)
        return value if isinstance(value, dict) else {}


def parse_event(event_id: str, sent_at: datetime, payload: bytes) -> ReceivedEvent:
    """Parse a body whose signature was verified.

    Two formats are supported: ``{"type", "timestamp", "data"}`` of Standard Webhooks, and CloudEvents 1.0 in
    structured mode. The body determines which: the content type is not signed.

    Raises:
        MalformedEventError: it has neither format.
    """
    body = _read_object(payload)
    time_name = "timestamp"
    if "specversion" in body:
        _check_cloudevent(event_id, body)
        time_name = "time"
    type_, time, data = body.get("type"), body.get(time_name), body.get("data")
    if not (isinstance(type_, str) and isinstance(time, str) and isinstance(data, dict)):
        raise MalformedEventError(f"The body is signed, but is not an object with type, {time_name} and data.")
    try:
        timestamp = _parse_time(time)
    except (ValueError, OverflowError):
        raise MalformedEventError(f"The body is signed, but its {time_name} is not an RFC 3339 time.") from None
    return ReceivedEvent(id=event_id, type=type_, timestamp=timestamp, sent_at=sent_at, data=data)


def _read_object(payload: bytes) -> dict[str, Any]:
    try:
        # Decoded here, because json.loads also accepts UTF-16, UTF-32 and lone surrogates.
        body = json.loads(payload.decode("utf-8"))
        # Python accepts more than other parsers: NaN, 1e999, "\ud800". Code that stores, prints or forwards
        # such an event would fail midway, so it is rejected here.
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise MalformedEventError("The body is signed, but is not JSON.") from None
    if not isinstance(body, dict):
        raise MalformedEventError("The body is signed, but is not a JSON object.")
    return body


def _check_cloudevent(event_id: str, body: dict[str, Any]) -> None:
    if body["specversion"] != CLOUDEVENTS_VERSION:
        raise MalformedEventError(f"The body is signed, but is not a CloudEvent of version {CLOUDEVENTS_VERSION}.")
    if not isinstance(body.get("source"), str):
        raise MalformedEventError("The body is signed, but is a CloudEvent without a source.")
    # Duplicates are detected by the id: there must not be two different ids.
    if body.get("id") != event_id:
        raise MalformedEventError("The body is signed, but the CloudEvent's id is not that of the header.")


def _parse_time(text: str) -> datetime:
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError("not RFC 3339")
    day, time, fraction, zone = match.groups()
    microseconds = (fraction or "")[:6].ljust(6, "0")
    offset = "+00:00" if zone in ("Z", "z") else zone
    return datetime.fromisoformat(f"{day}T{time}.{microseconds}{offset}").astimezone(timezone.utc)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
