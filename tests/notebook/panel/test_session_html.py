from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from demo.processes import PATIENCE
from hitl_notebook import Review, ReviewKey
from hitl_notebook.panel.review.links import links_html
from hitl_notebook.panel.review.review_html import conversation_html, head_html, output_html, prepare
from hitl_notebook.records import Turn, User
from hitl_rendering import render
from tests.notebook.hostile import HOSTILE, Parts, harmless
from tests.notebook.server import review, turn
from tests.notebook.times import stamp

ADA = {"id": "1", "name": "Ada Lovelace"}


def rounds(*outputs: str, **changes: Any) -> Review:
    """A review with these outputs and feedback on all but the last."""
    turns = []
    for number, output in enumerate(outputs, 1):
        turns.append(turn("output", output, number))
        if number < len(outputs):
            turns.append(turn("feedback", f"feedback on {number}", number, ADA))
    changes.setdefault("conversation", turns)
    return review(iteration=len(outputs), current_output=outputs[-1], **changes)


def hostile_review(text: str, **changes: Any) -> Review:
    user = {"id": text, "name": text}
    value: dict[str, Any] = {
        "prompt": text,
        "status": text,
        "iteration": 3,
        "current_output": text,
        "decided_by": user,
        "decided_at": stamp(1),
        "last_error": text,
        "conversation": [
            turn("output", f"{text} one", 1),
            turn("feedback", text, 1, user),
            turn("error", text, 1),
            turn("edit", f"{text} one by hand", 1, user),
            turn("output", f"{text} two {text}", 2),
            turn("feedback", text, 2, user),
            turn("output", text, 3),
            turn("edit", f"{text} three by hand", 3, user),
            turn("feedback", text, 3, user),
        ],
    }
    shown = review(ReviewKey(text, text, text), **{**value, **changes})
    somebody = User(text, text)
    turns = tuple(replace(one, acting_for=somebody) if one.user else one for one in shown.conversation)
    return replace(shown, conversation=turns, acting_for=somebody)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("output_format", ["text", "json"])
def test_foreign_text_is_escaped(text: str, output_format: str) -> None:
    shown = hostile_review(text, output_format=output_format)
    head = harmless(head_html(shown), text_tags=False)
    assert head.text.count(text) >= 6  # dag, task, run, status, user, prompt
    conversation = harmless(conversation_html(shown))
    assert conversation.text.count(text) >= 3  # user, feedback, error
    output = harmless(output_html(shown))
    assert output.text.count(text) >= 4  # user and feedback, twice
    assert {"ins", "del"} & set(output.tags)
    approved = harmless(output_html(replace(shown, status="approved")))
    assert approved.text.count(f"Approved as edited by {text}, by {text}") == 1


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_json_is_escaped(text: str) -> None:
    first = json.dumps({text: [text], "same": text})
    second = json.dumps({text: [text, text], "same": text, text + text: f"{text}\n{text}"})
    shown = hostile_review(
        text,
        output_format="json",
        iteration=2,
        current_output=second,
        conversation=[turn("output", first, 1), turn("output", second, 2)],
    )
    for html in (conversation_html(shown), output_html(shown)):
        assert json.dumps(text, ensure_ascii=False) in harmless(html).text


def edited(*turns: dict[str, Any], acting_for: User | None = None, **changes: Any) -> Review:
    """A review of one output, ``The quick fox.``, with these turns after it."""
    shown = review(
        current_output="The quick fox.", conversation=[turn("output", "The quick fox.", 1), *turns], **changes
    )

    def of(one: Turn) -> Turn:
        return replace(one, acting_for=acting_for) if one.user is not None else one

    return replace(shown, conversation=tuple(map(of, shown.conversation)), acting_for=acting_for)


def in_order(text: str, *parts: str) -> bool:
    places = [text.index(part) for part in parts]
    return places == sorted(places)


def test_edit_is_between_its_output_and_the_next() -> None:
    turns = [
        turn("output", "The quick fox.", 1),
        turn("edit", "The slow fox.", 1, ADA),
        turn("feedback", "Which colour?", 1, ADA),
        turn("output", "The slow brown fox.", 2),
    ]
    shown = review(iteration=2, current_output="The slow brown fox.", conversation=turns)
    conversation = Parts(conversation_html(shown)).text
    assert in_order(conversation, "Output 1, ", "Ada Lovelace edited output 1, ", "Changed by hand: 1 word added")
    assert "The [removed: quick] [added: slow] fox." in conversation
    output = Parts(output_html(shown)).text
    since = "Changes since the edit of output 1 by Ada Lovelace: 1 word added"
    assert in_order(output, "Which colour?", since, "Current")
    assert "[added: brown]" in output
    assert "[removed: " not in output


def test_approved_edit_is_first_and_the_output_is_folded() -> None:
    shown = edited(turn("edit", "The slow fox.", 1, ADA), turn("feedback", "Fine.", 1, ADA), status="approved")
    html = output_html(shown)
    order = ["Approved as edited by Ada Lovelace", "The slow fox.", "Changed by hand: 1 word", "[removed: quick]"]
    assert in_order(Parts(html).text, *order, "Output 1 as the task made it", "The quick fox.", "Fine.")
    assert "edited output 1" not in Parts(html).text
    assert html.count('data-choice="display_as"') == 1
    for_her = edited(turn("edit", "x", 1, ADA), acting_for=User("9", "Ann"), status="approved")
    assert "Approved as edited by Ann, by Ada Lovelace" in Parts(output_html(for_her)).text


