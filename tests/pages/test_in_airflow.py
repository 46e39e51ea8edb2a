"""The pages inside Airflow's UI: a tab of the task instance and a menu entry."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import FrameLocator, Locator, Page, expect

from demo.processes import wait_until
from tests.pages.stage import Key, People, Stage
from tests.support.api_server import DAG_ID
from tests.support.browser import send_now

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def task_page(stage: Stage, key: Key, task_id: str = "review") -> str:
    mapped = f"/mapped/{key.map_index}" if key.map_index >= 0 and task_id == "review" else ""
    run_id = quote(key.run_id, safe="")
    return f"{stage.server.airflow.url}/dags/{key.dag_id}/runs/{run_id}/tasks/{task_id}{mapped}"


def frame(page: Page) -> FrameLocator:
    return page.frame_locator("iframe")


def test_tab_of_a_mapped_task(stage: Stage, people: People) -> None:
    key = stage.make({"outputs": ["Zero"]}, {"outputs": ["One"]})[1]
    page = people.page("ann")
    page.goto(task_page(stage, key))
    page.get_by_role("link", name="Review", exact=True).click()
    expect(frame(page).locator(".hitl-output")).to_have_text("One")
    # Airflow shows above which task it is.
    expect(frame(page).get_by_role("link", name="All reviews")).to_be_hidden()
    frame(page).get_by_role("button", name="Approve", exact=True).click()
    send_now(frame(page))
    expect(frame(page).locator(".pill")).to_have_text("Approved")
    assert stage.find(key)["decided_by"]["name"] == "ann"


def test_link_in_output_opens_outside_airflow(stage: Stage, people: People) -> None:
    """Airflow's frame cannot open windows by itself."""
    target = f"{stage.server.airflow.url}/hitl-review/health"
    key = stage.one(outputs=[f"See [the health]({target})."])
    page = people.page("ann")
    page.goto(task_page(stage, key))
    page.get_by_role("link", name="Review", exact=True).click()
    expect(frame(page).get_by_role("button", name="Approve", exact=True)).to_be_visible()  # its script has started
    with page.expect_popup() as opened:
        frame(page).locator(".hitl-output").get_by_role("link", name="the health").click()
    expect(opened.value.locator("body")).to_contain_text('"status"')
    expect(frame(page).locator(".hitl-output")).to_be_visible()


def test_tab_of_an_unmapped_task_in_dark_mode(stage: Stage, people: People) -> None:
    key = stage.one(mapped=False, outputs=["Not mapped"])
    page = people.page("ann", color_scheme="light")
    page.goto(task_page(stage, key))
    page.get_by_role("link", name="Review", exact=True).click()
    expect(frame(page).locator(".hitl-output")).to_have_text("Not mapped")
    appearance = frame(page).locator("html")
    expect(appearance).to_have_attribute("data-appearance", "light")
    page.get_by_role("button", name="User").click()
    page.get_by_role("menuitem", name="Appearance").click()
    page.get_by_text("Dark Mode").click()
    expect(appearance).to_have_attribute("data-appearance", "dark")


def test_a_task_without_a_review_has_no_tab(stage: Stage, people: People) -> None:
    key = stage.one(outputs=[], task_state="success")
    page = people.page("ann")
    page.goto(task_page(stage, key))
    expect(page.get_by_role("link", name="Audit Log")).to_be_visible()
    page.wait_for_timeout(1_000)
    expect(page.get_by_role("link", name="Review", exact=True)).to_have_count(0)


def test_list_from_the_menu(stage: Stage, people: People) -> None:
    key = stage.one(outputs=["From the list"])
    page = people.page("ann")
    page.goto(stage.server.airflow.url)
    page.get_by_role("button", name="Browse").click()
    page.get_by_role("menuitem", name="Reviews").click()
    listed = frame(page).locator(".row", has_text=key.run_id)
    listed.click()
    expect(frame(page).locator(".hitl-output")).to_have_text("From the list")
    frame(page).get_by_role("link", name="All reviews").click()
    expect(listed).to_be_visible()


