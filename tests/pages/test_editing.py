"""Editing an output on the review page, and deciding with the edit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from demo.processes import wait_until
from tests.pages.stage import Key, People, Stage, unreachable
from tests.support.browser import send_now
from tests.support.edit_samples import TYPED, report

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

DRAFT = "# Sales\n\nAll in **one** line.\n"
PYTHON = "import os\n\n\ndef main() -> None:\n    print(os.getcwd())\n"


def live(page: Page) -> None:
    """Wait until the page receives updates."""
    expect(page.locator("html")).to_have_attribute("data-connection", re.compile("live|asking"))


def opened(stage: Stage, people: People, key: Key, user: str = "ann") -> Page:
    """The page of a review, which receives updates."""
    page = people.page(user)
    page.goto(stage.chat(key))
    live(page)
    return page


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def editor(page: Page) -> Locator:
    return page.get_by_role("group", name="Edit the output")


def source(page: Page) -> Locator:
    """The field of an edit that is one text."""
    return editor(page).get_by_label("Text of the output")


def edit(page: Page, text: str) -> None:
    """Open the editor, and change the whole text."""
    button(page, "Edit").click()
    source(page).fill(text)
    expect(button(page, "Approve the edit")).to_be_visible()


def approve(page: Page) -> None:
    button(page, "Approve the edit").click()
    send_now(page)
    expect(page.locator(".pill")).to_have_text("Approved, edited")


def stored_edit(stage: Stage, key: Key) -> Any:
    """What XCom has as the edit of the first output."""
    name = f"dagRuns/{key.run_id}/taskInstances/review/xcomEntries/airflow_hitl_review_edited_output_1"
    answer = stage.server.airflow.api(
        "GET", f"/dags/{key.dag_id}/{name}", params={"map_index": key.map_index, "stringify": "false"}
    )
    return answer["value"]


def copies(page: Page, press: Callable[[], None]) -> str:
    """What a press puts on the clipboard."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    press()
    expect(page.get_by_text("Your edit is copied.")).to_be_visible()
    return str(page.evaluate("() => navigator.clipboard.readText()"))


def test_text_is_edited_with_a_preview_and_approved(stage: Stage, people: People) -> None:
    key = stage.one(outputs=[DRAFT])
    page = opened(stage, people, key)
    button(page, "Edit").click()
    expect(source(page)).to_be_focused()
    expect(source(page)).to_be_in_viewport()
    expect(source(page)).to_have_value(DRAFT)
    expect(page.get_by_role("heading", name="Your edit of output 1")).to_be_visible()
    expect(page.locator("[data-part=latest] .hitl-output strong")).to_have_text("one")  # what was made stays
    page.mouse.wheel(0, 2_000)
    button(page, "Show the edit").click()
    expect(source(page)).to_be_in_viewport()
    expect(source(page)).to_be_focused()
    expect(button(page, "Approve")).to_be_visible()  # nothing is changed yet
    source(page).fill(DRAFT.replace("one", "two"))
    expect(button(page, "Approve the edit")).to_have_attribute("title", "The task goes on with your edit")
    expect(page.get_by_text("If you request changes, the task goes on from your edit.")).to_be_visible()
    button(page, "Preview").click()
    expect(editor(page).locator("strong").last).to_have_text("two")
    expect(editor(page).locator("ins").first).to_contain_text("two")
    button(page, "Approve the edit").click()
    expect(page.get_by_role("group", name="Approving output 1 as you edited it")).to_be_visible()
    expect(editor(page).locator("fieldset").first).to_have_js_property(
        "disabled", True
    )  # what is sent is what was there
    button(page, "Undo").click()
    expect(editor(page).locator("fieldset").first).to_have_js_property("disabled", False)
    assert stage.find(key)["status"] == "pending_review"
    approve(page)
    expect(page.locator("#notices")).to_have_text("Approved output 1 as you edited it. The task goes on.")
    expect(editor(page)).to_have_count(0)
    assert stored_edit(stage, key) == DRAFT.replace("one", "two")
    found = stage.find(key)
    assert (found["edited"], found["decided_by"]["name"], found["current_output"]) == (True, "ann", DRAFT)
    page.reload()
    expect(page.get_by_text("Your edit of output 1")).to_have_count(0)