def test_refused_edit_is_shown_with_the_error() -> None:
    shown = edited(turn("edit", "The slow fox.", 1, ADA), turn("error", "The edit was refused: too slow", 1))
    text = Parts(output_html(shown)).text
    order = ["Current output", "The quick fox.", "Ada Lovelace edited output 1, ", "Changed by hand", "too slow"]
    assert in_order(text, *order)
    refused = replace(shown, status="approved")  # approved later, as it was
    assert "Approved as edited" not in Parts(output_html(refused)).text


def test_edit_from_which_the_task_goes_on() -> None:
    turns = turn("edit", "The slow fox.", 1, ADA), turn("feedback", "Which colour?", 1, ADA)
    text = Parts(output_html(edited(*turns, status="changes_requested"))).text
    assert in_order(text, "Output 1", "edited output 1", "Output 1 as edited", "Which colour?", "is being made")


def test_head_says_how_the_review_ended() -> None:
    ended = replace(review(status="approved", decided_by=ADA, decided_at=stamp(1)), channel="rest")
    for_her = replace(ended, edited=True, acting_for=User("9", "Ann"))
    text = Parts(head_html(for_her)).text
    assert in_order(text, "Approved, edited", "for Ann, by Ada Lovelace, ")
    by_the_clock = Parts(head_html(replace(ended, decided_by=None, channel="timeout"))).text
    assert in_order(by_the_clock, "Approved at the deadline", "because nobody decided in time, ")
    unseen = Parts(head_html(replace(ended, decided_by=None, channel="policy"))).text
    assert in_order(unseen, "Approved without a review", "the DAG's rule says that nobody need look, ")
    waits = review(deadline_at=stamp(60))
    assert "approved at 2 Jan 0" in Parts(head_html(replace(waits, on_hitl_timeout="approve"))).text


def test_first_output() -> None:
    shown = rounds("# One")
    assert conversation_html(shown) == ""
    parts = harmless(output_html(shown))
    assert parts.text.startswith("Current output")
    assert parts.tags.count("details") == 1  # the original text
    assert "As it was written" in parts.text
    assert ("div", "aria-label", "Current output") in parts.attributes


