"""The list of reviews as a page."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from demo.processes import PATIENCE
from tests.pages.stage import Key, People, Stage
from tests.support.api_server import DAG_ID, TASK_ID

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


def live(page: Page) -> None:
    expect(page.locator("html")).to_have_attribute("data-connection", re.compile("live|asking"))


def test_filters_counts_and_pages(stage: Stage, people: People) -> None:
    keys = stage.make(*({"outputs": [f"Draft {n}"], "prompt": f"Widget {n}"} for n in range(7)))
    run_id = keys[0].run_id
    stage.decide(keys[0], "reject")
    stage.set_state(keys[6], "failed")
    page = people.page("ann")
    page.goto(stage.address(f"inbox?q={run_id.replace('+', '%2B')}&limit=4"))
    expect(page.locator(".row")).to_have_count(4)
    expect(page.locator(".count")).to_contain_text("1–4 of 6 reviews")
    page.get_by_role("link", name="Next").click()
    expect(page.locator(".row")).to_have_count(2)
    expect(page.locator(".count")).to_contain_text("5–6 of 6 reviews")
    page.get_by_role("link", name="Previous").click()
    expect(page.locator(".row")).to_have_count(4)
    page.wait_for_load_state()  # the page's script submits the form
    page.get_by_label("Status").select_option("rejected")
    expect(page.locator(".row")).to_have_count(1)
    expect(page.locator(".row .pill")).to_have_text("Rejected")
    expect(page.locator(".row")).to_contain_text("by admin")
    assert "status=rejected" in page.url
    page.wait_for_load_state()
    page.get_by_label("Status").select_option("pending_review")
    page.wait_for_url("**status=pending_review**")
    page.get_by_label("Include ended tasks").check()
    expect(page.locator(".row .pill", has_text="No longer waiting")).to_have_count(1)
    page.wait_for_load_state()
    expect(page.get_by_role("button", name="Show")).to_be_hidden()
    page.get_by_label("Search").press_sequentially("no such text", delay=20)  # it acts without Enter
    expect(page.get_by_text("No review matches.")).to_be_visible()
    page.wait_for_url("**no+such+text**")
    page.go_back()  # typing is one step
    expect(page.locator(".row").first).to_be_visible()


def test_search_in_outputs(stage: Stage, people: People) -> None:
    key = stage.one(outputs=["A word: heliotrope"])
    page = people.page("ann")
    page.goto(stage.address("inbox?q=heliotrope"))
    expect(page.locator(".empty")).to_contain_text("in:output")
    page.get_by_label("Search").fill("in:output heliotrope")
    expect(page.locator(".row")).to_have_count(1)
    expect(page.locator(".row")).to_contain_text(key.run_id)


def test_rows_have_title_place_and_whom_they_wait_for(stage: Stage, people: People) -> None:
    run_id = stage.make(
        {
            "prompt": "\n# Sum *up*\nIn short.",
            "outputs": ["One", "## The `sum`\n\n- is **3**"],
            "feedback": ["More"],
        },
        {"prompt": "", "outputs": ['{"a": "*3*"}'], "format": "json"},
    )[0].run_id
    address = stage.address(f"inbox?q={run_id.replace('+', '%2B')}")
    page = people.page("ann")
    page.goto(address)
    titled, untitled = (page.locator(".row", has_text=text) for text in ("The sum", '"*3*"'))
    expect(titled.get_by_role("heading", level=2)).to_have_text("Sum up")
    for words in (f"{DAG_ID} › {TASK_ID} [0]", f"run {run_id}", "The sum is 3", "round 2 of 5", "Waiting for you"):
        expect(titled).to_contain_text(words)
    expect(untitled.get_by_role("heading", level=2)).to_have_text(f"{DAG_ID} › {TASK_ID} [1]")
    expect(untitled.get_by_text(f"› {TASK_ID}")).to_have_count(1)
    viewer = people.page("viv")
    viewer.goto(address)
    expect(viewer.locator(".row .pill").first).to_have_text("Waiting")
    of_bob = stage.server.seed(1, "reviewers", "bob")
    page.goto(stage.address(f"inbox?q={of_bob.replace('+', '%2B')}"))
    expect(page.locator(".row .pill")).to_have_text("Waiting for others")
    page.locator(".row").click()
    expect(page.locator(".pill")).to_have_text("Waiting for others", use_inner_text=True)
    expect(page.locator("main")).to_contain_text("round 1 of 5")
    for user, words in (("ann", "Waiting for you"), ("viv", "Waiting")):
        page = people.page(user)
        page.goto(stage.chat(Key(DAG_ID, run_id)))
        expect(page.locator(".pill")).to_have_text(words, use_inner_text=True)


def test_actions_of_others_appear_automatically(stage: Stage, people: People) -> None:
    key = stage.one(outputs=["One"])
    page = people.page("ann")
    page.goto(stage.address(f"inbox?q={key.run_id.replace('+', '%2B')}"))
    live(page)
    expect(page.locator(".row .pill")).to_have_text("Waiting for you")
    page.locator(".row").focus()
    stage.decide(key, "feedback", feedback="More")
    expect(page.locator(".row .pill")).to_have_text("Changes requested", timeout=5_000 * PATIENCE)
    expect(page.locator(".row")).to_be_focused()
    stage.next_output(key, "Two")
    expect(page.locator(".row .pill")).to_have_text("Waiting for you", timeout=5_000 * PATIENCE)
    expect(page.locator(".row")).to_contain_text("round 2 of 5")


def test_from_the_list_to_a_review_and_back(stage: Stage, people: People) -> None:
    key = stage.one(outputs=["One"])
    page = people.page("ann")
    page.goto(stage.address(f"inbox?q={key.run_id.replace('+', '%2B')}"))
    page.locator(".row").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".hitl-output")).to_have_text("One")
    page.get_by_role("link", name="All reviews").click()
    expect(page.locator(".row")).to_have_count(1)
    assert "q=seed" in page.url


def test_back_link_works_without_javascript(stage: Stage, people: People) -> None:
    key = stage.one(outputs=["One"])
    page = people.page("ann")
    page.route("**/assets/*.js", lambda route: route.abort())
    page.goto(stage.address(f"inbox?q={key.run_id.replace('+', '%2B')}"))
    expect(page.get_by_role("button", name="Show")).to_be_visible()
    page.locator(".row").click()
    expect(page.locator(".hitl-output")).to_have_text("One")
    page.get_by_role("link", name="All reviews").click()
    expect(page.locator(".row")).to_have_count(1)
