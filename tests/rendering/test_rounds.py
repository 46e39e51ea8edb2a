from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from hitl_rendering.output_box import change_box, edit_box, output_fold
from hitl_rendering.rounds import Round, Rounds, rounds_of

START = datetime(2030, 1, 2, 3, 4, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Somebody:
    name: str


@dataclass(frozen=True)
class Said:
    kind: str
    content: str
    iteration: int
    user: Somebody | None = Somebody("Ann")
    acting_for: Somebody | None = None
    trace: None = None
    timestamp: datetime = START
    is_request: bool = False


@dataclass(frozen=True)
class Shown:
    conversation: list[Said]
    iteration: int
    current_output: str
    output_format: str = "text"
    display_as: str | None = None
    request: Request | None = None
    updated_at: datetime = field(default=START + timedelta(minutes=5))


def sorted_out(*turns: Said, output_format: str = "text") -> Rounds[Said]:
    current = [turn for turn in turns if turn.kind == "output"][-1]
    return rounds_of(Shown(list(turns), current.iteration, current.content, output_format))


ASKED = '{"c": {"tool_name": "refund", "args": {"order": 7}, "approved": true, "reason": ""}}'
DENIED = ASKED.replace("true", "false").replace('""', '"too much"')


@dataclass(frozen=True)
class Call:
    tool_call_id: str = "c"
    description: str = "Pay <b>back</b>."
    metadata: dict[str, Any] | None = None


@dataclass(frozen=True)
class Begun:
    try_number: int = 1
    at: datetime = START
    calls: tuple[str, ...] = ("refund(order=<7>)",)


@dataclass(frozen=True)
class Request:
    kind: str = "tool_calls"
    calls: tuple[Call, ...] = (Call(),)
    earlier: tuple[Begun, ...] = (Begun(),)


ASKING = Request()


def test_requests_are_shown_as_calls_and_not_compared_with_outputs() -> None:
    asked, said = Said("output", ASKED, 2, is_request=True), Said("output", "# Draft", 1)
    answer = Said("edit", DENIED, 2, is_request=True)
    rounds = sorted_out(said, asked, answer, Said("output", "Done", 3))
    draft, request, edit = rounds.earlier
    assert (draft.noun, request.noun, edit.noun) == ("output 1", "request 2", "request 2")
    assert (request.before, edit.before, rounds.current.before) == (None, request, None)
    assert "<h1" in draft.html
    assert "<b>" in request.html
    assert "refund" in request.html
    assert "Denied: too much" in edit.html
    assert "false" in edit.change[1]


def test_outputs_before_a_request_keep_their_form() -> None:
    turns = [Said("output", "# Draft", 1), Said("output", ASKED, 2, is_request=True)]
    rounds = rounds_of(Shown(turns, 2, ASKED, "json", request=ASKING))
    assert [one.output_format for one in (*rounds.earlier, rounds.current)] == ["text", "json"]
    gone = rounds_of(Shown(turns[:1], 2, ASKED, "json", request=ASKING))
    assert gone.current.is_request
    assert "Pay &lt;b&gt;back" in gone.current.html
    assert "Try 1 of the task began these calls" in gone.current.html
    assert "refund(order=&lt;7&gt;)" in gone.current.html


def contents(rounds: tuple[Round[Said], ...]) -> list[str]:
    return [one.content for one in rounds]


def test_next_output_is_compared_with_the_edit_that_it_was_made_from() -> None:
    edit = Said("edit", "one 2", 1)
    rounds = sorted_out(
        Said("output", "one", 1), edit, Said("feedback", "go on", 1), Said("output", "one 2 three", 2)
    )
    assert contents(rounds.earlier) == ["one", "one 2"]
    output, edited = rounds.earlier
    assert (edited.edited_by, edited.iteration, edited.before) == (edit, 1, output)
    assert edited.change[0] == "1 word added"
    assert rounds.current.before is edited
    assert rounds.current.change[0] == "1 word added"
    assert [turn.content for turn in rounds.current.said] == ["go on"]
    assert (rounds.edits, rounds.edit, rounds.since) == ((), None, ())


def test_edit_of_the_current_output_holds_and_is_after_it() -> None:
    rounds = sorted_out(Said("output", "one", 1), Said("edit", "two", 1), Said("feedback", "fine", 1))
    assert (rounds.earlier, rounds.current.content, contents(rounds.edits)) == ((), "one", ["two"])
    assert rounds.edit is rounds.edits[0]
    assert rounds.edit is not None
    assert rounds.edit.before is rounds.current
    assert [turn.content for turn in rounds.since] == ["fine"]


def test_refused_edit_is_shown_and_does_not_hold() -> None:
    error = Said("error", "The edit was refused", 1, None)
    turns = Said("output", "one", 1), Said("edit", "two", 1), error
    rounds = sorted_out(*turns)
    assert contents(rounds.edits) == ["two"]
    assert rounds.edit is None
    assert rounds.since == (error,)
    again = sorted_out(*turns, Said("edit", "three", 1))
    assert contents(again.edits) == ["two", "three"]
    assert again.edits[1].said == (error,)
    assert again.edits[1].before is again.current
    assert again.edit is again.edits[1]
    later = sorted_out(*turns, Said("feedback", "four", 1), Said("output", "four", 2))
    assert later.current.before is later.earlier[0]
    assert contents(later.earlier) == ["one", "two"]


def test_edits_are_counted_so_that_each_fold_has_its_name() -> None:
    rounds = sorted_out(
        Said("output", "one", 1),
        Said("edit", "two", 1),
        Said("error", "no", 1, None),
        Said("edit", "three", 1),
        Said("output", "four", 2),
        Said("edit", "five", 2),
    )
    assert [one.fold("changes") for one in (*rounds.earlier, rounds.current, *rounds.edits)] == [
        "changes-1",
        "changes-edit-1",
        "changes-edit-2",
        "changes-2",
        "changes-edit-3",
    ]


def test_edit_whose_output_is_gone() -> None:
    current = rounds_of(Shown([Said("edit", "two", 1)], 1, "one"))
    assert (current.current.content, contents(current.edits)) == ("one", ["two"])
    assert current.edit is not None
    assert current.edit.before is current.current
    earlier = rounds_of(Shown([Said("edit", "two", 1)], 2, "three"))
    assert contents(earlier.earlier) == ["two"]
    assert earlier.earlier[0].before is None
    assert "Output 1 as edited" in edit_box(earlier.earlier[0], is_open=False)
    assert earlier.current.before is earlier.earlier[0]


def test_unknown_kinds_count_as_feedback() -> None:
    strange = Said("vote", "+1", 1)
    assert sorted_out(Said("output", "one", 1), Said("edit", "two", 1), strange).since == (strange,)


def test_headings_name_the_edit() -> None:
    rounds = sorted_out(
        Said("output", "one", 1),
        Said("edit", "two", 1, Somebody("slack-bridge"), Somebody("<b>Ann")),
        Said("output", "three", 2),
    )
    since = change_box(rounds.current, is_open=True)
    who = "the edit of output 1 by <bdi>&lt;b&gt;Ann</bdi>, by <bdi>slack-bridge</bdi>"
    assert f"<summary>Changes since {who}: " in since
    assert 'aria-label="Changes since the edit of output 1"' in since
    folded = change_box(rounds.current, is_open=False)
    assert f"<summary>Changes from {who}, to output 2: " in folded
    by_hand = change_box(rounds.earlier[1], is_open=False)
    assert "<summary>Changed by hand: 1 word added, 1 removed</summary>" in by_hand
    assert 'aria-label="Changes by hand to output 1"' in by_hand
    plain = sorted_out(Said("output", "one", 1), Said("edit", "two", 1, None), Said("output", "three", 2))
    assert "<summary>Changes since the edit of output 1: " in change_box(plain.current, is_open=True)


@pytest.mark.parametrize("length", [10, 10_000])
def test_folded_output_has_the_whole_text(length: int) -> None:
    text = "word " * length
    fold = output_fold(sorted_out(Said("output", text, 1)).current, "Output 1 as the task made it")
    assert fold.count("word") == length
    assert "<summary>Output 1 as the task made it</summary>" in fold


def test_edited_json_is_compared_by_value() -> None:
    rounds = sorted_out(Said("output", '[{"a": 1.0}]', 1), Said("edit", '[{"a": 1.50}]', 1), output_format="json")
    assert rounds.edit is not None
    assert "[0].a" in edit_box(rounds.edit, is_open=True)