def test_edit_that_changes_nothing_is_no_edit(stage: Stage, people: People) -> None:
    key = stage.one(outputs=[DRAFT])
    page = opened(stage, people, key)
    edit(page, "Other")
    source(page).fill(DRAFT)
    expect(button(page, "Approve")).to_be_visible()
    with page.expect_request("**/sessions/approve*") as sent:
        button(page, "Approve").click()
        send_now(page)
    assert "edited_output" not in (sent.value.post_data_json or {})
    expect(page.locator(".pill")).to_have_text("Approved")
    expect(editor(page)).to_have_count(0)


def test_code_is_edited_by_keyboard_and_the_task_goes_on_from_it(stage: Stage, people: People) -> None:
    key = stage.one(outputs=[PYTHON])
    page = opened(stage, people, key)
    page.keyboard.press("e")  # only in an output, as the letters of its search
    page.get_by_role("region", name="Current output").focus()
    page.keyboard.press("e")
    expect(source(page)).to_be_focused()
    page.keyboard.press("Control+End")
    page.keyboard.type("\nif __name__:")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("main()")
    page.keyboard.press("Control+Enter")  # decides nothing here
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(source(page)).not_to_be_focused()
    page.get_by_label("Your feedback").focus()
    page.keyboard.type("Log it")
    expect(page.get_by_text("If you request changes, the task goes on from your edit.")).to_be_visible()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("group", name="Requesting changes to output 1 as you edited it")).to_be_visible()
    page.keyboard.press("Control+Enter")
    expect(page.locator(".pill")).to_have_text("Changes requested, edited")
    expect(page.locator("#notices")).to_contain_text("Changes requested to output 1 as you edited it.")
    assert str(stored_edit(stage, key)).startswith(f"{PYTHON}\nif __name__:\n    main()")
    stage.next_output(key, f"{PYTHON}\nmain()\n")
    expect(page.get_by_text("Output 2 is here.")).to_be_visible()
    expect(editor(page)).to_have_count(0)
    expect(button(page, "Approve")).to_be_visible()


def test_typed_output_is_edited_by_mouse(stage: Stage, people: People) -> None:
    """What was not touched stays as it was, also a number that scripts would round; a wrong field is shown."""
    key = stage.one(**TYPED)
    page = opened(stage, people, key)
    update = stage.server.call("GET", "/chat/updates", params=key.params).json()
    assert "Region" not in json.dumps(update["state"])  # the texts and the schema come with the edit
    button(page, "Edit").click()
    form = editor(page)
    form.get_by_label("Headline", exact=True).fill("Revenue fell")
    form.get_by_label("Ratio", exact=True).fill("")
    expect(button(page, "Approve the edit")).to_be_visible()
    button(page, "Approve the edit").click()
    expect(page.locator("#problem")).to_contain_text("The edit cannot be sent yet.")
    expect(form.get_by_label("Ratio", exact=True)).to_be_focused()
    form.get_by_label("Ratio", exact=True).fill("2.50")
    button(page, "Source").click()
    field = form.get_by_label("JSON source of the output")
    field.fill(field.input_value().replace('"low"', '"medium"'))
    button(page, "Approve the edit").click()
    send_now(page)
    expect(page.locator("#problem")).to_contain_text("Your decision was not taken.")
    expect(page.locator("#problem")).to_contain_text("What you wrote is kept.")
    expect(form.get_by_role("alert").or_(form.locator("[aria-invalid=true]")).first).to_be_visible()
    assert stage.find(key)["status"] == "pending_review"
    form.get_by_label("Level", exact=True).first.select_option("high")
    approve(page)
    edited = str(stored_edit(stage, key))
    expected = TYPED["outputs"][0].replace(json.dumps(report().headline, ensure_ascii=False), '"Revenue fell"')
    expected = expected.replace('"ratio": 1.0', '"ratio": 2.50').replace('"level": "low"', '"level": "high"')
    assert edited == expected
    assert '"invoice": 9007199254740993' in edited


