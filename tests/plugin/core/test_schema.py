"""Schema, conversation and the resume guard, without Airflow."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_hitl_review.core.resume_guard import is_settled
from airflow_hitl_review.core.review import assemble, is_active
from airflow_hitl_review.core.schema import (
    ACTION_KEY,
    SESSION_KEY,
    AgentSession,
    feedback_key,
    iteration_of,
    output_key,
)
from airflow_hitl_review.core.stored import StoredValue
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.core.texts import storable
from airflow_hitl_review.core.webhook_endpoints import Webhook, as_webhooks

T0 = datetime(2026, 1, 1, tzinfo=timezone.utc)
KEY = TaskKey("d", "r", "t")
SETTLE = timedelta(seconds=3)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("heartbeat", "settled"),
    [(None, False), (-5, False), (2.9, False), (3, True), (500, True)],
)
def test_resume_guard(heartbeat: float | None, settled: bool) -> None:
    last = at(heartbeat) if heartbeat is not None else None
    assert is_settled(parked_at=T0, heartbeat=last, settle=SETTLE) is settled


def test_xcom_keys_match_the_provider() -> None:
    assert SESSION_KEY == "airflow_hitl_review_agent_session"
    assert ACTION_KEY == "airflow_hitl_review_human_action"
    assert output_key(2) == "airflow_hitl_review_agent_output_2"
    assert feedback_key(2) == "airflow_hitl_review_human_feedback_2"
    assert iteration_of(output_key(12), feedback=False) == 12
    assert iteration_of(output_key(12), feedback=True) is None
    assert iteration_of("airflow_hitl_review_agent_output_x", feedback=False) is None


def test_session_of_the_provider_is_read() -> None:
    """It has five fields, no times, and only the last action."""
    xcoms = {
        SESSION_KEY: StoredValue(
            {"status": "approved", "iteration": 2, "max_iterations": 5, "prompt": "p", "current_output": "b"}, at(9)
        ),
        output_key(1): StoredValue("a", at(1)),
        feedback_key(1): StoredValue("shorter", at(2)),
        output_key(2): StoredValue("b", at(3)),
        ACTION_KEY: StoredValue({"action": "approve", "feedback": "", "iteration": 2}, at(8)),
    }
    review = assemble(KEY, "running", xcoms)
    assert review is not None
    assert (review.status.value, review.created_at, review.decided_at) == ("approved", at(9), at(8))
    assert [(t.role, t.content, t.timestamp) for t in review.conversation] == [
        ("assistant", "a", at(1)),
        ("human", "shorter", at(2)),
        ("assistant", "b", at(3)),
    ]


@pytest.mark.parametrize(
    ("state", "failed", "more"),
    [
        ("awaiting_input", {}, {"last_error": "boom"}),
        # The review ended without a later decision, so the stored feedback is still the one that failed.
        (
            "failed",
            {"asked_at": at(4).isoformat()},
            {
                "status": "timeout_exceeded",
                "decisions": [
                    {"action": "changes_requested", "iteration": 1, "user": None, "at": at(4).isoformat()}
                ],
            },
        ),
    ],
)
def test_failed_feedback_is_shown_once(state: str, failed: dict[str, Any], more: dict[str, Any]) -> None:
    failure = {"iteration": 1, "at": at(5).isoformat(), "feedback": "shorter", "error": "boom"} | failed
    session: dict[str, Any] = AgentSession(current_output="a").model_dump(mode="json")
    xcoms = {
        SESSION_KEY: StoredValue(session | {"failures": [failure]} | more, at(5)),
        output_key(1): StoredValue("a", at(1)),
        feedback_key(1): StoredValue("shorter", at(4)),
    }
    review = assemble(KEY, state, xcoms)
    assert review is not None
    assert [t.kind for t in review.conversation] == ["output", "feedback", "error"]


def test_rejection_reason_is_attributed_to_who_rejected() -> None:
    decisions = [
        {
            "action": "changes_requested",
            "iteration": 1,
            "user": {"id": "ann", "name": "Ann"},
            "at": at(2).isoformat(),
        },
        {"action": "reject", "iteration": 1, "user": {"id": "bob", "name": "Bob"}, "at": at(7).isoformat()},
    ]
    session: dict[str, Any] = AgentSession(current_output="a").model_dump(mode="json")
    xcoms = {
        SESSION_KEY: StoredValue(session | {"decisions": decisions, "status": "rejected"}, at(7)),
        output_key(1): StoredValue("a", at(1)),
        feedback_key(1): StoredValue("wrong item", at(7)),
    }
    review = assemble(KEY, "failed", xcoms)
    assert review is not None
    (_, reason) = review.conversation
    assert (reason.content, reason.user and reason.user.name, reason.timestamp) == ("wrong item", "Bob", at(7))


@pytest.mark.parametrize("value", ["text", 5, None, [], {"status": "of another kind"}])
def test_invalid_session_is_not_a_review(value: object) -> None:
    assert assemble(KEY, "running", {SESSION_KEY: StoredValue(value, at(1))}) is None


def test_invalid_action_does_not_say_who_decided() -> None:
    session = {"status": "approved", "iteration": 1, "max_iterations": 5, "prompt": "p", "current_output": "a"}
    review = assemble(
        KEY, "running", {SESSION_KEY: StoredValue(session, at(1)), ACTION_KEY: StoredValue("text", at(2))}
    )
    assert review is not None
    assert review.decided_by is None


def test_missing_session_is_not_a_review() -> None:
    assert assemble(KEY, "running", {}) is None


def test_parked_task_is_active_and_task_up_for_retry_is_not() -> None:
    assert is_active("awaiting_input")
    assert not any(is_active(state) for state in ("success", "failed", "up_for_retry", "removed", None))


def test_storable_replaces_nul_and_lone_surrogates() -> None:
    assert storable("a\x00b\ud800c☃😀") == "a\ufffdb\ufffdc☃😀"
    assert storable("a\x00b") == "a\ufffdb"


def test_webhooks_argument_accepts_urls_connection_ids_and_objects() -> None:
    given: list[str | Webhook] = [
        "https://example.org/hook",
        "my_conn",
        Webhook(conn_id="other", events=("hitl_review.finalized",)),
    ]
    names = [webhook.name for webhook in as_webhooks(given)]
    assert names == ["https://example.org/hook", "my_conn", "other"]
    assert as_webhooks("my_conn")[0].conn_id == "my_conn"


@pytest.mark.parametrize("given", [["a", "a"], [""], [3], "  "])
def test_invalid_webhooks_argument_is_rejected(given: Any) -> None:
    with pytest.raises(ValueError, match="webhooks"):
        as_webhooks(given)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"url": "https://x", "conn_id": "y"},
        {"conn_id": "y", "events": ("hitl_review.finalised",)},
        {"conn_id": "y", "events": "hitl_review.finalized"},
        {"conn_id": "y", "format": "xml"},
    ],
)
def test_invalid_webhook_is_rejected(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Webhook"):
        Webhook(**arguments)


@pytest.mark.parametrize("iteration", [1, 2])
def test_feedback_is_shown_even_if_its_output_is_missing_or_pending(iteration: int) -> None:
    session: dict[str, Any] = AgentSession(current_output="b", iteration=2).model_dump(mode="json")
    xcoms = {
        SESSION_KEY: StoredValue(session, at(5)),
        feedback_key(iteration): StoredValue("shorter", at(4)),
        output_key(2): StoredValue("b", at(3)),
    }
    review = assemble(KEY, "running", xcoms)
    assert review is not None
    told = [(t.kind, t.content, t.iteration) for t in review.conversation]
    feedback, output = ("feedback", "shorter", iteration), ("output", "b", 2)
    assert told == ([feedback, output] if iteration == 1 else [output, feedback])
