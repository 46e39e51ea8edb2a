"""Events have stable ids and bodies within the size limit."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hitl_webhooks import EventType, Person, ReviewFacts, build_event, event_id
from hitl_webhooks.events import MAX_BODY_BYTES, build_test_event, cut_to_bytes

TASK_INSTANCE = "018f3c5e-7a1b-7c3d-8e4f-5a6b7c8d9e0f"
AT = datetime(2026, 3, 4, 6, 6, 7, 890_123, tzinfo=timezone(timedelta(hours=1)))
FACTS = ReviewFacts(
    task_instance_id=TASK_INSTANCE,
    dag_id="reports",
    run_id="manual__1",
    task_id="draft",
    map_index=-1,
    try_number=1,
    status="approved",
    iteration=2,
    max_iterations=5,
    prompt="Write",
    output="Written ✓",
    created_at=AT,
    feedback="Good",
    decided_by=Person(id="7", name="Zoë"),
    decided_at=AT,
    links={"review": "https://airflow.example/review"},
)
# Any code point, including lone surrogates.
TEXT = st.text(st.characters() | st.characters(categories=["Cs"]) | st.sampled_from('"\\\n\x00\x7f\u2028é🎉'))


def json_bytes(text: str) -> int:
    """Size of ``text`` in bytes inside a JSON string, as sent."""
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")) - 2


def data_of(facts: ReviewFacts) -> dict[str, Any]:
    body = build_event(EventType.FINALIZED, facts, at=AT).body
    assert len(body) <= MAX_BODY_BYTES
    event = json.loads(body.decode("utf-8"))
    assert list(event) == ["type", "timestamp", "data"]
    data: dict[str, Any] = event["data"]
    return data


def test_id_is_stable_and_known() -> None:
    expected = uuid.uuid5(uuid.UUID(TASK_INSTANCE), "hitl_review.finalized:2")
    assert event_id(TASK_INSTANCE, EventType.FINALIZED, 2) == str(expected)
    assert event_id("018F3C5E7A1B7C3D8E4F5A6B7C8D9E0F", EventType.FINALIZED, 2) == str(expected)
    assert event_id(TASK_INSTANCE, EventType.FINALIZED, 2, occurrence=0) == str(expected)
    # Fixed: if an id changed with a release, receivers would take a duplicate for a new event.
    assert str(expected) == "c3cd87da-03b1-5d79-b9e2-a080a9fc4237"
    assert "." not in str(expected)


def test_each_request_for_changes_has_its_own_id() -> None:
    ids = {event_id(TASK_INSTANCE, EventType.CHANGES_REQUESTED, 2, occurrence=n) for n in range(3)}
    assert len(ids) == 3


def test_event_status_and_session_status() -> None:
    data = data_of(replace(FACTS, status="abandoned", session_status="pending_review"))
    assert (data["status"], data["session"]["status"]) == ("abandoned", "pending_review")
    data = data_of(FACTS)
    assert (data["status"], data["session"]["status"]) == ("approved", "approved")


def test_test_event() -> None:
    one, two = (build_test_event(at=AT, address="https://airflow.example") for _ in range(2))
    assert one.id != two.id
    event = json.loads(one.body)
    assert event["type"] == "hitl_review.delivery.test"
    assert event["data"]["status"] == "test"
    assert event["data"]["links"] == {"review": "https://airflow.example"}


def test_id_differs_by_type_iteration_and_task_instance() -> None:
    ids = {
        event_id(instance, type_, iteration)
        for instance in (TASK_INSTANCE, TASK_INSTANCE.replace("0f", "10"), str(uuid.UUID(int=0)))
        for type_ in EventType
        for iteration in (1, 2, 11, 12)
    }
    assert len(ids) == 3 * len(EventType) * 4


def test_same_facts_produce_the_same_bytes() -> None:
    first, again = (build_event(EventType.FINALIZED, FACTS, at=AT) for _ in range(2))
    assert first == again
    later = build_event(EventType.FINALIZED, replace(FACTS, output="other"), at=AT + timedelta(hours=1))
    assert later.id == first.id == event_id(TASK_INSTANCE, EventType.FINALIZED, 2)


def test_body_describes_the_review() -> None:
    event = json.loads(build_event(EventType.OUTPUT_READY, FACTS, at=AT).body)
    assert event == {
        "type": "hitl_review.output_ready",
        "timestamp": "2026-03-04T05:06:07.890Z",
        "data": {
            "status": "approved",
            "session": {
                "dag_id": "reports",
                "run_id": "manual__1",
                "task_id": "draft",
                "map_index": -1,
                "try_number": 1,
                "status": "approved",
                "iteration": 2,
                "max_iterations": 5,
                "prompt": "Write",
                "created_at": "2026-03-04T05:06:07.890Z",
                "deadline_at": None,
            },
            "output": "Written ✓",
            "output_truncated": False,
            "output_sha256": hashlib.sha256("Written ✓".encode()).hexdigest(),
            "shown_output_sha256": hashlib.sha256("Written ✓".encode()).hexdigest(),
            "edited": False,
            "edited_by": None,
            "feedback": "Good",
            "decided_by": {"id": "7", "name": "Zoë"},
            "acting_for": None,
            "decided_at": "2026-03-04T05:06:07.890Z",
            "channel": None,
            "request_kind": None,
            "links": {"review": "https://airflow.example/review"},
        },
    }


def test_body_of_an_edited_output_has_the_edit_and_both_digests() -> None:
    ann = Person(id="a", name="Ann" * 300)
    data = data_of(replace(FACTS, edited_output="Mine", acting_for=ann, channel="chat"))
    assert (data["output"], data["edited"]) == ("Mine", True)
    assert data["output_sha256"] == hashlib.sha256(b"Mine").hexdigest()
    assert data["shown_output_sha256"] == hashlib.sha256("Written ✓".encode()).hexdigest()
    assert data["edited_by"] == data["decided_by"] == {"id": "7", "name": "Zoë"}
    assert (data["acting_for"]["id"], data["channel"]) == ("a", "chat")
    assert len(data["acting_for"]["name"]) == 500
    assert data_of(replace(FACTS, edited_output=""))["edited"] is True


def test_absent_facts_are_null() -> None:
    data = data_of(replace(FACTS, feedback=None, decided_by=None, decided_at=None, created_at=None))
    assert data["feedback"] is data["decided_by"] is data["decided_at"] is None
    assert data_of(replace(FACTS, feedback=""))["feedback"] == ""


@pytest.mark.parametrize("unit", ["x", "é", "🎉", "\x00", '"', "\\", "\n", "\u2028", "\ud800", "a🎉\x1b\udc80"])
def test_huge_texts_are_truncated(unit: str) -> None:
    text = unit * 60_000
    data = data_of(replace(FACTS, output=text, prompt=text, feedback=text))
    sent = text.encode("utf-8", "replace").decode()
    assert data["output_truncated"] is True
    assert data["output_sha256"] == hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    for value in (data["output"], data["session"]["prompt"], data["feedback"]):
        assert value
        assert sent.startswith(value)
    assert json_bytes(data["session"]["prompt"]) <= 2_000
    assert json_bytes(data["feedback"]) <= 4_000
    # Not truncated more than needed: no further character would fit (one takes at most 6 bytes).
    body = build_event(EventType.FINALIZED, replace(FACTS, output=text, prompt=text, feedback=text), at=AT).body
    assert len(body) > MAX_BODY_BYTES - 16


@given(output=TEXT, prompt=TEXT, feedback=TEXT | st.none(), times=st.sampled_from([1, 500, 20_000]))
@settings(max_examples=40, deadline=None)
def test_body_always_fits_and_is_utf8_json(output: str, prompt: str, feedback: str | None, times: int) -> None:
    data = data_of(replace(FACTS, output=output * times, prompt=prompt * times, feedback=feedback))
    if not data["output_truncated"]:
        assert data["output"] == (output * times).encode("utf-8", "replace").decode()


def test_links_that_leave_no_room_for_output_are_omitted() -> None:
    """The longest ids that Airflow permits, of characters that take the most bytes."""
    ids: Any = dict.fromkeys(("dag_id", "run_id", "task_id"), "\U0001f600" * 250)
    encoded = "/".join(quote(one) for one in ids.values())
    links = {name: f"https://airflow.example.org/{name}/{encoded}" for name in ("review", "chat", "api")}
    facts = replace(FACTS, **ids, links=links, prompt="p" * 5_000, feedback="f" * 5_000, output="o" * 5_000)
    data = data_of(facts)
    assert data["session"]["dag_id"] == ids["dag_id"]
    assert list(data["links"]) == ["review"][: len(data["links"])]
    assert len(data["output"]) >= 2_000
    assert data_of(replace(facts, prompt="", feedback=None))["links"] == {"review": links["review"]}
    assert data_of(replace(FACTS, links={"review": "x" * 20_000}))["links"] == {}


def test_too_large_ids_are_refused() -> None:
    with pytest.raises(ValueError, match="exceed 20000 bytes"):
        build_event(EventType.FINALIZED, replace(FACTS, dag_id="x" * 20_000), at=AT)


@given(text=TEXT, limit=st.integers(0, 60))
@settings(max_examples=300, deadline=None)
def test_cut_is_the_longest_prefix_that_fits(text: str, limit: int) -> None:
    cut = cut_to_bytes(text, limit)
    assert text.startswith(cut)
    assert json_bytes(cut) <= limit
    assert cut == text or json_bytes(text[: len(cut) + 1]) > limit
