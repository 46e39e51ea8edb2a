"""What a task does while it makes an output, on the pages: live, also before there is anything to review."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.pages.stage import Key, People, Stage
from tests.pages.test_editing import button
from tests.pages.test_tool_calls import picture
from tests.support.browser import send_now

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

STEPS = [
    {"name": "list_tables", "args": '{"schema": "sales"}', "result": "orders, lines", "seconds": 0.2},
    {"name": "run_sql", "args": "SELECT region, sum(total) FROM orders GROUP BY 1 " * 6, "seconds": 3.4},
    {"name": "run_sql", "args": '{"query": "SELCT 1"}', "result": "syntax error", "is_error": True, "seconds": 0.1},
]
HOSTILE = "<img src=x onerror=alert(1)>\u202e **not bold**"


def doing(page: Page) -> Locator:
    return page.locator("[data-part=progress]")


def test_progress_of_the_next_output(stage: Stage, people: People) -> None:
    key = stage.one(prompt="Sales by region", outputs=["# Sales\n\nThe south fell."], task_state="running")
    page = people.page()
    page.goto(stage.chat(key))
    page.get_by_label("Your feedback").fill("By month, please.")
    button(page, "Request changes").click()
    send_now(page)
    expect(page.get_by_text("The next output is being made.")).to_be_visible()
    stage.tell(key, iteration=2, text="Reading 12 of 40 files", fraction=0.3)
    expect(doing(page)).to_contain_text("Reading 12 of 40 files")
    expect(doing(page).get_by_role("progressbar")).to_have_attribute("value", "0.3000")
    expect(doing(page)).to_contain_text("30%")
    stage.tell(key, iteration=2, text=HOSTILE, steps=STEPS, left_out=7, partial=HOSTILE)
    expect(doing(page)).to_contain_text(HOSTILE)
    expect(doing(page).get_by_role("listitem").first).to_have_text("7 earlier steps")
    expect(doing(page).get_by_role("listitem").nth(3)).to_contain_text("failed")
    expect(doing(page).get_by_label("The output so far")).to_contain_text("**not bold**")
    lines = "".join(f"- Month {n}: the south sold {n * 37} and the north more.\n" for n in range(60))
    text = f"# Sales by month\n\n{lines}"
    stage.tell(key, iteration=2, text="Writing", steps=STEPS, fraction=0.8, partial=text[-2_000:])
    last = doing(page).get_by_text("Month 59")
    expect(last).to_be_in_viewport()
    picture(page, "progress")
    stage.next_output(key, text)
    stage.tell(key)
    expect(page.get_by_role("heading", name="Current output")).to_be_visible()
    expect(page.locator(".pill .for-you")).to_be_visible()
    expect(doing(page)).to_be_empty()


def test_task_without_an_output_yet(stage: Stage, people: People) -> None:
    key = stage.one(outputs=[], task_state="running")
    page = people.page()
    page.goto(stage.chat(key))
    expect(page.get_by_text("There is nothing to review yet.")).to_be_visible()
    stage.tell(key, text="Calling run_sql", steps=STEPS[:1], partial="")
    expect(doing(page)).to_contain_text("Calling run_sql")
    picture(page, "first-output")
    stage.next_output(key, "The south fell.")
    expect(page.get_by_role("heading", name="Current output")).to_be_visible()
    expect(page.get_by_label("Your feedback")).to_be_visible()


def test_list_has_tasks_that_make_their_first_output(stage: Stage, people: People) -> None:
    waits, makes, silent = stage.make(
        {"prompt": "One that waits", "outputs": ["A draft."]},
        {"outputs": [], "task_state": "running"},
        {"outputs": [], "task_state": "running"},
    )
    page = people.page()
    page.goto(stage.address(f"inbox?q={makes.run_id.replace('+', '%2B')}"))
    expect(page.get_by_role("link").filter(has_text="One that waits")).to_be_visible()
    expect(page.get_by_role("heading", name="Being made")).to_be_hidden()
    stage.tell(makes, text="Reading")
    expect(page.get_by_role("heading", name="Being made")).to_be_visible()
    expect(page.locator("a.row")).to_have_count(2)
    picture(page, "inbox-being-made")
    other = people.page("bob")
    other.goto(stage.address("inbox"))
    expect(other.get_by_role("heading", name="Reviews", exact=True)).to_be_visible()
    expect(other.get_by_role("heading", name="Being made")).to_be_hidden()
    page.locator("a.row").last.click()
    expect(doing(page)).to_contain_text("Reading")
    stage.next_output(makes, "Done.")
    stage.tell(makes)
    page.go_back()
    expect(page.get_by_role("heading", name="Being made")).to_be_hidden()
    assert [one.map_index for one in (waits, makes, silent)] == [0, 1, 2]


def test_progress_reaches_a_page_that_no_events_reach(stage: Stage, people: People) -> None:
    key = stage.one(outputs=[], task_state="running")
    page = people.page()

    def hold_back(route: Route) -> None:
        """As a proxy that buffers the stream."""

    page.route("**/chat/events?*", hold_back)
    page.goto(stage.chat(key))
    stage.tell(key, text="Reading 1 of 2")
    expect(doing(page)).to_contain_text("Reading 1 of 2")
    stage.tell(key, text="Reading 2 of 2")
    expect(doing(page)).to_contain_text("Reading 2 of 2")
    page.unroute_all(behavior="ignoreErrors")


def test_what_is_no_progress_is_not_shown(stage: Stage) -> None:
    """Whoever may write XComs can write anything under that key."""
    key = stage.one(outputs=[], task_state="running")
    for value in ({"text": 7, "fraction": 9}, {"steps": "x"}, {"partial": "x" * 500_000}):
        stage.tell(key, **value)
        told = progress(stage, key)
        assert (told["being_made"], told["progress"]) == (True, None)
    stage.tell(key, iteration=7, text="Of another output")
    assert progress(stage, key)["progress"] is None
    stage.set_state(key, "failed")
    while progress(stage, key)["being_made"]:
        pass


def progress(stage: Stage, key: Key) -> dict[str, Any]:
    answer = stage.server.call("GET", "/sessions/progress", params=key.params)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = json.loads(answer.text)
    return told
