"""The review page in a browser, with an API server of two processes."""

from __future__ import annotations

import re
import statistics
import time
from urllib.parse import quote, urlencode

import pytest
from playwright.sync_api import Page, expect

from demo.processes import PATIENCE, wait_until
from tests.notebook.hostile import HOSTILE
from tests.pages.stage import Key, People, Stage, unreachable
from tests.support.api_server import DAG_ID
from tests.support.browser import send_now

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

SEEN_WITHIN = 2.0
"""Seconds until another person's decision is displayed: the median of several, as machines stall at times."""


def live(page: Page) -> None:
    """Wait until the page receives updates."""
    expect(page.locator("html")).to_have_attribute("data-connection", re.compile("live|asking"))


def opened(stage: Stage, people: People, key: Key) -> Page:
    """Ann's page of a review, which receives updates."""
    page = people.page("ann")
    page.goto(stage.chat(key))
    live(page)
    return page


def button(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def decide(page: Page, name: str) -> None:
    """Press a button, and send the decision without waiting."""
    button(page, name)
    send_now(page)


def test_full_review(stage: Stage, people: People) -> None:
    key = stage.one(prompt="Summarise the sales.", outputs=["# Sales\n\nAll in **one** line."])
    page = opened(stage, people, key)
    expect(page.get_by_role("heading", name="many_reviews › review [0]")).to_be_visible()
    expect(page.get_by_text("Summarise the sales.")).to_be_visible()
    expect(page.locator(".hitl-output strong")).to_have_text("one")
    button(page, "Request changes")
    expect(page.get_by_role("alert")).to_have_text("Write what should change, then request changes.")
    page.get_by_label("Your feedback").fill("By region")
    decide(page, "Request changes")
    expect(page.get_by_text("Changes requested to output 1.")).to_be_visible()
    expect(page.locator(".pill")).to_have_text("Changes requested")
    expect(page.locator(".turn.human")).to_contain_text("By region")
    expect(page.locator(".turn.human")).to_contain_text("ann on output 1")
    expect(page.get_by_text("The next output is being made.")).to_be_visible()
    expect(page.locator("#decision")).to_be_hidden()

    stage.next_output(key, "# Sales\n\nAll in **two** lines.")
    expect(page.get_by_text("Output 2 is here.")).to_be_visible()
    expect(page.locator("main ins").first).to_contain_text("two")
    expect(page.locator("main del").first).to_contain_text("one")
    expect(page.get_by_label("Your feedback")).to_have_value("")
    page.get_by_label("Your feedback").fill("Much better")
    button(page, "Approve")
    expect(page.get_by_role("group", name="Approving output 2 with your comment")).to_be_visible()
    button(page, "Undo")
    expect(page.get_by_role("button", name="Approve", exact=True)).to_be_focused()
    assert stage.find(key)["status"] == "pending_review"
    decide(page, "Approve")
    expect(page.get_by_text("Approved output 2.")).to_be_visible()
    expect(page.locator(".pill")).to_have_text("Approved")
    found = stage.find(key)
    assert (found["status"], found["decided_by"]["name"]) == ("approved", "ann")
    action = stage.server.airflow.api(
        "GET",
        f"/dags/{DAG_ID}/dagRuns/{key.run_id}/taskInstances/review/xcomEntries/airflow_hitl_review_human_action",
        params={"map_index": 0},
    )["value"]
    assert (action["channel"], action["iteration"], action["feedback"]) == ("chat", 2, "Much better")
    expect(page.locator(".turn.human").last).to_contain_text("Much better")


def test_two_people_see_each_others_decisions(stage: Stage, people: People) -> None:
    """No matter which of the two server processes each of them talks to."""
    keys = stage.make(*({"outputs": ["One"]} for _ in range(5)))
    seconds: list[float] = []
    for key in keys:
        ann, admin = people.page("ann"), people.page("admin")
        for page in (ann, admin):
            page.goto(stage.chat(key))
            live(page)
        ann.get_by_label("Your feedback").fill("Half a thought")
        decide(admin, "Reject")
        start = time.monotonic()
        told = ann.get_by_text("admin was faster: rejected. What you wrote was not sent; it is kept in this tab.")
        expect(told).to_be_visible()
        seconds.append(time.monotonic() - start)
        expect(admin.get_by_text("Rejected output 1.")).to_be_visible()
        expect(ann.locator(".pill")).to_have_text("Rejected")
        expect(ann.locator("#decision")).to_be_hidden()
    assert statistics.median(seconds) < SEEN_WITHIN, seconds


def test_conflict_is_explained(stage: Stage, people: People) -> None:
    key = stage.one(outputs=["One"])
    page = people.page("ann")
    page.route("**/chat/events*", unreachable)
    page.route("**/chat/updates*", unreachable)
    page.goto(stage.chat(key))
    page.get_by_label("Your feedback").fill("Longer")
    assert stage.decide(key, "approve").status_code == 200
    page.unroute("**/chat/updates*")
    decide(page, "Request changes")
    expect(page.locator("#notices .notice")).to_contain_text(
        "Your decision was not taken. Already approved by admin"
    )
    expect(page.locator("#notices .notice")).to_contain_text("What you wrote is kept.")
    expect(page.locator(".pill")).to_have_text("Approved")


def test_decision_applies_only_to_the_displayed_output(stage: Stage, people: People) -> None:
    key = stage.one(outputs=["One"])
    page = people.page("ann")
    for path in ("events", "updates"):
        page.route(f"**/chat/{path}*", unreachable)
    page.goto(stage.chat(key))
    assert stage.decide(key, "feedback", feedback="Next").status_code == 200
    stage.next_output(key, "Two")
    decide(page, "Approve")
    expect(page.locator("#notices .notice")).to_contain_text("output 2 is the current one")
    assert stage.find(key)["status"] == "pending_review"


def test_mapped_and_unmapped_tasks(stage: Stage, people: People) -> None:
    """Also with Airflow's own links, in which it leaves the placeholder unchanged."""
    plain = stage.one(mapped=False, outputs=["Not mapped"])
    mapped = stage.make({"outputs": ["Number 0"]}, {"outputs": ["Number 1"]})
    page = people.page("ann")
    run_id = quote(plain.run_id, safe="")
    for index in ("{MAP_INDEX}", "%7BMAP_INDEX%7D", "-1"):
        address = f"chat-by-task?dag_id={plain.dag_id}&run_id={run_id}&task_id=review&map_index={index}"
        page.goto(stage.address(address))
        expect(page.get_by_role("heading", level=1)).to_have_text("json_review › review")
        expect(page.locator(".hitl-output")).to_have_text("Not mapped")
    live(page)
    decide(page, "Approve")
    expect(page.locator(".pill")).to_have_text("Approved")
    assert stage.find(plain)["status"] == "approved"
    for key in mapped:
        page.goto(stage.address(f"chat-by-task?{key.query}"))
        expect(page.locator(".hitl-output")).to_have_text(f"Number {key.map_index}")


def test_hostile_text_is_escaped(stage: Stage, people: People) -> None:
    """Wherever text of a model or a person is shown, initially and after an update."""
    page = people.page("ann")
    everything = "\n\n".join(HOSTILE)
    keys = stage.make(
        {"prompt": everything, "outputs": [everything, f"{everything}\n\nmore"], "feedback": [everything]},
        {"outputs": ['{"<img src=x onerror=alert(1)>": "</li><script>alert(1)</script>"}'], "format": "json"},
        {"outputs": [everything], "user": "<img src=x onerror=alert(1)>", "last_error": everything},
    )
    # Only possible with a changed allowed_run_id_pattern, as in these tests.
    keys += stage.make({"run": "\"'><img src=x onerror=alert(1)>", "outputs": ["One"]})
    for key in keys:
        page.goto(stage.chat(key))
        live(page)
        page.evaluate("() => document.querySelectorAll('details').forEach((details) => { details.open = true; })")
        answer = stage.decide(key, "feedback", feedback=everything.replace("\0", ""))  # NUL is refused
        assert answer.status_code == 200, answer.text
        expect(page.locator(".pill")).to_have_text("Changes requested")
        stage.next_output(key, f"{everything}\n\nnext")
        expect(page.get_by_text(" is here.")).to_be_visible()
        active = page.evaluate(
            """() => [...document.querySelectorAll("main :is(script, iframe, object, embed, img, style, svg, form,"
                + "link, meta, base, math, input, button:not(.hitl-find, .hitl-sort)), [style], [onclick], "
                + "[onerror], [onload], [onmouseover]")]
                .map((e) => e.outerHTML)"""
        )
        assert active == []
        links = page.locator("main a").evaluate_all("links => links.map((l) => l.protocol)")
        assert set(links) <= {"http:", "https:", "mailto:"}
    for run_id in {key.run_id for key in keys}:
        page.goto(stage.address(f"inbox?{urlencode({'q': run_id})}"))
        expect(page.locator(".row").first).to_be_visible()
        expect(page.locator(".row").first).to_contain_text(run_id)


def test_expired_login(stage: Stage, people: People) -> None:
    """Typed text is kept, and the login returns to the same review."""
    key = stage.one(outputs=["One"])
    page = opened(stage, people, key)
    page.get_by_label("Your feedback").fill("Shorter, please")
    page.context.clear_cookies()
    decide(page, "Request changes")
    expect(page.get_by_role("alert")).to_contain_text("Your login has expired, so nothing was decided.")
    page.get_by_role("alert").get_by_role("link", name="Log in again").click()
    page.locator("input[name=username]").fill("ann")
    page.locator("input[name=password]").fill("ann")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_label("Your feedback")).to_have_value("Shorter, please")
    decide(page, "Request changes")
    expect(page.locator(".pill")).to_have_text("Changes requested")


