"""On each Airflow from 3.1.0 on: outputs that are edited, and reviews that the clock or a rule decides."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from hitl_notebook import Review, Turn, User
from tests.compatibility.edits import BIG, TEXT
from tests.compatibility.story import Story

pytestmark = [pytest.mark.live, pytest.mark.postgres, pytest.mark.timeout(3600)]

REFUSAL = "The amounts of the lines do not add up to the total."
ADMIN = User("admin", "admin")
ANN = User("U1", "Ann")


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def turns(review: Review) -> list[tuple[str, int]]:
    return [(turn.kind, turn.iteration) for turn in review.conversation]


def edits_of(told: Story) -> tuple[str, str]:
    """The two edits of the typed output that were carried out, as they were sent."""
    asked, approved = told.facts["edits"]["asked"], told.facts["edits"]["approved"]
    return asked.edited_output, approved.edited_output


def test_settings_are_told(told: Story) -> None:
    facts = told.facts["edits"]
    assert facts["schema"] == ["title", "day", "grade", "note", "total", "lines"]
    assert facts["settings"] == {
        "typed": (True, "fail", "fail"),
        "text": (True, "fail", "fail"),
        "polled": (True, "fail", "fail"),
        "locked": (False, "fail", "fail"),
        "skipped": (True, "skip", "fail"),
        "clock_approves": (True, "fail", "approve"),
        "clock_rejects": (True, "fail", "reject"),
    }


def test_an_edit_that_does_not_fit_the_schema_is_refused_by_the_api(told: Story) -> None:
    code, answer = told.facts["edits"]["refused by the API"]
    assert code == 422
    assert sorted(error["path"] for error in answer["errors"]) == [["grade"], ["lines", 0, "name"]]
    assert all(error["message"] for error in answer["errors"])
    assert answer["detail"].startswith("The edit does not fit the type of the output: ")
    assert told.facts["edits"]["after that"]
    assert "allow_modifications is False" in told.facts["edits"]["locked"]


def test_an_edit_that_the_type_refuses_comes_back(told: Story) -> None:
    """With the reason and the edit; a JSON Schema cannot say that the lines must add up."""
    back: Review = told.facts["edits"]["refused by the task"]
    assert (back.status, back.iteration, back.last_error) == ("pending_review", 1, REFUSAL)
    assert back.edited_output == json.dumps(back.output | {"total": 4.0}, indent=2)
    assert turns(back) == [("output", 1), ("edit", 1), ("feedback", 1), ("error", 1)]
    edit, feedback, error = back.conversation[1:]
    assert (edit.content, edit.user, feedback.content) == (back.edited_output, ADMIN, "fixed")
    assert error.content == f"The edit was refused: {REFUSAL}"


def test_changes_go_on_from_the_edit(told: Story) -> None:
    facts = told.facts["edits"]
    asked, newer = facts["asked"], facts["newer"]
    assert (asked.status, asked.edited, asked.channel) == ("changes_requested", True, "rest")
    assert newer.output == json.loads(asked.edited_output) | {"title": "Edited: go on"}
    assert newer.output["lines"][2] == {"name": "c", "amount": 1.0, "count": BIG}
    last: Turn = newer.conversation[-3]
    assert (last.kind, last.content, last.user) == ("edit", asked.edited_output, ADMIN)
    assert turns(newer)[-3:] == [("edit", 1), ("feedback", 1), ("output", 2)]


def test_the_approved_edit_is_the_result(told: Story) -> None:
    """In XCom and in the next task: integers above 2**53 and 1.0 are as they were written."""
    approved: Review = told.facts["edits"]["approved"]
    assert (approved.status, approved.edited, approved.channel) == ("approved", True, "rest")
    assert (approved.decided_by, approved.acting_for) == (ADMIN, ANN)
    assert turns(approved)[-2:] == [("output", 2), ("edit", 2)]
    value = json.loads(approved.edited_output or "")
    results = told.facts["results"]
    # PostgreSQL orders the names in an object anew, in every XCom; 1 and 1.0 differ in this text.
    written = json.dumps(value, sort_keys=True)
    assert json.dumps(results["edited", "typed", -1], sort_keys=True) == written
    assert results["edited", "seen", -1] == written
    assert '"amount": 1.0, "count": 9007199254740995' in written
    assert BIG == 9007199254740995
    assert value["grade"] == "bad"


@pytest.mark.parametrize("task_id", ["text", "polled"])
def test_an_edited_text_is_the_result_to_the_last_space(told: Story, task_id: str) -> None:
    assert told.facts["edits"][task_id].edited_output == TEXT
    assert told.facts["results"]["edited", task_id, -1] == TEXT


def test_a_rejected_task_is_skipped(told: Story) -> None:
    ends = told.facts["ends"]["edited"]
    assert ends["skipped", -1] == "skipped"
    assert ends["after_approval", -1] == "skipped"
    assert ends["after_all", -1] == "success"
    row = told.facts["edits"]["ended"]["skipped"]
    assert (row.status, row.decided_by, row.channel) == ("rejected", ADMIN, "rest")


def test_decisions_that_nobody_made(told: Story) -> None:
    ended = told.facts["edits"]["ended"]
    seen = {
        name: (r.status, r.channel, r.decided_by, r.edited) for name, r in ended.items() if r.decided_by is None
    }
    assert seen == {
        "clock_approves": ("approved", "timeout", None, False),
        "clock_rejects": ("rejected", "timeout", None, False),
        "unseen": ("approved", "policy", None, False),
    }
    ends, results = told.facts["ends"]["edited"], told.facts["results"]
    assert ends["clock_rejects", -1] == "failed"
    assert results["edited", "clock_approves", -1] == results["edited", "unseen", -1] == "# Draft"


def test_webhooks_tell_of_edits(told: Story) -> None:
    asked, approved = edits_of(told)
    events = [data | {"type": type_} for type_, data in told.facts["edits"]["webhooks"]]
    typed = [
        (
            event["type"].removeprefix("hitl_review."),
            event["session"]["iteration"],
            event["edited"],
            event["edited_by"],
            event["output_sha256"],
            event["shown_output_sha256"],
        )
        for event in events
        if event["session"]["task_id"] == "typed"
    ]
    first = told.facts["edits"]["refused by the task"].output_sha256
    second = told.facts["edits"]["newer"].output_sha256
    who = {"id": "admin", "name": "admin"}
    assert sorted(typed, key=lambda event: (event[1], -len(event[0]))) == [
        ("changes_requested", 1, True, who, sha256(asked), first),
        ("output_ready", 1, False, None, first, first),
        ("output_ready", 2, False, None, second, second),
        ("finalized", 2, True, who, sha256(approved), second),
    ]
    finals = {e["session"]["task_id"]: e for e in events if e["type"] == "hitl_review.finalized"}
    assert finals["typed"]["acting_for"] == {"id": "U1", "name": "Ann"}
    assert (finals["text"]["output"], finals["text"]["edited"]) == (TEXT, True)
    kinds = {name: (e["status"], e["channel"], e["decided_by"]) for name, e in finals.items()}
    assert kinds["clock_approves"] == ("approved", "timeout", None)
    assert kinds["clock_rejects"] == ("rejected", "timeout", None)
    assert kinds["unseen"] == ("approved", "policy", None)
    assert (finals["skipped"]["feedback"], kinds["skipped"][0]) == ("not this one", "rejected")


def test_the_audit_log_tells_of_edits(told: Story) -> None:
    """With the digests of the output that was shown and of the edit; also of decisions that nobody made."""
    asked, approved = edits_of(told)
    log: list[tuple[str, str, str | None, dict[str, Any]]] = told.facts["edits"]["audit log"]
    facts = told.facts["edits"]
    typed = [(event, owner, extra) for task_id, event, owner, extra in log if task_id == "typed"]
    assert [(event, owner) for event, owner, _ in typed] == [
        ("hitl_review.approve", "admin"),
        ("hitl_review.changes_requested", "admin"),
        ("hitl_review.approve", "admin"),
    ]
    first, second = facts["refused by the task"].output_sha256, facts["newer"].output_sha256
    refused = facts["refused by the task"].edited_output
    assert [(extra["output_sha256"], extra["edited_output_sha256"]) for _, _, extra in typed] == [
        (first, sha256(refused)),
        (first, sha256(asked)),
        (second, sha256(approved)),
    ]
    assert [extra["acting_for_id"] for _, _, extra in typed] == [None, None, "U1"]
    nobody = {task_id: (event, extra["action"]) for task_id, event, _, extra in log if "user_id" not in extra}
    assert nobody == {
        "clock_approves": ("hitl_review.timeout", "approve"),
        "clock_rejects": ("hitl_review.timeout", "reject"),
        "unseen": ("hitl_review.policy", "approve"),
    }


def test_an_agents_edited_output_is_of_its_type(told: Story) -> None:
    """The member of a union that the agent had returned; as a dict before Airflow 3.3, as its other outputs."""
    if told.version.provider:
        as_object = told.version.has_awaiting_input
        compared = told.facts["results"]["agents", "edited_compared", -1]
        assert compared == {"equal": as_object, "equal_as_dicts": not as_object}


def test_the_provider_reads_edited_reviews(told: Story) -> None:
    """Its model takes our API's answer, with the edits among the turns; its API shows the review without them."""
    if not told.version.provider:
        return
    asked, approved = edits_of(told)
    read, at_theirs = told.facts["edits"]["as theirs"], told.facts["edits"]["at theirs"]
    said = [(turn["role"], turn["iteration"]) for turn in read["conversation"]]
    first = [("assistant", 1), ("human", 1), ("assistant", 1), ("human", 1), ("human", 1)]
    assert said == [*first, ("assistant", 2), ("human", 2)]
    texts = [turn["content"] for turn in read["conversation"]]
    assert texts[4:] == ["go on", told.facts["edits"]["newer"].current_output, approved]
    assert texts[3] == asked
    for answer in (read, at_theirs):
        assert (answer["status"], answer["iteration"], answer["task_completed"]) == ("approved", 2, True)
    assert [turn["iteration"] for turn in at_theirs["conversation"]] == [1, 1, 2]