def test_change_and_feedback_are_above_the_output() -> None:
    shown = rounds("The quick fox.", "The slow brown fox.")
    text = Parts(output_html(shown)).text
    order = [
        "Ada Lovelace on output 1, ",
        "feedback on 1",
        "Changes since output 1: 2 words added, 1 removed",
        "The [removed: quick] [added: slow brown] fox.",
        "Current output",
        "The slow brown fox.",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    html = output_html(shown)
    assert html.startswith('<div class="hitl-change"><div class="hitl-turn human">')
    assert re.search("<details [^>]* open><summary>Changes since", html)
    assert '<div class="hitl-diff is-look"' in html
    conversation = conversation_html(shown)
    assert "feedback on 1" not in conversation
    assert conversation.count("<details") == 1


def test_earlier_changes_are_folded() -> None:
    shown = rounds("one", "one two", "one two three")
    html = conversation_html(shown)
    text = Parts(html).text
    order = ["Output 1, ", "feedback on 1", "Changes from output 1 to output 2: 1 word added", "Output 2, "]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert "feedback on 2" not in text
    assert "<details open" not in html
    assert html.count("hitl-change") == 1
    assert "feedback on 2" in Parts(output_html(shown)).text


def test_all_turns_between_outputs_are_shown_with_the_change() -> None:
    turns = [
        turn("output", "one", 1),
        turn("feedback", "more", 1, ADA),
        turn("error", "no luck", 1),
        turn("feedback", "again", 1, ADA),
        turn("output", "one two", 2),
    ]
    html = output_html(review(iteration=2, current_output="one two", conversation=turns))
    assert html.startswith('<div class="hitl-change"><div><div class="hitl-turn human">')
    text = Parts(html).text
    places = [text.index(part) for part in ("more", "no luck", "again", "Changes since output 1", "Current output")]
    assert places == sorted(places)
    said_nothing = output_html(review(iteration=2, current_output="one two", conversation=[turns[0], turns[-1]]))
    assert "Changes since output 1: 1 word added" in Parts(said_nothing).text
    assert "hitl-change" not in said_nothing


def test_unchanged_output() -> None:
    html = output_html(rounds("same", "same"))
    assert "Changes since output 1: no change" in Parts(html).text
    assert "hitl-diff" not in html


def test_json_is_compared_by_value() -> None:
    shown = rounds('{"a": 1, "b": [1.10]}', '{"a":1,"b":[1.20]}', output_format="json")
    text = Parts(output_html(shown)).text
    assert "[removed: 1.10][added: 1.20]" in text
    assert text.count("[added: ") == 1
    shown = rounds('{"a": 1}', '{ "a" : 1 }', output_format="json")
    assert "Changes since output 1: only how the JSON is written" in Parts(output_html(shown)).text


@pytest.mark.parametrize(("first", "second", "output_format"), [("T *x*", "7", "json"), ("[1]", "T", "text")])
def test_output_format_differs_from_the_previous(first: str, second: str, output_format: str) -> None:
    shown = rounds(first, second, output_format=output_format)
    text = Parts(output_html(shown)).text
    assert f"[removed: {first}" in text
    assert f"[added: {second}" in text
    harmless(conversation_html(shown))


def test_later_turns_are_below_the_output() -> None:
    turns = [turn("output", "the text", 1), turn("feedback", "shorter", 1, ADA), turn("error", "no luck", 1)]
    shown = review(status="changes_requested", current_output="the text", conversation=turns)
    assert conversation_html(shown) == ""
    text = Parts(output_html(shown)).text
    order = ["Output 1", "the text", "Ada Lovelace on output 1, ", "shorter", "Task, ", "no luck", "is being made"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert "is being made" not in output_html(review(status="changes_requested", task_completed=True))


def test_conversation_without_the_current_output() -> None:
    shown = review(
        iteration=2,
        current_output="one two",
        conversation=[turn("output", "one", 1), turn("feedback", "more", 1, None)],
    )
    text = Parts(output_html(shown)).text
    assert "Reviewer on output 1" in text
    assert "1 word added" in text
    shown = review(conversation=[turn("feedback", "more", 1, ADA)])
    assert "more" in Parts(output_html(shown)).text
    assert conversation_html(shown) == ""


def test_head() -> None:
    shown = review(
        ReviewKey("reports", "manual__2030", "draft", 3),
        deadline_at=stamp(60),
        decided_by=ADA,
        decided_at=stamp(1),
    )
    parts = harmless(head_html(shown))
    assert shown.deadline_at is not None
    assert "reports › draft [3]" in parts.text
    assert f"decide before {render.moment(shown.deadline_at)}" in parts.text
    assert "by Ada Lovelace" in parts.text
    assert parts.tags.count("time") == 2
    assert 'hitl-pill wait"' in head_html(shown)
    assert "to be decided by" not in parts.text
    named = harmless(head_html(review(reviewers=["ann", "<b>bob</b>"])))
    assert "to be decided by ann, <b>bob</b>" in named.text
    assert "Waiting for you" in named.text
    others = harmless(head_html(review(reviewers=["ann", "<b>bob</b>"]), "ada"))
    assert "Waiting for others" in others.text
    assert "only ann, <b>bob</b> may decide" in others.text
    assert head_html(review(reviewers=["ann", "ada"]), "ada") == head_html(review(reviewers=["ann", "ada"]))
    assert "Waiting for you" in harmless(head_html(review(), "ada")).text
    ended = harmless(head_html(review(reviewers=["ann"], task_completed=True), "ada")).text
    assert "No longer waiting" in ended
    assert "may decide" not in ended
    assert 'hitl-pill bad"' in head_html(review(task_completed=True))


def test_lone_surrogates_can_be_encoded() -> None:
    text = "a\ud800"
    shown = hostile_review(text, output_sha256="", current_output="x")
    shown = replace(shown, current_output=text)
    for html in (head_html(shown), conversation_html(shown), output_html(shown)):
        html.encode()


def test_prepared_review_is_shown_quickly() -> None:
    line = "The quick brown fox number {} jumps over the lazy dog.\n"
    first = "".join(line.format(number) for number in range(18_000))
    second = first.replace("lazy", "sleepy")
    shown = rounds(first, second)
    threads = [threading.Thread(target=prepare, args=(shown,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    start = time.thread_time()
    html = conversation_html(shown) + output_html(shown)
    assert time.thread_time() - start < 0.1 * PATIENCE
    assert "18,000 words added, 18,000 removed" in html
    assert len(html) < 3 * len(first)


@pytest.mark.parametrize("text", ["| a |\n|---|\n| x | SECRET |", "[n]: http://x 'SECRET'", "```py SECRET\nx\n```"])
def test_approved_text_is_never_hidden(text: str) -> None:
    assert "SECRET" in Parts(output_html(review(current_output=text))).text


def test_links_lead_to_airflows_pages_whatever_the_ids_are() -> None:
    mapped = links_html(ReviewKey("sales", "manual__2030-01-01T00:00:00+00:00", "draft", 3), "https://host/af")
    run = "https://host/af/dags/sales/runs/manual__2030-01-01T00%3A00%3A00%2B00%3A00"
    task = f"{run}/tasks/draft/mapped/3"
    targets = [value for _, name, value in harmless(mapped).attributes if name == "href"]
    assert targets == [run, f"{task}/details", task]
    for text in HOSTILE:
        parts = harmless(links_html(ReviewKey(text, text, text), "https://host"))
        links = [value for _, name, value in parts.attributes if name == "href"]
        assert [urlsplit(link).netloc for link in links] == ["host"] * 3
        assert [link.count("/") for link in links] == [6, 9, 8]