def test_anonymous_user_must_log_in(stage: Stage, people: People) -> None:
    key = stage.one(outputs=["One"])
    page = people.page(None)
    page.goto(stage.chat(key))
    page.locator("input[name=username]").fill("viv")
    page.locator("input[name=password]").fill("viv")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".hitl-output")).to_have_text("One")
    # A viewer can read, and is told why there are no buttons.
    expect(page.get_by_text("You may read this review, but not decide it.")).to_be_visible()
    expect(page.get_by_role("button", name="Approve", exact=True)).to_have_count(0)


def test_lost_connection(stage: Stage, people: People) -> None:
    key = stage.one(outputs=["One"])
    page = opened(stage, people, key)
    page.get_by_label("Your feedback").fill("Shorter")
    page.context.set_offline(True)
    decide(page, "Request changes")
    expect(page.get_by_role("alert")).to_contain_text("it is not known whether your decision arrived")
    expect(page.get_by_role("status")).to_have_text("Connection lost. Trying again…")
    expect(page.get_by_label("Your feedback")).to_have_value("Shorter")
    stage.decide(key, "feedback", feedback="From elsewhere")
    page.context.set_offline(False)
    expect(page.locator(".pill")).to_have_text("Changes requested")
    expect(page.get_by_role("status")).to_have_text("")
    stage.next_output(key, "Two")
    expect(page.get_by_text("Output 2 is here. What you wrote is kept.")).to_be_visible()
    expect(page.get_by_label("Your feedback")).to_have_value("Shorter")