def test_typed_output_is_edited_by_keyboard(stage: Stage, people: People) -> None:
    key = stage.one(**TYPED)
    page = opened(stage, people, key)
    button(page, "Edit").focus()
    page.keyboard.press("Enter")
    headline = editor(page).get_by_label("Headline", exact=True)
    expect(headline).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("By keys")
    page.keyboard.press("Tab")
    expect(button(page, "Approve the edit")).to_be_visible()
    button(page, "Approve the edit").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".pill")).to_have_text("Approved, edited")
    assert json.loads(stored_edit(stage, key)) == {**json.loads(TYPED["outputs"][0]), "headline": "By keys"}


def test_discarded_edit_can_be_brought_back(stage: Stage, people: People) -> None:
    key = stage.one(outputs=[DRAFT])
    page = opened(stage, people, key)
    button(page, "Edit").click()
    button(page, "Discard the edit").click()
    expect(editor(page)).to_have_count(0)
    expect(button(page, "Edit")).to_be_focused()
    edit(page, "Mine")
    button(page, "Discard the edit").click()
    button(page, "Discard").click()
    expect(button(page, "Edit")).to_be_focused()
    expect(button(page, "Approve")).to_be_visible()
    button(page, "Bring it back").click()
    expect(source(page)).to_have_value("Mine")
    expect(button(page, "Approve the edit")).to_be_visible()
    button(page, "Reject").click()
    held = "Rejecting output 1 without a reason; your edit is dropped"
    expect(page.get_by_role("group", name=held)).to_be_visible()
    button(page, "Undo").click()
    expect(source(page)).to_have_value("Mine")


def test_edit_survives_a_reload_an_expired_login_and_a_busy_server(stage: Stage, people: People) -> None:
    key = stage.one(outputs=[DRAFT])
    page = opened(stage, people, key)
    edit(page, "Mine")
    page.reload()
    expect(source(page)).to_have_value("Mine")
    expect(button(page, "Approve the edit")).to_be_visible()

    page.route("**/sessions/approve*", lambda route: route.fulfill(status=503, json={"detail": "Busy. Try again."}))
    button(page, "Approve the edit").click()
    send_now(page)
    expect(page.locator("#problem")).to_have_text(
        "Your decision was not taken. Busy. Try again. What you wrote is kept."
    )
    expect(source(page)).to_be_editable()
    page.unroute("**/sessions/approve*")

    page.route("**/sessions/find*", unreachable)
    page.reload()
    expect(page.get_by_text("Your edit of output 1 is kept, but could not be opened.")).to_be_visible()
    button(page, "Approve").click()
    expect(page.locator("#problem")).to_have_text("Your edit is not open yet, so nothing was sent.")
    page.unroute("**/sessions/find*")
    button(page, "Try again").click()
    expect(source(page)).to_have_value("Mine")

    page.context.clear_cookies()
    button(page, "Preview").click()
    expect(editor(page)).to_contain_text("There is no preview: Your login has expired.")
    button(page, "Approve the edit").click()
    send_now(page)
    expect(page.locator("#problem")).to_contain_text("Your login has expired, so nothing was decided.")
    page.locator("#problem").get_by_role("link", name="Log in again").click()
    page.locator("input[name=username]").fill("ann")
    page.locator("input[name=password]").fill("ann")
    page.get_by_role("button", name="Sign in").click()
    expect(source(page)).to_have_value("Mine")
    approve(page)
    assert stored_edit(stage, key) == "Mine"


def test_older_edit_does_not_come_back_if_the_storage_is_full(stage: Stage, people: People) -> None:
    page = opened(stage, people, stage.one(outputs=[DRAFT]))
    edit(page, "Older")
    full = "() => { Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); }; }"
    page.evaluate(full)
    source(page).fill("Newer")
    expect(page.locator("#notices")).to_contain_text("The browser cannot keep what you write.")
    page.reload()
    live(page)
    assert page.get_by_role("heading", name="Your edit of output 1").count() == 0


