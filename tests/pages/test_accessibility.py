"""axe-core finds nothing serious on the pages in any state, light or dark, wide or narrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.pages.stage import People, Stage
from tests.support.axe import faults, source
from tests.support.browser import send_now
from tests.support.edit_samples import TYPED
from tests.support.view_samples import SAMPLES

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def axe(folder: Path) -> str:
    return source(folder)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 380])
def test_pages_have_no_accessibility_violations(
    stage: Stage, people: People, axe: str, scheme: Any, width: int
) -> None:
    table = "# Sales\n\n| Region | Sales |\n|---|---|\n| North | 39 |\n\n- a `code`\n\n> quoted [link](http://x.example)"
    keys = stage.make(
        {"prompt": "Summarise.", "outputs": ["# One\n\nShort", table], "feedback": ["A table"]},
        {"outputs": ['{"a": [1, true, null, "text"], "b": {"c": 2.5}}'], "format": "json"},
        {"outputs": ["One"], "max_iterations": 1, "deadline_in": 3600},
        {"outputs": []},
        *(SAMPLES[name] for name in ("markdown", "python", "records", "nested")),
    )
    page = people.page("ann", color_scheme=scheme, viewport={"width": width, "height": 800})
    found: list[str] = []
    for key in keys:
        page.goto(stage.chat(key))
        expect(page.locator("h1").first).to_be_visible()
        found += faults(page, axe)
    page.goto(stage.chat(keys[0]))
    page.evaluate("() => document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    page.get_by_role("button", name="Request changes").click()
    found += faults(page, axe)
    page.get_by_role("button", name="Reject", exact=True).click()
    found += faults(page, axe)
    send_now(page)
    expect(page.locator(".pill")).to_have_text("Rejected")
    found += faults(page, axe)
    for address in (f"inbox?q={keys[0].run_id.replace('+', '%2B')}&limit=2", "inbox?q=none", "chat?dag_id=~"):
        page.goto(stage.address(address))
        found += faults(page, axe)
    assert found == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 380])
def test_open_editor_has_no_accessibility_violations(
    stage: Stage, people: People, axe: str, scheme: Any, width: int
) -> None:
    """As text with a preview, as a form with an error, and with an edit of an output that is no more."""
    text, typed = stage.make({"outputs": [SAMPLES["markdown"]["outputs"][-1]]}, TYPED)
    page = people.page("ann", color_scheme=scheme, viewport={"width": width, "height": 800})
    page.goto(stage.chat(typed))
    page.get_by_role("button", name="Edit", exact=True).click()
    found = faults(page, axe)
    page.get_by_label("Ratio", exact=True).fill("")
    page.get_by_role("button", name="Approve the edit").click()
    expect(page.get_by_label("Ratio", exact=True)).to_have_attribute("aria-invalid", "true")
    found += faults(page, axe)
    page.goto(stage.chat(text))
    page.get_by_role("button", name="Edit", exact=True).click()
    page.get_by_label("Text of the output").fill("# Another")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name="What you changed")).to_be_visible()
    found += faults(page, axe)
    page.get_by_role("button", name="Preview").click()  # axe takes all in a disabled fieldset to get no focus
    page.get_by_role("button", name="Approve the edit").click()
    expect(page.get_by_role("button", name="Undo", exact=True)).to_be_visible()
    found += faults(page, axe)
    page.get_by_role("button", name="Undo", exact=True).click()
    stage.decide(text, "feedback", feedback="More")
    stage.next_output(text, "# The next")
    expect(page.get_by_text("Output 2 has arrived.")).to_be_visible()
    found += faults(page, axe)
    assert found == []