def test_polling_when_a_proxy_buffers_the_stream(stage: Stage, people: People) -> None:
    """The page polls instead."""
    key = stage.one(outputs=["One"])
    page = people.page("ann")
    page.route("**/chat/events*", lambda route: None)  # never answered
    page.goto(stage.chat(key))
    expect(page.locator("html")).to_have_attribute("data-connection", "asking")
    stage.decide(key, "approve")
    expect(page.locator(".pill")).to_have_text("Approved", timeout=5_000 * PATIENCE)


@pytest.mark.parametrize("path", ["updates", "events"])
def test_outdated_update_is_not_shown(stage: Stage, people: People, path: str) -> None:
    """Another API server process may learn of a decision later than the one that accepted it."""
    key = stage.one(outputs=["One"])
    before = stage.server.call("GET", "/chat/updates", params=key.params).text
    page = opened(stage, people, key)
    decide(page, "Approve")
    expect(page.locator(".pill")).to_have_text("Approved")
    if path == "events":
        body = f"event: hello\ndata: {{}}\n\nevent: change\ndata: {before}\n\n"
        page.route("**/chat/events*", lambda route: route.fulfill(body=body, content_type="text/event-stream"))
    else:
        page.route("**/chat/events*", unreachable)
        page.route("**/chat/updates*", lambda route: route.fulfill(body=before, content_type="application/json"))
    with page.expect_request(f"**/chat/{path}*"):
        page.evaluate("() => dispatchEvent(new Event('online'))")  # reopens the stream
    page.wait_for_timeout(700)
    expect(page.locator(".pill")).to_have_text("Approved")
    expect(page.locator("#decision")).to_be_hidden()


