"""Answering on the review page what an agent asks before it goes on."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.pages.stage import Key, People, Stage
from tests.pages.test_editing import button, editor, opened, stored_edit
from tests.support.browser import send_now
from tests.support.call_samples import question, refunds

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

PICTURES = os.environ.get("HITL_PICTURES", "")
"""A folder: what the tests see is kept there, to be looked at."""


def picture(page: Page, name: str) -> None:
    if not PICTURES:
        return
    for width in (1440, 760, 420):
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=Path(PICTURES) / f"{name}-{width}-{scheme}.png", full_page=True)
    page.set_viewport_size({"width": 1280, "height": 720})
    page.emulate_media(color_scheme="light")


def call(page: Page, number: int) -> Locator:
    """A call as the page shows it."""
    return page.locator("[data-part=latest] .hitl-call").nth(number)


def status(page: Page, words: str) -> None:
    expect(page.locator(".pill")).to_have_text(words)


def answers(stage: Stage, key: Key) -> Any:
    return json.loads(stored_edit(stage, key))


def test_calls_are_shown_and_approved(stage: Stage, people: People) -> None:
    key = stage.one(**refunds())
    page = opened(stage, people, key)
    expect(page.get_by_role("heading", name="The agent asks")).to_be_visible()
    expect(call(page, 0).locator("b").first).to_have_text("refund")
    expect(call(page, 0)).to_contain_text("order_id")
    expect(call(page, 2)).to_contain_text("ito@example.org")
    expect(call(page, 0)).to_contain_text("Pay money back to the customer.")
    picture(page, "calls")
    button(page, "Approve").click()
    expect(page.get_by_role("group", name="Approving all calls of request 1")).to_be_visible()
    send_now(page)
    status(page, "Answered")
    expect(page.locator("#notices")).to_have_text(
        "Approved all calls of request 1. The agent goes on. What the agent says next appears here."
    )
    expect(page.get_by_text("The agent goes on. What it says next")).to_be_hidden()
    found = stage.find(key)
    assert (found["status"], found["edited"], found["request_kind"]) == ("changes_requested", False, "tool_calls")
    stage.next_output(key, "# Done\n\nBoth are paid.")
    expect(page.get_by_role("heading", name="Current output")).to_be_visible()
    expect(button(page, "Approve")).to_be_visible()
    expect(page.locator("[data-part=earlier] summary").first).to_contain_text("Request 1")
    picture(page, "calls-then-output")


def test_one_call_is_denied_and_one_edited(stage: Stage, people: People) -> None:
    key = stage.one(**refunds())
    page = opened(stage, people, key)
    button(page, "Answer in detail").click()
    first, second = (editor(page).get_by_role("group", name=f"{n}. refund") for n in (1, 2))
    picture(page, "answering")
    first.get_by_label("amount").fill("3.25")
    second.get_by_label("Approve this call").uncheck()
    second.get_by_label("Reason, if it is denied").fill("Too much.")
    picture(page, "answered")
    expect(button(page, "Deny")).to_be_hidden()
    button(page, "Send the answers").click()
    send_now(page)
    status(page, "Answered")
    expect(page.locator("[data-part=latest]")).to_contain_text(re.compile("ann answered request 1"))
    picture(page, "answers-sent")
    told = answers(stage, key)
    assert told["call_1"]["args"]["amount"] == 3.25
    assert (told["call_1"]["approved"], told["call_2"]["approved"], told["call_2"]["reason"]) == (
        True,
        False,
        "Too much.",
    )


def test_all_calls_are_denied_with_a_text(stage: Stage, people: People) -> None:
    key = stage.one(**refunds())
    page = opened(stage, people, key)
    button(page, "Deny").click()
    expect(page.locator("#problem")).to_have_text("Write for the agent why its calls are denied, then deny them.")
    page.get_by_label("Your feedback").fill("Not today.")
    button(page, "Deny").click()
    send_now(page)
    status(page, "Answered")
    found = stage.find(key)
    assert [(turn["kind"], turn["content"]) for turn in found["conversation"]][1:] == [("feedback", "Not today.")]


def test_question_is_answered(stage: Stage, people: People) -> None:
    key = stage.one(**question())
    page = opened(stage, people, key)
    expect(call(page, 0)).to_contain_text("Which one is right")
    expect(button(page, "Approve")).to_be_hidden()
    picture(page, "question")
    page.get_by_label("Your feedback").fill("Kyoto")
    button(page, "Answer").click()
    send_now(page)
    status(page, "Answered")
    expect(page.locator("#notices")).to_contain_text("Answered request 1. The agent goes on.")


def test_arguments_stay_where_the_task_says_so(stage: Stage, people: People) -> None:
    key = stage.one(**refunds(fixed=True))
    page = opened(stage, people, key)
    button(page, "Answer in detail").click()
    first = editor(page).get_by_role("group", name="1. refund")
    expect(first.get_by_label("Approve this call")).to_be_visible()
    expect(first.get_by_label("amount")).to_have_count(0)
    first.get_by_label("Approve this call").uncheck()
    button(page, "Send the answers").click()
    send_now(page)
    status(page, "Answered")
    assert answers(stage, key)["call_1"]["approved"] is False


def test_wrong_arguments_are_refused_at_their_field(stage: Stage, people: People) -> None:
    key = stage.one(**refunds())
    page = opened(stage, people, key)
    button(page, "Answer in detail").click()
    first = editor(page).get_by_role("group", name="1. refund")
    first.get_by_label("amount").fill("-5")
    button(page, "Send the answers").click()
    send_now(page)
    expect(first).to_contain_text("must be more than 0")
    assert stage.find(key)["status"] == "pending_review"
