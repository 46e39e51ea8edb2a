"""The events, their ids and their bodies.

A body is ``{"type", "timestamp", "data"}`` per Standard Webhooks 1.0.0 and stays under its recommended
20 KB: long texts are truncated, and ``data`` says so.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from hitl_webhooks.payload import encode

MAX_BODY_BYTES = 20_000
"""Upper bound of a body, in bytes (Standard Webhooks recommends payloads under 20 KB)."""

_PROMPT_BYTES = 2_000
_FEEDBACK_BYTES = 4_000
_PERSON_BYTES = 500

_OUTPUT_BYTES = 2_000
"""Space reserved for the output, before links use it."""


class EventType(str, Enum):
    """Types of events sent to outside systems."""

    OUTPUT_READY = "hitl_review.output_ready"
    """An output waits for a review; once per iteration."""
    CHANGES_REQUESTED = "hitl_review.changes_requested"
    """The reviewer asked for changes, and the next output is being made."""
    FINALIZED = "hitl_review.finalized"
    """The review has ended, for any reason."""
    TEST = "hitl_review.delivery.test"
    """A test of an endpoint; nothing happened."""


@dataclass(frozen=True)
class Person:
    """Who decided: id and name from Airflow's auth manager."""

    id: str
    name: str


@dataclass(frozen=True)
class ReviewFacts:
    """The data of a review in an event. Times are timezone-aware.

    Attributes:
        task_instance_id: Airflow's id of the task instance, a UUID; another one for each try.
        status: status in the event: the session's status, ``"failed"`` if regenerating failed permanently, or
            ``"abandoned"`` if the task ended or was cleared before anybody decided the review.
        session_status: the session's stored status, if the event's status differs.
        iteration: number of the output, from 1.
        output: the output as the reviewer sees it.
        edited_output: the output as the reviewer edited it; None if they did not.
        feedback: what the reviewer wrote, if anything.
        links: name to URL; ``review`` is the page for deciding.
        acting_for: for whom ``decided_by``, a service, says that it decided.
        channel: where the decision was made; ``"timeout"`` and ``"policy"`` are no person's decision.
        request_kind: what an agent asks, if the output is that: ``"tool_calls"`` or ``"question"``.
        occurrence: number of earlier events of this type for this output: changes can be requested again after
            a failed regeneration.
    """

    task_instance_id: str
    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    status: str
    iteration: int
    max_iterations: int
    prompt: str
    output: str
    created_at: datetime | None = None
    deadline_at: datetime | None = None
    feedback: str | None = None
    decided_by: Person | None = None
    decided_at: datetime | None = None
    links: dict[str, str] = field(default_factory=dict)
    session_status: str | None = None
    occurrence: int = 0
    edited_output: str | None = None
    acting_for: Person | None = None
    channel: str | None = None
    request_kind: str | None = None


@dataclass(frozen=True)
class Event:
    """An event as it is sent: neither the id nor the body ever changes."""

    id: str
    type: EventType
    timestamp: datetime
    body: bytes


def event_id(task_instance_id: str, type_: EventType, iteration: int, occurrence: int = 0) -> str:
    """Return an event's stable id: UUIDv5 of task instance, type and iteration.

    ``occurrence`` distinguishes a second event of that type about the same output from the first one (0).
    """
    again = f":{occurrence}" if occurrence else ""
    return str(uuid.uuid5(uuid.UUID(task_instance_id), f"{type_.value}:{iteration}{again}"))


def build_event(type_: EventType, facts: ReviewFacts, *, at: datetime) -> Event:
    """Build the event of ``type_`` about a review.

    Args:
        type_: which event.
        facts: the review at that moment.
        at: when it happened, timezone-aware.

    Returns:
        An event whose body has at most ``MAX_BODY_BYTES`` bytes. Links that would displace the output are left
        out: percent-encoded, three ids of 250 characters can be 9,000 bytes in each.

    Raises:
        ValueError: the ids, which cannot be truncated, exceed the limit.
    """
    output = facts.output if facts.edited_output is None else facts.edited_output
    data: dict[str, Any] = {
        "status": facts.status,
        "session": {
            "dag_id": facts.dag_id,
            "run_id": facts.run_id,
            "task_id": facts.task_id,
            "map_index": facts.map_index,
            "try_number": facts.try_number,
            "status": facts.session_status or facts.status,
            "iteration": facts.iteration,
            "max_iterations": facts.max_iterations,
            "prompt": cut_to_bytes(facts.prompt, _PROMPT_BYTES),
            "created_at": _iso(facts.created_at),
            "deadline_at": _iso(facts.deadline_at),
        },
        "output": "",
        "output_truncated": False,
        "output_sha256": _sha256(output),
        "shown_output_sha256": _sha256(facts.output),
        "edited": facts.edited_output is not None,
        "edited_by": _person(facts.decided_by) if facts.edited_output is not None else None,
        "feedback": cut_to_bytes(facts.feedback, _FEEDBACK_BYTES) if facts.feedback is not None else None,
        "decided_by": _person(facts.decided_by),
        "acting_for": _person(facts.acting_for),
        "decided_at": _iso(facts.decided_at),
        "channel": facts.channel,
        "request_kind": facts.request_kind,
        "links": dict(facts.links),
    }
    event: dict[str, Any] = {"type": type_.value, "timestamp": _iso(at), "data": data}
    while (room := MAX_BODY_BYTES - len(encode(event))) < _OUTPUT_BYTES and data["links"]:
        data["links"].popitem()  # the last one is the least important
    if room < 0:
        raise ValueError(f"The ids of this review alone exceed {MAX_BODY_BYTES} bytes.")
    data["output"] = cut_to_bytes(output, room)
    data["output_truncated"] = data["output"] != output
    return Event(
        id=event_id(facts.task_instance_id, type_, facts.iteration, facts.occurrence),
        type=type_,
        timestamp=at,
        body=encode(event),
    )


def build_test_event(*, at: datetime, address: str) -> Event:
    """Build a test event without content; each has a unique id.

    Args:
        at: the current time, timezone-aware.
        address: URL of the sending Airflow.
    """
    data = {
        "status": "test",
        "message": "This is a test. No review has changed.",
        "links": {"review": address},
    }
    event = {"type": EventType.TEST.value, "timestamp": _iso(at), "data": data}
    return Event(id=str(uuid.uuid4()), type=EventType.TEST, timestamp=at, body=encode(event))


def cut_to_bytes(text: str, limit: int) -> str:
    """Return the longest prefix of ``text`` that takes at most ``limit`` bytes inside a JSON string."""

    def size(part: str) -> int:
        return len(encode(part)) - 2  # without the quotes

    if len(text) <= limit and size(text) <= limit:
        return text
    low, high = 0, min(len(text), limit)
    while low < high:
        middle = (low + high + 1) // 2
        if size(text[:middle]) <= limit:
            low = middle
        else:
            high = middle - 1
    return text[:low]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _person(person: Person | None) -> dict[str, str] | None:
    if person is None:
        return None
    return {"id": cut_to_bytes(person.id, _PERSON_BYTES), "name": cut_to_bytes(person.name, _PERSON_BYTES)}


def _iso(value: datetime | None) -> str | None:
    if value is None:
        return None
    return value.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