def test_polling_when_the_stream_keeps_failing(stage: Stage, people: People) -> None:
    key = stage.one(outputs=["One"])
    page = people.page("ann")
    opened: list[str] = []
    page.on("request", lambda request: opened.append(request.url) if "/events" in request.url else None)
    page.route("**/chat/events*", lambda route: route.fulfill(status=502, body="Bad Gateway"))
    page.goto(stage.chat(key))
    expect(page.locator("html")).to_have_attribute("data-connection", "asking")
    stage.decide(key, "approve")
    expect(page.locator(".pill")).to_have_text("Approved", timeout=5_000 * PATIENCE)
    assert len(opened) == 2


def test_hidden_page_sends_no_requests_and_catches_up(stage: Stage, people: People) -> None:
    key = stage.one(outputs=["One"])
    page = people.page("ann")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(stage.chat(key))
    live(page)
    hide = "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
    hide += " document.dispatchEvent(new Event('visibilitychange')); }"
    page.evaluate(hide, True)
    requests.clear()
    stage.decide(key, "approve")
    page.wait_for_timeout(2_500)
    assert requests == []
    page.evaluate(hide, False)
    expect(page.locator(".pill")).to_have_text("Approved")


def test_task_ends_while_the_page_is_open(stage: Stage, people: People) -> None:
    key = stage.one(outputs=["One"])
    page = opened(stage, people, key)
    page.get_by_label("Your feedback").fill("Too late")
    stage.set_state(key, "failed")
    expect(page.get_by_text("The task has ended, so there is nothing to decide any more.")).to_be_visible()
    expect(page.get_by_text("its state is failed")).to_be_visible()
    expect(page.locator("#decision")).to_be_hidden()


def test_review_appears_and_disappears(stage: Stage, people: People) -> None:
    key = stage.one(outputs=[], task_state="running")
    page = people.page("ann")
    page.goto(stage.chat(key))
    expect(page.get_by_text("There is nothing to review yet.")).to_be_visible()
    live(page)
    stage.next_output(key, "Here I am")
    expect(page.locator(".hitl-output")).to_have_text("Here I am")
    live(page)
    stage.drop(key)
    expect(page.get_by_text("This review is gone")).to_be_visible()
    expect(page.locator("#decision")).to_be_hidden()

    none = stage.one(outputs=[], task_state="success")
    answer = page.goto(stage.chat(none))
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_text("This task has no review.")).to_be_visible()

    never = stage.one(outputs=[], task_state="running")
    page.goto(stage.chat(never))
    live(page)
    stage.set_state(never, "failed")
    expect(page.get_by_text("This task has no review.")).to_be_visible()


