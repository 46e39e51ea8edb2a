"""What a task does while it makes an output, in the panel: live, also before there is anything to review."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from hitl_notebook import ReviewKey
from hitl_notebook.panel.review.changes import NOT_YET
from tests.notebook.lab import Lab, decide, feedback, row
from tests.notebook.panel.test_tool_calls import picture
from tests.notebook.panels import click, html, make, open_row, typed
from tests.notebook.server import ReviewServer

AT = "2030-01-01T00:00:00Z"
STEPS: list[dict[str, Any]] = [
    {"name": "list_tables", "args": '{"schema": "sales"}', "seconds": 0.2},
    {"name": "run_sql", "args": "SELECT region, sum(total) FROM orders GROUP BY 1 " * 6, "seconds": 3.4},
    {"name": "run_sql", "args": "SELCT 1", "is_error": True},
]
SHOWS_ITS_END = "box => box.scrollHeight > box.clientHeight && Math.abs(box.scrollTop) < 2"
"""Reversed, a box is scrolled to its end at the beginning."""
RUNNING = ReviewKey("running", "manual__2030", "draft")


def progress(panel: Locator) -> Locator:
    return panel.locator(".hitl-session .hitl-progress")


def test_task_without_an_output_is_listed_but_cannot_be_picked(server: ReviewServer) -> None:
    server.add("reports")
    server.progress[RUNNING] = {"at": AT, "text": "Thinking"}
    panel = make(server)
    panel.open()
    rows = panel.workspace.list.list.rows
    assert [(one["dag_id"], one["words"], one["pickable"]) for one in rows] == [
        ("reports", "Waiting for you", True),
        ("running", "Being made", False),
    ]
    open_row(panel, "running")
    assert NOT_YET in html(panel)
    assert panel.workspace.model.waits_for_output
    panel.close()


def test_progress_ends_with_the_next_output(server: ReviewServer) -> None:
    key = server.add("reports")
    panel = make(server)
    panel.open()
    open_row(panel, "reports")
    typed(panel, "Shorter.")
    click(panel, "request_changes")
    server.progress[key] = {"at": AT, "text": "Reading"}
    model, controller = panel.workspace.model, panel.workspace.controller
    controller._fetch_progress()
    assert model.progress is not None
    assert model.progress.text == "Reading"
    server.next_output(key, "Shorter")
    controller._fetch_progress()
    assert model.progress is None
    assert model.review is not None
    assert model.review.current_output == "Shorter"
    panel.close()


@pytest.mark.browser
@pytest.mark.timeout(300)
def test_progress_is_shown_live(lab: Lab, server: ReviewServer) -> None:
    key = server.add("reports", prompt="Sales by region", current_output="# Sales\n\nThe south fell.")
    server.progress[RUNNING] = {"at": AT, "text": "Thinking"}
    panel = lab.open(server)
    row(panel, "reports").click()
    feedback(panel).fill("By month, please.")
    decide(panel, "Request changes")
    server.progress[key] = {"at": AT, "iteration": 2, "text": "Reading 12 of 40 files", "fraction": 0.3}
    expect(progress(panel)).to_contain_text("Reading 12 of 40 files")
    expect(progress(panel).get_by_role("progressbar")).to_have_attribute("value", "0.3000")
    lines = "".join(f"- Month {n}: the south sold {n * 37}.\n" for n in range(60))
    server.progress[key] |= {"text": "Writing", "steps": STEPS, "left_out": 7, "partial": lines[-2_000:]}
    expect(progress(panel).get_by_text("Month 59")).to_be_visible()
    expect(progress(panel).get_by_role("listitem").first).to_have_text("7 earlier steps")
    partial = progress(panel).get_by_label("The output so far")
    assert partial.evaluate(SHOWS_ITS_END), "the text is followed to its end"
    picture(panel.page, "progress")
    asked = len(server.asked("/hitl-review/sessions/find"))
    server.progress[key] |= {"text": "Still writing"}
    expect(progress(panel)).to_contain_text("Still writing")
    assert len(server.asked("/hitl-review/sessions/find")) == asked, "the review itself is not read meanwhile"
    server.next_output(key, "# Sales by month")
    expect(panel.locator(".hitl-session .hitl-output").last).to_contain_text("Sales by month")
    expect(progress(panel)).to_have_count(0)
    row(panel, "running").click()
    expect(progress(panel)).to_contain_text("Thinking")
    expect(row(panel, "running")).to_contain_text("Being made")
    picture(panel.page, "first-output")
    server.add("running", current_output="First draft.")
    expect(panel.locator(".hitl-session .hitl-output").last).to_contain_text("First draft.")
