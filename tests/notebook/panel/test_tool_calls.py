"""Answering in the panel what an agent asks before it goes on: in JupyterLab, and what its form offers."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from hitl_notebook import ReviewPanel
from tests.notebook.lab import Lab, decide, feedback, press, row, tell
from tests.notebook.panel.test_editing import editor, sent
from tests.notebook.panels import click, form, make, open_row, typed
from tests.notebook.server import ReviewServer, turn
from tests.support.call_samples import question, refunds

PICTURES = os.environ.get("HITL_PICTURES", "")
"""A folder: what the tests see is kept there, to be looked at."""


def add(server: ReviewServer, name: str, asked: dict[str, Any]) -> None:
    (output,) = asked["outputs"]
    server.add(
        name,
        current_output=output,
        output_format="json",
        output_schema=asked["output_schema"],
        request=asked["request"],
        request_kind=asked["request"]["kind"],
        allow_modifications=True,
        prompt=asked["prompt"],
        conversation=[{**turn("output", output, 1), "is_request": True}],
    )


def labels(panel: ReviewPanel) -> list[str]:
    return [button["label"] for button in form(panel)["buttons"]]


def picture(page: Page, name: str) -> None:
    if PICTURES:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=Path(PICTURES) / f"lab-{name}-{scheme}.png")
        page.emulate_media(color_scheme="light")


def test_form_offers_what_a_request_needs(server: ReviewServer) -> None:
    add(server, "calls", refunds())
    add(server, "asks", question())
    panel = make(server)
    panel.open()
    open_row(panel, "calls")
    assert labels(panel) == ["Approve", "Deny", "Reject", "Answer in detail"]
    assert form(panel)["placeholder"].startswith("Why not?")
    click(panel, "request_changes")
    assert form(panel)["notice"]["text"].startswith("Write for the agent why")
    typed(panel, "Not today.")
    click(panel, "request_changes")
    assert form(panel)["notice"]["text"].startswith("Denied all calls of request 1. The agent goes on.")
    open_row(panel, "asks")
    assert labels(panel) == ["Answer", "Reject"]
    typed(panel, "Kyoto")
    click(panel, "request_changes")
    assert form(panel)["notice"]["text"].startswith("Answered request 1. The agent goes on.")
    assert [body["feedback"] for body in sent(server, "feedback")] == ["Not today.", "Kyoto"]
    panel.close()


def in_group(panel: Locator, name: str) -> Locator:
    return editor(panel).get_by_role("group", name=name)


@pytest.mark.browser
@pytest.mark.timeout(300)
def test_calls_are_answered_one_by_one(lab: Lab, server: ReviewServer) -> None:
    add(server, "calls", refunds())
    panel = lab.open(server)
    row(panel, "calls").click()
    shown = panel.locator(".hitl-session .hitl-calls").first
    expect(shown).to_contain_text("Pay money back to the customer.")
    expect(shown.locator(".hitl-call")).to_have_count(3)
    picture(panel.page, "calls")
    press(panel, "Answer in detail")
    in_group(panel, "1. refund").get_by_label("amount").fill("3.25")
    in_group(panel, "2. refund").get_by_label("Approve this call").press("Space")
    in_group(panel, "2. refund").get_by_label("Reason, if it is denied").fill("Too much.")
    picture(panel.page, "answers")
    decide(panel, "Send the answers")
    tell(panel, "Answered request 1. The agent goes on.")
    expect(panel.locator(".hitl-session")).to_be_in_viewport()  # the long form is gone
    (body,) = sent(server, "approve")
    told = json.loads(body["edited_output"])
    assert told["call_1"]["args"]["amount"] == 3.25
    assert (told["call_2"]["approved"], told["call_2"]["reason"]) == (False, "Too much.")
    assert told["call_3"]["approved"] is True
    server.next_output(next(iter(server.sessions)), "Both are paid.")
    expect(panel.locator(".hitl-session .hitl-output").last).to_contain_text("Both are paid.")
    picture(panel.page, "after")


@pytest.mark.browser
@pytest.mark.timeout(300)
def test_question_is_answered_by_text(lab: Lab, server: ReviewServer) -> None:
    add(server, "asks", question())
    panel = lab.open(server)
    row(panel, "asks").click()
    expect(panel.locator(".hitl-session .hitl-calls").first).to_contain_text("Which one is right")
    picture(panel.page, "question")
    feedback(panel).fill("Kyoto")
    decide(panel, "Answer")
    tell(panel, "Answered request 1.")
    assert sent(server, "feedback")[0]["feedback"] == "Kyoto"