def test_last_round_needs_confirmation(stage: Stage, people: People) -> None:
    key = stage.one(outputs=["One"], max_iterations=1)
    page = people.page("ann")
    page.goto(stage.chat(key))
    expect(page.get_by_text("This is the last round")).to_be_visible()
    page.get_by_label("Your feedback").fill("Again")
    button(page, "Request changes")
    expect(page.get_by_text("Request changes in the last round?")).to_be_visible()
    assert stage.find(key)["status"] == "pending_review"
    page.keyboard.press("Escape")
    expect(page.get_by_label("Your feedback")).to_have_value("Again")
    button(page, "Request changes")
    expect(page.get_by_role("button", name="End the review")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Changes requested to output 1.")).to_be_visible()
    assert stage.find(key)["status"] == "changes_requested"


def test_decision_is_held_back_for_five_seconds(stage: Stage, people: People) -> None:
    key = stage.one(outputs=["One"])
    page = people.page("ann")
    page.clock.install()
    page.goto(stage.chat(key))
    live(page)
    page.get_by_label("Your feedback").fill("Wrong numbers")
    button(page, "Reject")
    undo = page.get_by_role("button", name="Undo", exact=True)
    expect(undo).to_have_text("Undo (5 s)")
    expect(page.get_by_label("Your feedback")).not_to_be_editable()
    page.clock.run_for(2_100)
    expect(undo).to_have_text("Undo (3 s)")
    page.keyboard.press("Escape")
    expect(undo).to_be_hidden()
    expect(page.get_by_label("Your feedback")).to_have_value("Wrong numbers")
    page.clock.run_for(10_000)
    assert stage.find(key)["status"] == "pending_review"
    button(page, "Reject")
    page.clock.run_for(4_500)
    expect(undo).to_be_visible()
    assert stage.find(key)["status"] == "pending_review"
    page.clock.run_for(1_000)
    expect(page.get_by_text("Rejected output 1.")).to_be_visible()
    assert stage.find(key)["conversation"][-1]["content"] == "Wrong numbers"


def test_held_decision_is_sent_when_the_page_is_left(stage: Stage, people: People) -> None:
    key = stage.one(outputs=["One"])
    page = opened(stage, people, key)
    page.get_by_label("Your feedback").fill("By region")
    button(page, "Request changes")
    page.get_by_role("link", name="All reviews").click()
    wait_until(lambda: stage.find(key)["status"] == "changes_requested", timeout=10, what="the decision")
    stage.next_output(key, "Two")
    page.goto(stage.chat(key))
    expect(page.locator(".hitl-output").last).to_have_text("Two")
    expect(page.get_by_label("Your feedback")).to_have_value("")  # it has arrived


def test_text_stays_if_what_was_sent_on_leaving_did_not_arrive(stage: Stage, people: People) -> None:
    key = stage.one(outputs=["One"])
    page = opened(stage, people, key)
    button(page, "Edit")
    page.get_by_label("Text of the output").fill("Mine")
    page.get_by_label("Your feedback").fill("By region")
    expect(page.get_by_role("button", name="Approve the edit")).to_be_visible()
    button(page, "Request changes")
    page.context.clear_cookies()  # the login has expired
    page.goto("about:blank")
    people.log_in(page.context, "ann")
    page.goto(stage.chat(key))
    expect(page.get_by_label("Your feedback")).to_have_value("By region")
    assert stage.find(key)["status"] == "pending_review"
    stage.decide(key, "feedback", feedback="From somebody else")
    stage.next_output(key, "Two")
    page.reload()
    expect(page.get_by_text("Output 2 has arrived. Your edit is of output 1")).to_be_visible()
    expect(page.get_by_label("Text of the output")).to_have_value("Mine")
    expect(page.get_by_label("Your feedback")).to_have_value("By region")


@pytest.mark.parametrize("what", ["decided", "next"])
def test_held_decision_is_dropped_if_the_review_changes(stage: Stage, people: People, what: str) -> None:
    key = stage.one(outputs=["One"])
    page = people.page("ann")
    page.clock.install()
    page.goto(stage.chat(key))
    live(page)
    button(page, "Approve")
    if what == "decided":
        stage.decide(key, "reject")
        expect(page.get_by_text("admin was faster: rejected. Nothing was sent.")).to_be_visible()
    else:
        stage.decide(key, "feedback", feedback="Next")
        expect(page.locator(".pill")).to_have_text("Changes requested")
        stage.next_output(key, "Two")
        expect(page.get_by_text("Output 2 is here.")).to_be_visible()
    expect(page.get_by_role("button", name="Undo", exact=True)).to_be_hidden()
    page.clock.run_for(10_000)
    assert stage.find(key)["status"] == ("rejected" if what == "decided" else "pending_review")


def test_next_waiting_review_opens_after_a_decision(stage: Stage, people: People) -> None:
    """In the order of the list that the reader comes from, and only if they want it."""
    first, second, third = stage.make(*({"outputs": [f"Number {n}"]} for n in range(3)))
    page = people.page("ann", opens_next=True)
    query = urlencode({"q": first.run_id, "order_by": "task_id", "limit": 20})
    page.goto(stage.address(f"inbox?{query}"))
    expect(page.locator(".row")).to_have_count(3)
    page.locator(".row").nth(1).click()
    shown = page.get_by_role("heading", level=1)
    expect(shown).to_have_text("many_reviews › review [1]")
    decide(page, "Approve")
    expect(shown).to_have_text("many_reviews › review [2]")
    expect(page.locator("#notices")).to_have_text("many_reviews › review [1]: Approved output 1. The task goes on.")
    assert stage.find(second)["status"] == "approved"
    choice = page.get_by_role("checkbox", name="Then open the next")
    expect(choice).to_be_checked()
    page.get_by_label("Your feedback").fill("Why?")
    decide(page, "Reject")
    expect(shown).to_have_text("many_reviews › review [0]")  # from the top again
    page.get_by_role("checkbox", name="Then open the next").uncheck()
    page.reload()
    expect(choice).not_to_be_checked()
    live(page)
    decide(page, "Approve")
    expect(page.locator(".pill")).to_have_text("Approved")
    expect(shown).to_have_text("many_reviews › review [0]")
    assert [stage.find(key)["status"] for key in (first, third)] == ["approved", "rejected"]


@pytest.mark.parametrize("width", [420, 760, 1440])
def test_decision_does_not_move(stage: Stage, people: People, width: int) -> None:
    """It stays in sight, and is where it was when it asks back and when something is told."""
    key = stage.one(outputs=["\n\n".join(f"Line {n}" for n in range(90))])
    page = people.page("ann", viewport={"width": width, "height": 900})
    page.goto(stage.chat(key))
    live(page)
    field, line = page.get_by_label("Your feedback"), page.get_by_text("Line 40", exact=True)
    line.scroll_into_view_if_needed()
    before = (field.bounding_box(), line.bounding_box())
    button(page, "Request changes")
    expect(page.get_by_role("alert")).to_be_visible()
    assert (field.bounding_box(), line.bounding_box()) == before
    button(page, "Approve")
    expect(page.get_by_role("button", name="Undo", exact=True)).to_be_in_viewport(ratio=1)
    assert (field.bounding_box(), line.bounding_box()) == before
    button(page, "Undo")


def test_drafts_are_kept(stage: Stage, people: People) -> None:
    """Over a reload, another review and an update; another person does not see them."""
    first, second = stage.make({"outputs": ["One"]}, {"outputs": ["Other"]})
    page = people.page("ann")
    page.goto(stage.chat(first))
    page.get_by_label("Your feedback").fill("About the first")
    page.reload()
    expect(page.get_by_label("Your feedback")).to_have_value("About the first")
    page.goto(stage.chat(second))
    expect(page.get_by_label("Your feedback")).to_have_value("")
    page.goto(stage.chat(first))
    expect(page.get_by_label("Your feedback")).to_have_value("About the first")
    people.log_in(page.context, "admin")
    page.reload()
    expect(page.get_by_label("Your feedback")).to_have_value("")


def test_review_with_keyboard_only(stage: Stage, people: People) -> None:
    key = stage.one(outputs=["One"])
    page = opened(stage, people, key)

    def focused() -> str:
        return str(page.evaluate("() => document.activeElement.textContent.trim() || document.activeElement.id"))

    page.keyboard.press("Tab")
    assert focused() == "Skip to the decision"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.id") == "feedback"
    page.keyboard.type("By region")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Requesting changes to output 1")).to_be_visible()
    page.keyboard.press("Control+Enter")
    expect(page.locator(".pill")).to_have_text("Changes requested")
    # The focus stays somewhere, so that a screen reader continues from there.
    assert page.evaluate("() => document.activeElement.tagName") == "H1"
    stage.next_output(key, "Two")
    expect(page.get_by_text("Output 2 is here.")).to_be_visible()
    page.get_by_label("Your feedback").focus()
    page.keyboard.press("Tab")
    assert focused() == "Approve"
    page.keyboard.press("Enter")
    assert focused().startswith("Undo (")
    page.keyboard.press("Escape")
    assert focused() == "Approve"
    page.keyboard.press("Space")
    page.keyboard.press("Shift+Tab")
    assert focused() == "Send now"
    page.keyboard.press("Enter")
    expect(page.locator(".pill")).to_have_text("Approved")


def test_update_keeps_unfolded_details_and_focus(stage: Stage, people: People) -> None:
    key = stage.one(outputs=["One", "Two"], feedback=["more"])
    page = opened(stage, people, key)
    page.locator("details[data-fold=output-1] > summary").click()
    expect(page.locator("details[data-fold=output-1]")).to_have_attribute("open", "")
    page.get_by_role("region", name="Current output").focus()
    stage.decide(key, "feedback", feedback="again")
    expect(page.locator(".pill")).to_have_text("Changes requested")
    stage.next_output(key, "Three")
    expect(page.get_by_text("Output 3 is here.")).to_be_visible()
    expect(page.locator("details[data-fold=output-1]")).to_have_attribute("open", "")
    assert page.evaluate("() => document.activeElement !== document.body")


def test_theme_follows_airflow(stage: Stage, people: People) -> None:
    key = stage.one(outputs=["One"])
    page = people.page("ann", color_scheme="light")
    page.goto(stage.chat(key))
    back = "() => getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(back)
    page.evaluate("() => localStorage.setItem('theme', 'dark')")
    page.reload()
    dark = page.evaluate(back)
    assert light != dark
    page.evaluate("() => localStorage.setItem('theme', 'system')")
    page.reload()
    assert page.evaluate(back) == light
    page.emulate_media(color_scheme="dark")
    wait_until(lambda: page.evaluate(back) == dark, timeout=5, what="dark")


def test_page_is_readable_without_javascript(stage: Stage, people: People) -> None:
    key = stage.one(prompt="The task", outputs=["# One", "# Two"], feedback=["More"])
    page = people.page("ann", java_script_enabled=False)
    page.goto(stage.chat(key))
    expect(page.locator(".hitl-output h1", has_text="Two")).to_be_visible()
    for text in ("The task", "More", "Changes since output 1", "To decide on this page, allow JavaScript for it."):
        expect(page.get_by_text(text).first).to_be_visible()
    expect(page.locator("#decision")).to_be_hidden()
    page.get_by_role("link", name="All reviews").click()
    expect(page.get_by_role("heading", name="Reviews", exact=True)).to_be_visible()
    page.get_by_label("Search").fill(key.run_id)
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".row")).to_have_count(1)
    page.locator(".row").click()
    expect(page.locator(".hitl-output h1", has_text="Two")).to_be_visible()


