"""The list of reviews as a page."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.pages.stage import People, Stage

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
    page.get_by_label("Also ended tasks").check()
    expect(page.locator(".row .pill", has_text="No longer waiting")).to_have_count(1)
    page.wait_for_load_state()
    page.get_by_label("Search").fill("no such text")
    page.get_by_label("Search").press("Enter")
    expect(page.get_by_text("No review has these properties.")).to_be_visible()
    page.go_back()
    expect(page.locator(".row").first).to_be_visible()


def test_actions_of_others_appear_automatically(stage: Stage, people: People) -> None:
    key = stage.one(outputs=["One"])
    page = people.page("ann")
    page.goto(stage.address(f"inbox?q={key.run_id.replace('+', '%2B')}"))
    live(page)
    expect(page.locator(".row .pill")).to_have_text("Waiting")
    page.locator(".row").focus()
    stage.decide(key, "feedback", feedback="More")
    expect(page.locator(".row .pill")).to_have_text("Changes requested", timeout=5_000)
    expect(page.locator(".row")).to_be_focused()
    stage.next_output(key, "Two")
    expect(page.locator(".row .pill")).to_have_text("Waiting", timeout=5_000)
    expect(page.locator(".row")).to_contain_text("output 2")


def test_from_the_list_to_a_review_and_back(stage: Stage, people: People) -> None:
    key = stage.one(outputs=["One"])
    page = people.page("ann")
    page.goto(stage.address(f"inbox?q={key.run_id.replace('+', '%2B')}"))
    page.locator(".row").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".output")).to_have_text("One")
    page.get_by_role("link", name="All reviews").click()
    expect(page.locator(".row")).to_have_count(1)
    assert "q=seed" in page.url


def test_back_link_works_without_javascript(stage: Stage, people: People) -> None:
    key = stage.one(outputs=["One"])
    page = people.page("ann")
    page.route("**/assets/*.js", lambda route: route.abort())
    page.goto(stage.address(f"inbox?q={key.run_id.replace('+', '%2B')}"))
    page.locator(".row").click()
    expect(page.locator(".output")).to_have_text("One")
    page.get_by_role("link", name="All reviews").click()
    expect(page.locator(".row")).to_have_count(1)
