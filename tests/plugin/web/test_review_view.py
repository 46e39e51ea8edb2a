"""The parts of a review's page, without a server."""

from __future__ import annotations

import warnings
from datetime import datetime, timedelta, timezone
from html import unescape
from typing import Any

import pytest

from airflow_hitl_review.core.conversation import ConversationEntry
from airflow_hitl_review.core.review import ReviewResponse, ReviewSummary
from airflow_hitl_review.core.schema import User
from airflow_hitl_review.core.states import SessionStatus
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.core.texts import sha256_of
from tests.notebook.hostile import HOSTILE, Parts, harmless

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's server imports what is deprecated elsewhere
    from airflow_hitl_review.server.reviews.inbox import ReviewList
    from airflow_hitl_review.server.reviews.inbox_filters import Filters
    from airflow_hitl_review.web.pages import inbox_view
    from airflow_hitl_review.web.pages.review_view import page, view_of

AT = datetime(2030, 11, 23, 14, 5, tzinfo=timezone.utc)
ANN, BRIDGE = User(id="ann", name="Ann"), User(id="bridge", name="slack-bridge")
APPROVED: dict[str, Any] = {"status": SessionStatus.APPROVED, "task_completed": True, "decided_at": AT}
OWN_TAGS = ("h1", "h2", "p", "b", "select", "option")


class Reader:
    """Ann, as far as the page asks."""

    def get_id(self) -> str:
        return "ann"


def turn(kind: Any, content: str, user: User | None = ANN, acting_for: User | None = None) -> ConversationEntry:
    role: Any = "human" if user and kind != "output" else "assistant"
    return ConversationEntry(
        role=role, kind=kind, content=content, iteration=1, timestamp=AT, user=user, acting_for=acting_for
    )


def review(*turns: ConversationEntry, **changes: Any) -> ReviewResponse:
    """A review of one output, ``The quick fox.``, with these turns after it."""
    value: dict[str, Any] = {
        "dag_id": "reports",
        "run_id": "manual",
        "task_id": "draft",
        "map_index": -1,
        "status": SessionStatus.PENDING_REVIEW,
        "iteration": 1,
        "max_iterations": 3,
        "prompt": "Write.",
        "task_state": "deferred",
        "task_completed": False,
        "created_at": AT,
        "updated_at": AT,
        "deadline_at": AT + timedelta(hours=1),
        "last_error": None,
        "decided_by": None,
        "decided_at": None,
        "reviewers": [],
        "output_sha256": sha256_of("The quick fox."),
        "output_excerpt": "The quick fox.",
        "current_output": "The quick fox.",
        "output_format": "text",
        "conversation": [turn("output", "The quick fox.", None), *turns],
    }
    return ReviewResponse(**{**value, **changes})


def part(name: str, shown: ReviewResponse) -> str:
    return " ".join(Parts(view_of(shown).parts[name]).text.split())


def in_order(text: str, *parts: str) -> bool:
    places = [text.index(one) for one in parts]
    return places == sorted(places)


def test_approved_edit_is_first_and_the_output_is_folded() -> None:
    shown = review(
        turn("edit", "The slow fox.", BRIDGE, ANN),
        turn("feedback", "Fine.", BRIDGE, ANN),
        **APPROVED,
        edited=True,
        decided_by=BRIDGE,
        acting_for=ANN,
        channel="rest",
    )
    assert "Approved, edited round 1 of 3 run manual for Ann, by slack-bridge, 23 Nov 14:05 UTC" in part(
        "head", shown
    )
    latest = part("latest", shown)
    assert latest.startswith("Approved as edited by Ann, by slack-bridge ")
    order = ["The slow fox.", "Changed by hand: 1 word added, 1 removed", "Output 1 as the task made it", "quick"]
    assert in_order(latest.replace("[removed: quick]", ""), *order)
    assert "Ann, by slack-bridge, on output 1, 23 Nov 14:05 UTC Fine." in latest
    assert view_of(shown).state["decided_by"] == "Ann, by slack-bridge"


