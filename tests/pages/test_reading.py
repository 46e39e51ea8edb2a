"""Reading outputs on the review page: views, search, tables, differences, images, quotations."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.notebook.hostile import HOSTILE
from tests.pages.stage import People, Stage
from tests.support.view_samples import PYTHON, REPORT, SAMPLES, records

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def opened(stage: Stage, people: People, **review: Any) -> Page:
    page = people.page("ann")
    page.goto(stage.chat(stage.one(**review)))
    expect(page.get_by_label("Shown as")).to_be_visible()
    return page


def found(page: Page, name: str) -> list[str]:
    """Texts of a highlight that the page's search has made."""
    texts: list[str] = page.evaluate(
        "name => [...(CSS.highlights.get(name) ?? [])].map((range) => range.toString())", name
    )
    return texts


def select_text(page: Page, selector: str) -> None:
    page.evaluate(
        """selector => {
            const range = document.createRange();
            range.selectNodeContents(document.querySelector(selector));
            const selection = getSelection();
            selection.removeAllRanges();
            selection.addRange(range);
        }""",
        selector,
    )


def test_code_is_shown_as_code(stage: Stage, people: People) -> None:
    page = opened(stage, people, outputs=[PYTHON])
    lines = page.locator(".hitl-output .hitl-line")
    expect(lines.nth(8)).to_have_text("    def __init__(self, path: str, *, tax_rate: float = 0.19) -> None:\n")
    assert page.locator(".hitl-output").evaluate("box => box.innerText").count("    def ") == 2
    expect(page.locator(".hitl-output .hitl-token-keyword").first).to_be_visible()


def test_reader_chooses_the_view_and_it_is_remembered_for_the_task(stage: Stage, people: People) -> None:
    page = opened(stage, people, outputs=[REPORT])
    expect(page.locator(".hitl-output h1")).to_have_text("Revenue in Q3")
    page.get_by_label("Shown as").select_option("text")
    expect(page.locator(".hitl-output > .hitl-plain")).to_contain_text("# Revenue in Q3")
    key = stage.one(outputs=["# Another"])
    page.goto(stage.chat(key))
    expect(page.locator(".hitl-output > .hitl-plain")).to_have_text("# Another")
    stage.decide(key, "feedback", feedback="more")
    stage.next_output(key, "# Another\n\nwith more")
    expect(page.locator(".hitl-output > .hitl-plain").last).to_have_text("# Another\n\nwith more")
    page.get_by_label("Shown as").select_option("")
    expect(page.locator(".hitl-output h1").last).to_have_text("Another")
    page.reload()
    expect(page.locator(".hitl-output h1").last).to_have_text("Another")


def test_author_chooses_the_view(stage: Stage, people: People) -> None:
    page = opened(stage, people, outputs=["select this"], display_as="code:sql")
    expect(page.locator(".hitl-output .hitl-token-keyword")).to_have_text("select")
    expect(page.get_by_label("Shown as").locator("option").first).to_have_text("SQL (usual)")


def test_table_sorts_filters_and_grows(stage: Stage, people: People) -> None:
    page = opened(stage, people, outputs=[json.dumps(records(10_000))], format="json")
    body = page.locator(".hitl-table tbody tr")
    expect(page.locator(".hitl-table-bar [role=status]")).to_have_text("10,000 rows")
    expect(body).to_have_count(100)
    page.get_by_role("button", name="revenue").click()
    expect(page.locator("th[aria-sort=ascending]")).to_have_text("revenue")
    expect(body.first.locator("td").nth(3)).to_have_text("0.0")
    page.get_by_role("button", name="revenue").click()
    values = [float(text) for text in body.locator("td:nth-child(4)").all_inner_texts()]
    assert values == sorted(values, reverse=True)
    page.get_by_label("Filter rows").fill("customer 99")
    expect(page.locator(".hitl-table-bar [role=status]")).to_have_text("111 of 10,000 rows")
    page.get_by_label("Filter rows").fill("")
    expect(page.locator(".hitl-table-bar [role=status]")).to_have_text("10,000 rows")
    scroll = page.locator(".hitl-table .hitl-scroll")
    for count in (200, 300):
        scroll.evaluate("box => { box.scrollTop = box.scrollHeight; }")
        expect(body).to_have_count(count)
    head, box = page.locator(".hitl-table thead th").first.bounding_box(), scroll.bounding_box()
    assert head is not None
    assert box is not None
    assert abs(head["y"] - box["y"]) < 3  # the head stays in sight


def test_search_in_the_output(stage: Stage, people: People) -> None:
    page = opened(stage, people, **SAMPLES["250 lines"])
    page.locator("h1").first.click()
    page.keyboard.press("s")  # a letter alone does nothing unless the focus is in the output
    expect(page.get_by_label("Search in this output")).to_have_count(0)
    page.locator(".hitl-output").focus()
    page.keyboard.press("s")
    field = page.get_by_label("Search in this output")
    expect(field).to_be_focused()
    field.fill("item 24")
    expect(page.locator(".hitl-find-bar [role=status]")).to_have_text("1 of 11")
    assert found(page, "hitl-found-now") == ["Item 24"]
    assert len(found(page, "hitl-found")) == 11
    page.keyboard.press("Enter")
    expect(page.locator(".hitl-find-bar [role=status]")).to_have_text("2 of 11")
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".hitl-find-bar [role=status]")).to_have_text("11 of 11")
    page.wait_for_function(
        """() => {
            const { top } = [...CSS.highlights.get("hitl-found-now")][0].getBoundingClientRect();
            return top > 0 && top < innerHeight;
        }"""
    )
    field.fill("nowhere")
    expect(page.locator(".hitl-find-bar [role=status]")).to_have_text("No hit")
    page.keyboard.press("Escape")
    expect(field).to_have_count(0)
    assert found(page, "hitl-found") == []