def test_decision_whose_answer_is_lost_is_told_once_it_is_known(stage: Stage, people: People) -> None:
    """The page hears of it before it gives up waiting, or after."""
    key = stage.one(outputs=[DRAFT])
    page = opened(stage, people, key)
    lost: list[Route] = []

    def lose(route: Route) -> None:
        route.fetch()
        lost.append(route)

    page.route("**/sessions/feedback*", lose)
    edit(page, "Mine")
    page.get_by_label("Your feedback").fill("More")
    button(page, "Request changes").click()
    send_now(page)
    expect(page.locator(".pill")).to_have_text("Changes requested, edited")
    expect(page.locator("#edit")).not_to_contain_text("was not sent")
    while not lost:
        page.wait_for_timeout(50)
    lost.pop().abort()
    expect(page.locator("#notices")).to_have_text("You have decided: changes requested, edited.")
    expect(page.locator("#problem")).to_be_hidden()
    expect(editor(page)).to_have_count(0)
    expect(page.get_by_label("Your feedback")).to_have_value("")

    stage.next_output(key, "Two")
    expect(page.get_by_text("Output 2 is here.")).to_be_visible()
    for path in ("events", "updates"):
        page.route(f"**/chat/{path}*", unreachable)
    page.evaluate("() => dispatchEvent(new Event('online'))")  # reopens the stream
    page.route("**/sessions/approve*", lambda route: (route.fetch(), route.abort()))
    edit(page, "Mine, too")
    button(page, "Approve the edit").click()
    send_now(page)
    expect(page.locator("#problem")).to_contain_text("it is not known whether your decision arrived")
    expect(source(page)).to_have_value("Mine, too")
    for path in ("events", "updates"):
        page.unroute(f"**/chat/{path}*")
    expect(page.locator("#notices")).to_have_text("You have decided: approved, edited.")
    expect(page.locator("#problem")).to_be_hidden()
    expect(editor(page)).to_have_count(0)


def test_another_output_arrives_during_an_edit(stage: Stage, people: People) -> None:
    """Nothing of the edit is sent or dropped until the reviewer has chosen."""
    key = stage.one(outputs=[DRAFT])
    page = opened(stage, people, key)
    edit(page, "Mine")
    stage.decide(key, "feedback", feedback="More")
    expect(
        page.get_by_text("Your edit of output 1 was not sent. It is kept in this tab: copy it, or discard it.")
    ).to_be_visible()
    stage.next_output(key, "# Sales\n\nIn three lines.")
    words = "Output 2 has arrived. Your edit is of output 1: copy it, or discard it."
    expect(page.get_by_text(words)).to_be_visible()
    page.get_by_label("Your feedback").fill("Hm")
    for name in ("Approve", "Request changes"):
        button(page, name).click()
        expect(page.locator("#problem")).to_have_text("First choose what is to become of your edit.")
        expect(button(page, "Undo")).to_be_hidden()
        expect(button(page, "Copy the edit")).to_be_focused()
    assert copies(page, button(page, "Copy the edit").click) == "Mine"
    page.reload()
    expect(page.get_by_text(words)).to_be_visible()
    expect(source(page)).to_have_value("Mine")
    button(page, "Edit output 2 instead").click()
    expect(source(page)).to_have_value("# Sales\n\nIn three lines.")
    expect(page.get_by_text(words)).to_be_hidden()
    source(page).fill("New")
    expect(button(page, "Approve the edit")).to_be_visible()
    button(page, "Bring it back").click()
    expect(source(page)).to_have_value("Mine")
    button(page, "Discard the edit").click()
    button(page, "Discard").click()
    expect(page.get_by_text("Your edit is discarded.")).to_be_visible()
    button(page, "Approve").click()
    button(page, "Undo").click()
    button(page, "Bring it back").click()
    expect(source(page)).to_have_value("Mine")
    button(page, "Reject").click()
    expect(page.get_by_role("group", name="Rejecting output 2 with your reason", exact=True)).to_be_visible()
    send_now(page)
    expect(page.locator(".pill")).to_have_text("Rejected")
    expect(source(page)).to_have_value("Mine")  # it is of another output