def test_refused_edit_is_shown_with_the_error() -> None:
    latest = part("latest", review(turn("edit", "The slow fox."), turn("error", "The edit was refused", None)))
    assert in_order(
        latest, "Current output", "Ann edited output 1, ", "[added: slow]", "Task, ", "The edit was refused"
    )


@pytest.mark.parametrize(
    ("words", "refused"), [("The edit was refused: no region", True), ("Regenerating failed: boom", False)]
)
def test_error_is_of_the_edit_only_if_the_task_refused_it(words: str, refused: bool) -> None:
    said = turn("edit", "The slow fox."), turn("feedback", "More.", BRIDGE), turn("error", words, None)
    state = view_of(review(*said, edited_output="The slow fox.")).state
    assert (state["has_unused_edit"], state["edit_refused"]) == (True, refused)
    assert state["spoken"] == [[1, "ann"], [1, "bridge"]]


def test_edit_is_between_its_output_and_the_next() -> None:
    second = turn("output", "The slow brown fox.", None).model_copy(update={"iteration": 2})
    shown = review(turn("edit", "The slow fox."), second, iteration=2, current_output="The slow brown fox.")
    assert in_order(part("earlier", shown), "Output 1, ", "Ann edited output 1, ", "Changed by hand: ")
    assert "Changes since the edit of output 1 by Ann: 1 word added" in part("latest", shown)


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ("timeout", "Approved at the deadline round 1 of 3 run manual because nobody decided in time, 23 Nov"),
        ("policy", "Approved without a review round 1 of 3 run manual the DAG's rule says that nobody need look"),
    ],
)
def test_head_says_that_nobody_decided(channel: str, words: str) -> None:
    shown = review(**APPROVED, channel=channel)
    assert words in part("head", shown)
    state = view_of(shown).state
    assert state["decided_by"] is None
    assert state["ended_because"] in words


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("fail", "decide before 23 Nov 15:05 UTC"),
        ("approve", "approved at 23 Nov 15:05 UTC if nobody decides"),
        ("reject", "rejected at 23 Nov 15:05 UTC if nobody decides"),
    ],
)
def test_head_says_what_happens_at_the_deadline(what: str, words: str) -> None:
    shown = review(on_hitl_timeout=what)
    assert words in part("head", shown)
    assert "<time " in view_of(shown).parts["head"]


def test_form_says_what_rejecting_does() -> None:
    key = TaskKey("reports", "manual", "draft", -1)
    for on_reject, effect in (("fail", "fails and is not retried"), ("skip", "is skipped, and so are tasks that")):
        html = page(view_of(review(on_reject=on_reject)), key, user=Reader(), may_decide=True, inbox="inbox")  # type: ignore[arg-type]
        assert f'"effect": "The task {effect}' in unescape(html)


def test_list_says_how_reviews_ended() -> None:
    changes: list[dict[str, Any]] = [
        {"edited": True, "decided_by": BRIDGE, "acting_for": ANN},
        {"channel": "timeout"},
        {"channel": "policy"},
    ]
    rows: list[ReviewSummary] = [review(**APPROVED, **one) for one in changes]
    found = ReviewList(sessions=rows, total_entries=3, waiting=0, dag_ids=["reports"])
    html = inbox_view.page(found, Filters(), "v", user_id="ann", decidable=())
    text = " ".join(Parts(html).text.split())
    assert in_order(
        text,
        "Approved, edited",
        "for Ann, by slack-bridge",
        "Approved at the deadline",
        "because nobody decided in time",
        "Approved without a review",
        "the DAG's rule says that nobody need look",
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_names_and_edits_are_escaped(text: str) -> None:
    user = User(id=text, name=text)
    turns = turn("edit", f"{text} by hand", user, user), turn("feedback", text, user, user)
    names: dict[str, Any] = {"decided_by": user, "acting_for": user, "edited": True}
    for shown in (review(*turns, **names), review(*turns, **{**APPROVED, **names})):
        parts = view_of(shown).parts
        assert harmless(parts["head"], also=OWN_TAGS).text.count(user.name) == 2
        assert harmless(parts["latest"], also=OWN_TAGS).text.count(f"{user.name}, by {user.name}") == 2
