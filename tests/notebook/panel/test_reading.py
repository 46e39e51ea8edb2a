"""Reading outputs in the panel, in JupyterLab: what the page's tests have, by way of a kernel."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.notebook.hostile import HOSTILE
from tests.notebook.lab import Lab, feedback, row
from tests.notebook.server import ReviewServer, turn
from tests.support.axe import faults, source
from tests.support.view_samples import PYTHON, SAMPLES

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def axe() -> Iterator[str]:
    home = Path(tempfile.mkdtemp(prefix="hitl-test-axe-"))
    yield source(home)
    shutil.rmtree(home, ignore_errors=True)


def add(server: ReviewServer, name: str, *, outputs: list[str], feedback: Any = (), format: str = "text") -> None:  # noqa: A002 - the samples' word
    """Add a review as ``tests.support.seed_pages`` makes them."""
    turns = []
    for number, output in enumerate(outputs, 1):
        turns.append(turn("output", output, number))
        turns += [turn("feedback", text, number) for text in feedback[number - 1 : number]]
    server.add(
        name.replace(" ", "_"),
        prompt=f"The {name} of the quarter",
        conversation=turns,
        iteration=len(outputs),
        current_output=outputs[-1],
        output_format=format,
    )


def opened(panel: Locator, name: str) -> Locator:
    row(panel, name).click()
    expect(panel.locator(".hitl-session")).to_contain_text(name)
    output = panel.locator(".hitl-output").last
    expect(output).to_be_visible()
    return output


def test_reading_in_the_panel(lab: Lab, server: ReviewServer) -> None:
    for name in ("markdown", "python", "nested", "many records", "250 lines", "300 KB", "long line"):
        add(server, name, **SAMPLES[name])
    panel = lab.open(server)
    page = lab.page

    output = opened(panel, "python")
    expect(output.locator(".hitl-line").nth(8)).to_have_text(PYTHON.splitlines(keepends=True)[8])
    expect(panel.locator(".hitl-what-changed ins").first).to_contain_text("0.19")

    # Another view, remembered for the task, also after another review was open.
    panel.get_by_label("Shown as").select_option("text")
    expect(output.locator("> .hitl-plain")).to_have_text(PYTHON)
    opened(panel, "markdown")
    expect(output.locator("math").first).to_be_visible()
    opened(panel, "python")
    expect(output.locator("> .hitl-plain")).to_have_text(PYTHON)
    panel.get_by_label("Shown as").select_option("")
    expect(output.locator(".hitl-line").first).to_be_visible()

    # Changes, in another way.
    panel.get_by_label("Changes as").select_option("source-split")
    expect(panel.get_by_role("group", name="Before").locator("del").first).to_contain_text("0.2")
    panel.get_by_label("Changes as").select_option("")
    opened(panel, "nested")
    expect(panel.get_by_role("row", name="regions[0].revenue")).to_contain_text("30120")

    # A table.
    opened(panel, "many_records")
    status = panel.locator(".hitl-table-bar [role=status]")
    expect(status).to_have_text("10,000 rows")
    page.keyboard.press("s")
    expect(panel.get_by_label("Filter rows")).to_be_focused()
    page.keyboard.type("customer 99")
    expect(status).to_have_text("111 of 10,000 rows")

    # Search and quotations, by keyboard.
    opened(panel, "250_lines")
    page.keyboard.press("s")
    page.keyboard.type("item 24")
    expect(panel.locator(".hitl-find-bar [role=status]")).to_have_text("1 of 11")
    page.keyboard.press("Escape")
    expect(output).to_be_focused()
    page.evaluate(
        """() => {
            const item = document.querySelector(".hitl-panel .hitl-output li");
            getSelection().selectAllChildren(item);
        }"""
    )
    expect(panel.get_by_role("button", name="Quote")).to_be_visible()
    page.keyboard.press("q")
    expect(feedback(panel)).to_have_value("> Item 1 with a link\n\n")
    expect(feedback(panel)).to_be_focused()

    # Nothing is wider than the panel, nor cut off: what does not fit can be scrolled to.
    page.set_viewport_size({"width": 760, "height": 900})
    for name in ("250_lines", "300_KB", "long_line", "many_records", "nested"):
        opened(panel, name)
        box, around = output.bounding_box(), panel.bounding_box()
        assert box is not None
        assert around is not None
        assert box["x"] + box["width"] <= around["x"] + around["width"], name
        fits = output.evaluate(
            "box => box.scrollWidth <= box.clientWidth + 1 && (box.scrollHeight <= box.clientHeight + 1"
            " || getComputedStyle(box).overflowY === 'auto') && box.clientHeight < 700"
        )
        assert fits, name
    expect(panel.locator(".hitl-name")).to_be_in_viewport()  # though it is below the list at this width
    page.set_viewport_size({"width": 1440, "height": 900})
    opened(panel, "250_lines")
    panel.get_by_text("As it was written").click()
    plain = panel.locator(".hitl-source .hitl-plain")
    assert plain.evaluate("box => box.clientHeight < 700 && getComputedStyle(box).overflowY === 'auto'")


def test_hostile_texts_are_inert_in_every_view_of_the_panel(lab: Lab, server: ReviewServer) -> None:
    text = "\n\n".join([*HOSTILE, *(f"${hostile}$" for hostile in HOSTILE)])
    add(server, "hostile", outputs=[text, f"{text}\n\n<img src=x onerror=alert(1)>"], feedback=["x"])
    panel = lab.open(server)
    opened(panel, "hostile")
    for display in ("markdown", "code", "text", ""):
        panel.get_by_label("Shown as").select_option(display)
        expect(panel.locator(f"select[data-choice=display_as][data-chosen='{display}']")).to_be_visible()
        assert panel.locator("script, iframe, img, object, embed, base, link, meta").count() == 0


def test_panel_has_no_accessibility_violations(lab: Lab, server: ReviewServer, axe: str) -> None:
    for name in ("markdown", "python", "nested", "records"):
        add(server, name, **SAMPLES[name])
    panel = lab.open(server)
    found = faults(lab.page, axe, ".hitl-panel")
    for name in ("markdown", "python", "nested", "records"):
        opened(panel, name)
        found += faults(lab.page, axe, ".hitl-panel")
    assert found == []