@pytest.mark.parametrize("which", ["review", "inbox"])
def test_first_view_is_small(stage: Stage, people: People, which: str) -> None:
    """One request for HTML, otherwise only assets, and under 60 KB in total as sent by the server."""
    text = "Sales were good. " * 120
    key = stage.one(outputs=[text, f"{text} And better."], feedback=["More"])
    if which == "inbox":
        stage.make(*({"outputs": [f"{text} {n}"], "prompt": text} for n in range(50)))
    page = people.page("ann")
    answers: list[tuple[str, str, int]] = []
    client = page.context.new_cdp_session(page)
    client.send("Network.enable")
    kinds: dict[str, tuple[str, str]] = {}
    client.on(
        "Network.responseReceived", lambda e: kinds.update({e["requestId"]: (e["type"], e["response"]["url"])})
    )
    client.on(
        "Network.loadingFinished",
        lambda e: answers.append((*kinds[e["requestId"]], int(e["encodedDataLength"]))),
    )
    started = time.monotonic()
    page.goto(stage.chat(key) if which == "review" else stage.address("inbox"))
    live(page)
    page.wait_for_timeout(500)
    assert time.monotonic() - started < 20 * PATIENCE
    documents = [answer for answer in answers if answer[0] == "Document"]
    assert len(documents) == 1
    assert {kind for kind, _, _ in answers} <= {"Document", "Stylesheet", "Script", "Image", "Other", "EventSource"}
    total = sum(size for _, _, size in answers)
    assert total < 60_000, answers