def test_search_finds_words_in_folds_and_across_colours(stage: Stage, people: People) -> None:
    page = opened(stage, people, **SAMPLES["nested"])
    page.get_by_role("button", name="Search").last.click()
    page.get_by_label("Search in this output").fill('"since": 2024')
    expect(page.locator(".hitl-find-bar [role=status]")).to_have_text("1 of 1")
    expect(page.locator(".hitl-output").last.get_by_text("2024")).to_be_visible()


def test_quotations_go_into_the_feedback(stage: Stage, people: People) -> None:
    page = opened(stage, people, outputs=["# Sales\n\nThe first point.\n\nThe second point."])
    text = page.get_by_label("Your feedback")
    text.fill("Two things:")
    select_text(page, ".hitl-output p")
    page.get_by_role("button", name="Quote").click()
    expect(text).to_have_value("Two things:\n\n> The first point.\n\n")
    expect(text).to_be_focused()
    page.keyboard.type("is wrong")
    page.locator(".hitl-output").focus()
    select_text(page, ".hitl-output p:last-of-type")
    page.keyboard.press("q")
    expect(text).to_have_value("Two things:\n\n> The first point.\n\nis wrong\n\n> The second point.\n\n")
    page.reload()
    expect(text).to_have_value("Two things:\n\n> The first point.\n\nis wrong\n\n> The second point.\n\n")


def test_ways_to_see_what_changed(stage: Stage, people: People) -> None:
    page = opened(stage, people, **SAMPLES["markdown"])
    change = page.locator(".hitl-what-changed")
    expect(change.locator("td del")).to_contain_text("20,840")
    expect(change.locator("td ins")).to_contain_text("20,480")
    page.get_by_label("Changes as").select_option("source-split")
    expect(change.get_by_role("group", name="Before").locator("del").first).to_contain_text("6.1")
    expect(change.get_by_role("group", name="After")).to_contain_text("| South | [added: 20,480] |")
    page.get_by_label("Changes as").select_option("shown-split")
    expect(change.get_by_role("group", name="After").locator("h1")).to_have_text("Revenue in Q3")
    page.get_by_label("Changes as").select_option("source")
    expect(change.locator(".hitl-diff ins").first).to_be_visible()
    page.get_by_label("Changes as").select_option("")
    page.goto(stage.chat(stage.one(**SAMPLES["nested"])))
    row = change.get_by_role("row", name="regions[0].revenue")
    expect(row).to_contain_text("30120")
    expect(row).to_contain_text("31200")


def test_images_are_loaded_only_when_asked(stage: Stage, people: People) -> None:
    page = opened(
        stage, people, outputs=["![a plot](https://pics.example/x.png)\n\n![b](https://other.example/y.png)"]
    )
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.abort()

    page.route("https://pics.example/**", refuse)
    expect(page.locator(".hitl-output img")).to_have_count(0)
    page.get_by_role("button", name="Load images from pics.example").click()
    expect(page.locator(".hitl-output")).to_contain_text("[image not available: a plot]")
    assert asked == ["https://pics.example/x.png"]
    expect(page.get_by_role("button", name="Load images from other.example")).to_be_visible()
    people.foreign.clear()
    people.errors.clear()  # the browser's own word on the image that was refused


@pytest.mark.parametrize("display", ["markdown", "code:html", "code:python", "text"])
def test_hostile_texts_are_inert_in_every_view(stage: Stage, people: People, display: str) -> None:
    text = "\n\n".join([*HOSTILE, *(f"${hostile}$" for hostile in HOSTILE)])
    page = opened(
        stage, people, outputs=[text, text + "\n\n<img src=x onerror=alert(1)>"], feedback=["x"], display_as=display
    )
    for way in ("source-split", "source", "shown", "shown-split"):
        if page.get_by_label("Changes as").locator(f"option[value={way}]").count():
            page.get_by_label("Changes as").select_option(way)
            expect(page.locator(f"select[data-choice=changes][data-chosen={way}]")).to_be_visible()
    assert (
        page.locator("main script, main iframe, main img, main style, main form, main base, main link").count() == 0
    )


def test_hostile_records_are_inert(stage: Stage, people: People) -> None:
    rows = [{**dict.fromkeys(HOSTILE[:20], text), "n": number} for number in range(8) for text in HOSTILE]
    page = opened(stage, people, outputs=[json.dumps(rows)], format="json")
    page.get_by_label("Filter rows").fill("script")
    expect(page.locator(".hitl-table-bar [role=status]")).to_contain_text(" of ")
    page.get_by_role("button", name="n", exact=True).click()
    assert page.locator("main script, main iframe, main img, main style, main form").count() == 0
    page.locator(".hitl-table tbody td").first.click()
    assert people.dialogs == []


@pytest.mark.parametrize("kind", ["300 KB", "long line", "many records"])
def test_nothing_is_cut_off(stage: Stage, people: People, kind: str) -> None:
    page = opened(stage, people, **SAMPLES[kind])
    page.set_viewport_size({"width": 420, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
    last = page.locator(".hitl-output").evaluate(
        """box => {
            box.lastElementChild.scrollIntoView({block: "end"});
            return box.scrollHeight <= box.clientHeight + 1 || getComputedStyle(box).overflowY === "auto";
        }"""
    )
    assert last
