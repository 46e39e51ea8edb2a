"""``docs/examples/ag_ui.html`` in a browser, on Airflow's origin: read, ask for changes, see them made, approve."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.pages.stage import People, Stage
from tests.support.call_samples import refunds

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "ag_ui.html"


def test_example_page(stage: Stage, people: People) -> None:
    key = stage.one(prompt="Sales", outputs=["The south fell."], task_state="running")
    page = people.page()

    def example(route: Route) -> None:
        route.fulfill(body=EXAMPLE.read_text(encoding="utf-8"), content_type="text/html")

    page.route("**/example.html?*", example)
    page.goto(f"{stage.server.airflow.url}/example.html?{key.query}")
    expect(page.locator("pre")).to_have_text(["user: Sales", "assistant: The south fell."])
    expect(page.get_by_role("status")).to_have_text("Output 1 of 5 waits for a decision.")
    page.get_by_role("button", name="Request changes").click()
    expect(page.get_by_role("status")).to_contain_text(
        "Say what to change: the feedback is empty. Output 1 of 5 waits"
    )
    page.get_by_label("Feedback").fill("By month, please.")
    page.get_by_role("button", name="Request changes").click()
    expect(page.locator("pre").last).to_have_text("user: By month, please.")
    stage.tell(key, iteration=2, text="Writing", partial="In May")
    expect(page.get_by_role("status")).to_have_text("Writing In May")
    stage.next_output(key, "In May it fell.")
    expect(page.locator("pre").last).to_have_text("assistant: In May it fell.")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("status")).to_have_text("It is approved.")
    assert stage.find(key)["status"] == "approved"


def test_example_page_answers_calls_alike(stage: Stage, people: People) -> None:
    key = stage.one(**refunds())
    page = people.page()
    page.route(
        "**/example.html?*",
        lambda route: route.fulfill(body=EXAMPLE.read_text(encoding="utf-8"), content_type="text/html"),
    )
    page.goto(f"{stage.server.airflow.url}/example.html?{key.query}")
    expect(page.locator("pre").last).to_contain_text('send_mail({"to": "ito@example.org"')
    page.get_by_label("Feedback").fill("Not today.")
    page.get_by_role("button", name="Reject").click()
    expect(page.locator("pre").last).to_contain_text("tool: Denied. Not today.")