def test_stale_edit_is_refused_and_another_decision_leaves_it_to_be_copied(stage: Stage, people: People) -> None:
    key = stage.one(outputs=[DRAFT])
    page = people.page("ann")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.route("**/chat/events*", unreachable)

    def next_output(route: Route) -> None:
        """Not to be seen before the decision was sent."""
        if any("/sessions/approve" in url for url in requests):
            route.continue_()
        else:
            unreachable(route)

    page.route("**/chat/updates*", next_output)
    page.goto(stage.chat(key))
    edit(page, "Mine")
    stage.decide(key, "feedback", feedback="More")
    stage.next_output(key, "Two")
    button(page, "Approve the edit").click()
    send_now(page)
    expect(page.locator("#notices .notice")).to_contain_text("output 2 is the current one")
    expect(page.locator("#notices .notice")).to_contain_text("What you wrote is kept.")
    expect(page.locator(".standing")).to_contain_text("Output 2 has arrived.")
    expect(source(page)).to_have_value("Mine")
    page.unroute("**/chat/events*")
    page.reload()
    live(page)
    stage.decide(key, "reject")
    told = "admin was faster: rejected. What you wrote was not sent; it is kept in this tab."
    expect(page.get_by_text(told)).to_be_visible()
    expect(page.locator("#decision")).to_be_hidden()
    assert copies(page, button(page, "Copy the edit").click) == "Mine"
    button(page, "Discard the edit").click()
    button(page, "Discard").click()
    expect(editor(page)).to_have_count(0)
    assert page.evaluate("() => document.activeElement.tagName") == "H1"


def test_edit_that_the_task_refused_comes_back(stage: Stage, people: People) -> None:
    key = stage.one(outputs=[DRAFT])
    page = opened(stage, people, key)
    edit(page, "Mine")
    approve(page)
    stage.refuse_edit(key, "It must name a region.")
    expect(page.get_by_text("The task did not go on with the edit of output 1.")).to_be_visible()
    expect(page.locator("[data-part=latest] .turn.error")).to_contain_text("It must name a region.")
    button(page, "Go on with the edit").click()
    expect(source(page)).to_have_value("Mine")
    expect(editor(page)).to_contain_text("It must name a region.")
    source(page).fill("Mine, for EMEA")
    page.get_by_label("Your feedback").fill("Shorter")
    expect(button(page, "Approve the edit")).to_be_visible()
    button(page, "Request changes").click()
    send_now(page)
    expect(page.locator(".pill")).to_have_text("Changes requested, edited")
    stage.refuse_edit(key, "The model is away.", kind="regeneration")
    expect(page.locator("[data-part=latest] .turn.error").last).to_contain_text("The model is away.")
    button(page, "Go on with the edit").click()
    expect(source(page)).to_have_value("Mine, for EMEA")
    expect(editor(page)).not_to_contain_text("The model is away.")  # that is no error of the edit
    source(page).fill("Mine, for all")
    approve(page)
    assert stored_edit(stage, key) == "Mine, for all"


def test_held_edit_is_sent_when_the_page_is_left(stage: Stage, people: People) -> None:
    key, long = stage.make({"outputs": [DRAFT]}, {"outputs": ["One"]})
    page = opened(stage, people, key)
    edit(page, "Mine")
    button(page, "Approve the edit").click()
    page.goto(stage.chat(long))
    wait_until(lambda: stage.find(key)["edited"], timeout=10, what="the decision")
    edit(page, "x" * 70_000)  # too long: browsers would not send it when the page is left
    button(page, "Approve the edit").click()
    held = "Approving output 1 as you edited it. Stay on this page until it is sent"
    expect(page.get_by_role("group", name=held)).to_be_visible()
    page.goto(stage.chat(key))
    expect(page.locator(".pill")).to_have_text("Approved, edited")
    expect(editor(page)).to_have_count(0)
    page.goto(stage.chat(long))
    expect(source(page)).to_have_value("x" * 70_000)
    assert stage.find(long)["status"] == "pending_review"
    approve(page)


def test_who_may_not_edit_is_told_so_or_sees_nothing(stage: Stage, people: People) -> None:
    why = "The output cannot be edited: allow_modifications is False for this task."
    refused = {"outputs": ["One"], "allow_modifications": False}
    key, plain, off = stage.make({"outputs": ["One"]}, refused, {**refused, "modifications_refused": why})
    page = people.page("viv")
    page.goto(stage.chat(key))
    expect(page.get_by_text("You may read this review, but not decide it.")).to_be_visible()
    expect(button(page, "Edit")).to_have_count(0)
    page = opened(stage, people, plain)
    expect(button(page, "Approve")).to_be_visible()
    expect(button(page, "Edit")).to_have_count(0)  # a worker that does not know edits: no noise
    page.goto(stage.chat(off))
    expect(button(page, "Edit")).to_have_attribute("title", why)
    button(page, "Edit").click(force=True)
    expect(page.locator("#problem")).to_have_text(why)
    expect(editor(page)).to_have_count(0)