def test_required_actions_form(stage: Stage, people: People) -> None:
    """An answer in Required Actions is shown to everyone who has the review's page open."""
    run_id = stage.server.seed(1, "required_actions", "parked")
    key = Key(DAG_ID, run_id)
    other = people.page("admin")
    other.goto(stage.chat(key))
    page = people.page("ann")
    page.goto(f"{task_page(stage, key)}/required_actions")
    link = page.get_by_role("link", name="Open the review")
    expect(link).to_have_attribute("href", stage.chat(key))
    expect(page.get_by_text("Item 0", exact=True)).to_be_visible()
    expect(page.locator("blockquote", has_text="Draft of item 0.")).to_be_visible()
    expect(page.get_by_text("Number of the output")).to_have_count(0)
    expect(page.get_by_text("Digest of the output")).to_have_count(0)
    page.locator("textarea, input[type=text]").last.fill("By region")
    page.get_by_role("button", name="Request changes", exact=True).click()
    expect(other.locator(".pill")).to_have_text("Changes requested")
    expect(other.locator(".turn.human")).to_contain_text("By region")
    found = stage.find(key)
    assert (found["status"], found["decided_by"]["name"]) == ("changes_requested", "ann")


JSON = '{\n  "revenue": 9007199254740993,\n  "share": 1.0\n}'


@pytest.mark.parametrize(
    ("kind", "output", "edit"),
    [
        ("text", "# Draft\n\nOne  \n\ttwo\n\n", "# Better  \n\n\tYes, \u201cbetter\u201d \u2603 \n\n  \n"),
        ("json", JSON, JSON.replace("1.0", "2.0")),
        ("json", '["a", 9007199254740993]', '["b", 9007199254740993, 1.0]'),
    ],
)
def test_required_actions_edit(stage: Stage, people: People, kind: str, output: str, edit: str) -> None:
    """What is approved is what was typed: line breaks, spaces at the ends of lines, and large integers."""
    run_id = stage.server.seed(1, "required_actions", kind, output)
    key = Key(DAG_ID, run_id)
    page = people.page("ann")
    page.goto(f"{task_page(stage, key)}/required_actions")
    field = open_edit(page)
    assert field.input_value().removesuffix("\u00a0") == output
    field.fill("")
    expect(page.get_by_role("button", name="Approve", exact=True)).to_be_disabled()
    field.fill(edit)
    found = approve(page, stage, key)
    assert (found["edited"], found["decided_by"]["name"]) == (True, "ann")
    assert found["edited_output"] == edit


@pytest.mark.parametrize(("kind", "output"), [("text", "One  \n\ntwo \n"), ("json", JSON)])
def test_required_actions_without_an_edit(stage: Stage, people: People, kind: str, output: str) -> None:
    """Approved as it is, though Airflow's form sends the output back."""
    run_id = stage.server.seed(1, "required_actions", kind, output)
    key = Key(DAG_ID, run_id)
    page = people.page("ann")
    page.goto(f"{task_page(stage, key)}/required_actions")
    open_edit(page)
    found = approve(page, stage, key)
    assert (found["edited"], found["edited_output"]) == (False, None)


def approve(page: Page, stage: Stage, key: Key) -> Any:
    """Press the form's button until the review is approved, as Airflow may draw its form anew under the click."""
    button, answers = page.get_by_role("button", name="Approve", exact=True), list[int]()
    page.on("response", lambda response: answers.append(response.status))

    def approved() -> bool:
        if button.is_enabled():
            button.click()
        return bool(stage.find(key)["status"] == "approved")

    wait_until(approved, timeout=30, what="the approval", interval=1.0)
    assert max(answers) < 500
    expect(button).to_be_disabled()
    return stage.find(key)


def open_edit(page: Page) -> Locator:
    """The text field of the form's section, which is closed at first."""
    return page.locator("textarea[name=element_edited_output]")
