"""Editing outputs in the panel, in JupyterLab, as a reviewer does it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.notebook.gate import Gate
from tests.notebook.lab import Lab, decide, feedback, is_seen, press, row, session_form, tell
from tests.notebook.panels import key
from tests.notebook.server import ReviewServer
from tests.support.axe import faults, source
from tests.support.browser import send_now
from tests.support.edit_samples import Report, report

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

DRAFT = "# Draft\n\nThree hundred units."
EDITED = "# Draft\n\nFour hundred units."

# What is sent to the kernel gets lost, but for what other cells need.
CUT = """() => {
  window.whole = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    const text = typeof data === "string" ? data : new TextDecoder().decode(data);
    if (!/"do": ?"(edit|draft|act)"/.test(text)) window.whole.call(this, data);
  };
}"""


@pytest.fixture(scope="module")
def axe() -> Iterator[str]:
    home = Path(tempfile.mkdtemp(prefix="hitl-test-axe-"))
    yield source(home)
    shutil.rmtree(home, ignore_errors=True)


def editor(panel: Locator) -> Locator:
    return panel.locator(".hitl-editor")


def whole(panel: Locator) -> Locator:
    """The editor of a text."""
    return editor(panel).get_by_label("Text of the output", exact=True)


def sent(server: ReviewServer, action: str) -> list[Any]:
    return [seen.body for seen in server.asked(f"/hitl-review/sessions/{action}")]


def add(server: ReviewServer, name: str = "alpha", output: str = DRAFT, **changes: Any) -> None:
    server.add(name, current_output=output, **{"allow_modifications": True, **changes})


def add_report(server: ReviewServer) -> str:
    text = report().model_dump_json(indent=2)
    add(server, output=text, output_format="json", output_schema=Report.model_json_schema())
    return text


def begin(lab: Lab, server: ReviewServer, *more_cells: str, name: str = "alpha") -> Locator:
    """A panel with the editor open."""
    panel = lab.open(server, *more_cells)
    row(panel, name).click()
    press(panel, "Edit")
    expect(editor(panel)).to_be_visible()
    return panel


def test_text_is_edited_and_approved(lab: Lab, server: ReviewServer) -> None:
    add(server)
    panel = begin(lab, server)
    expect(whole(panel)).to_be_focused()
    expect(session_form(panel).get_by_role("button", name="Approve", exact=True)).to_be_enabled()
    whole(panel).fill(EDITED)
    editor(panel).get_by_role("button", name="Preview", exact=True).click()
    expect(editor(panel).locator(".hitl-output h1")).to_have_text("Draft")
    expect(editor(panel).locator(".hitl-diff ins")).to_contain_text("Four")
    editor(panel).get_by_role("button", name="Preview", exact=True).click()
    feedback(panel).fill("Counted again")
    press(panel, "Approve the edit")
    expect(session_form(panel)).to_contain_text("Approving output 1 as you edited it, with your comment")
    expect(whole(panel)).to_be_disabled()
    press(panel, "Undo")
    expect(whole(panel)).to_be_enabled()
    decide(panel, "Approve the edit")
    tell(panel, "Approved output 1 as you edited it")
    expect(editor(panel)).to_be_hidden()
    (body,) = sent(server, "approve")
    assert (body["edited_output"], body["feedback"], body["iteration"]) == (EDITED, "Counted again", 1)
    expect(panel.locator(".hitl-session .hitl-output").first).to_contain_text("Four hundred")


def test_changes_are_requested_from_an_edit_and_no_edit_is_none(lab: Lab, server: ReviewServer) -> None:
    add(server)
    add(server, "beta")
    panel = begin(lab, server)
    whole(panel).fill(EDITED)
    feedback(panel).fill("Now the prices")
    decide(panel, "Request changes")
    tell(panel, "Changes requested to output 1 as you edited it")
    assert sent(server, "feedback")[0]["edited_output"] == EDITED
    row(panel, "beta").click()
    expect(panel.locator(".hitl-name")).to_contain_text("beta")
    press(panel, "Edit")
    whole(panel).fill(EDITED)
    expect(session_form(panel).get_by_role("button", name="Approve the edit", exact=True)).to_be_visible()
    whole(panel).fill(DRAFT)
    decide(panel, "Approve")
    tell(panel, "Approved output 1.")
    assert "edited_output" not in sent(server, "approve")[0]


def test_typed_output_by_mouse(lab: Lab, server: ReviewServer) -> None:
    before = json.loads(add_report(server))
    panel = begin(lab, server)
    form = editor(panel)
    form.get_by_label("Headline", exact=True).fill("Revenue grew by 5 %")
    form.get_by_label("Final", exact=True).uncheck()
    for field in form.locator("input:visible, select:visible, textarea:visible").all():
        field.focus()
        assert is_seen(field), "the form for the decision covers what has the focus"
    decide(panel, "Approve the edit")
    tell(panel, "Approved output 1 as you edited it")
    text = sent(server, "approve")[0]["edited_output"]
    assert json.loads(text) == {**before, "headline": "Revenue grew by 5 %", "final": False}
    assert f'"invoice": {2**53 + 1}' in text
    assert '"ratio": 1.0' in text


def test_typed_output_by_keyboard(lab: Lab, server: ReviewServer) -> None:
    """Letters in the editor do not decide; Escape leads to the decision."""
    add_report(server)
    panel = lab.open(server)
    row(panel, "alpha").click()
    keys = lab.page.keyboard
    expect(session_form(panel).get_by_role("button", name="Edit", exact=True)).to_be_enabled()
    keys.press("e")
    headline = editor(panel).get_by_label("Headline", exact=True)
    expect(headline).to_be_focused()
    keys.press("Control+A")
    keys.type("Even: a, r, x")
    for _ in range(40):
        keys.press("Tab")
        if lab.page.evaluate("() => document.activeElement.type === 'checkbox'"):
            break
    else:
        pytest.fail("Tab does not get to the checkbox")
    keys.press("Space")
    for letter in "arcjkxe":
        keys.press(letter)
    expect(session_form(panel).get_by_role("button", name="Undo")).to_be_hidden()
    keys.press("Escape")
    expect(feedback(panel)).to_be_focused()
    keys.press("Escape")
    keys.press("e")
    expect(headline).to_be_focused()
    keys.press("Escape")
    keys.press("Escape")
    keys.press("a")
    expect(session_form(panel)).to_contain_text("Approving output 1 as you edited it")
    keys.press("a")
    tell(panel, "Approved output 1 as you edited it")
    result = json.loads(sent(server, "approve")[0]["edited_output"])
    assert (result["headline"], result["final"], result["invoice"]) == ("Even: a, r, x", False, 2**53 + 1)


def test_errors_are_at_their_fields(lab: Lab, server: ReviewServer) -> None:
    add_report(server)
    server.edit_errors = [(["headline"], "Too long by a word"), (["unknown"], "No such field")]
    panel = begin(lab, server)
    headline = editor(panel).get_by_label("Headline", exact=True)
    headline.fill("Revenue grew by 5 %")
    decide(panel, "Approve the edit")
    tell(panel, "Your decision was not taken")
    expect(headline).to_have_attribute("aria-invalid", "true")
    expect(editor(panel)).to_contain_text("Too long by a word")
    expect(editor(panel)).to_contain_text("No such field")
    expect(headline).to_have_value("Revenue grew by 5 %")
    server.edit_errors.clear()
    headline.fill("Grown")
    expect(editor(panel).get_by_text("Too long by a word")).to_have_count(0)

    number = editor(panel).get_by_label("Invoice", exact=True)
    number.fill("12 or so " * 1500)  # words about it must not be too long for a message
    press(panel, "Approve the edit")
    tell(panel, "The edit cannot be sent yet")
    expect(number).to_be_focused()
    number.fill("12")
    decide(panel, "Approve the edit")
    tell(panel, "Approved output 1 as you edited it")
    assert json.loads(sent(server, "approve")[-1]["edited_output"])["invoice"] == 12


def give_up(unsent: Locator, name: str) -> None:
    """Press a button by which an edit is lost, and say that this is meant."""
    for _ in range(2):
        unsent.get_by_role("button", name=name).click()
    expect(unsent).to_be_hidden()


def test_another_output_arrives_during_an_edit(lab: Lab, server: ReviewServer) -> None:
    add(server)
    panel = begin(lab, server)
    whole(panel).fill(EDITED)
    expect(session_form(panel).get_by_role("button", name="Approve the edit", exact=True)).to_be_visible()
    server.next_output(key("alpha"), "Newer draft")
    unsent = panel.locator(".hitl-unsent-edit")
    expect(unsent).to_contain_text("This is your edit of output 1, and output 2 is here now.")
    expect(unsent.locator("textarea")).to_have_value(EDITED)
    expect(unsent.locator("textarea")).to_be_focused()
    copy = unsent.get_by_role("button", name="Copy the edit")
    for place in (unsent.locator("textarea"), copy):  # what is still being typed does not decide
        place.focus()
        for letter in "xarcjk":
            lab.page.keyboard.press(letter)
    expect(session_form(panel).get_by_role("button", name="Undo")).to_be_hidden()
    expect(panel.locator(".hitl-row.is-picked")).to_have_count(0)
    server.next_output(key("alpha"), "Newest draft")
    expect(unsent).to_contain_text("output 3 is here now.")
    expect(copy).to_be_focused()
    press(panel, "Approve")
    tell(panel, "Nothing was sent: you have an edit of output 1")
    assert sent(server, "approve") == []
    lab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    copy.click()
    expect(unsent).to_contain_text("Copied.")
    assert lab.page.evaluate("navigator.clipboard.readText()") == EDITED
    keep = unsent.get_by_role("button", name="Keep the edit")
    unsent.get_by_role("button", name="Discard the edit").click()
    expect(keep).to_be_focused()
    lab.page.keyboard.press("Escape")
    expect(unsent.get_by_role("button", name="Discard the edit")).to_be_focused()
    unsent.get_by_role("button", name="Edit output 3 instead").dblclick()
    keep.click()
    expect(unsent.locator("textarea")).to_have_value(EDITED)
    give_up(unsent, "Edit output 3 instead")
    expect(whole(panel)).to_have_value("Newest draft")
    expect(whole(panel)).to_be_focused()
    whole(panel).fill("Another draft")

    ben = {"id": "2", "name": "Ben"}
    server.change(key("alpha"), status="approved", decided_by=ben)
    tell(panel, "Ben has decided: approved")
    expect(unsent).to_contain_text("What you typed was not sent: your edit of output 3.")
    expect(unsent.locator("textarea")).to_have_value("Another draft")
    give_up(unsent, "Discard the edit")


def test_edit_is_never_lost(lab: Lab) -> None:
    server = ReviewServer()
    try:
        add(server)
        add(server, "beta")
        panel = begin(lab, server)
        whole(panel).fill(EDITED)
        row(panel, "beta").click()
        expect(editor(panel)).to_be_hidden()
        expect(panel.locator(".hitl-name")).to_contain_text("beta")
        row(panel, "alpha").click()
        expect(whole(panel)).to_have_value(EDITED)

        server.broken["/hitl-review/sessions/approve"] = (503, "text/plain", "down")
        decide(panel, "Approve the edit")
        tell(panel, "It is not known whether your decision arrived")
        expect(whole(panel)).to_have_value(EDITED)

        server.broken.clear()
        whole(panel).fill(f"{EDITED} More.")  # and at once, without a pause
        lab.page.reload()
        panel = lab.run_first_cell()
        row(panel, "alpha").click()
        expect(whole(panel)).to_have_value(f"{EDITED} More.")
        decide(panel, "Approve the edit")
        tell(panel, "Approved output 1 as you edited it")
        assert sent(server, "approve")[-1]["edited_output"] == f"{EDITED} More."

        server.refuse_edit(key("alpha"), "it is too long.")
        press(panel, "Go on with the edit")
        expect(whole(panel)).to_have_value(f"{EDITED} More.")
        expect(editor(panel)).to_contain_text("it is too long")
        whole(panel).fill(EDITED)
        server.stop()
        decide(panel, "Approve the edit")
        tell(panel, "It is not known whether your decision arrived")
        expect(whole(panel)).to_have_value(EDITED)
    finally:
        if server._thread.is_alive():
            server.stop()


def test_kernel_restart_keeps_the_edit(lab: Lab, server: ReviewServer) -> None:
    add(server)
    panel = begin(lab, server)
    whole(panel).fill(EDITED)
    expect(session_form(panel).get_by_role("button", name="Approve the edit", exact=True)).to_be_visible()
    lab.page.get_by_role("menuitem", name="Kernel", exact=True).click()
    lab.page.get_by_text("Restart Kernel…", exact=True).click()
    lab.page.locator(".jp-Dialog").get_by_role("button", name="Confirm").click()
    lab.page.locator(".jp-Dialog").wait_for(state="detached")
    panel = lab.run_first_cell()
    row(panel, "alpha").click()
    expect(whole(panel)).to_have_value(EDITED)
    decide(panel, "Approve the edit")
    tell(panel, "Approved output 1 as you edited it")
    assert sent(server, "approve")[0]["edited_output"] == EDITED
    row(panel, "alpha").click()
    expect(panel.locator(".hitl-unsent-edit")).to_be_hidden()


def test_kernel_is_busy_while_somebody_edits_and_approves(lab: Lab, server: ReviewServer, tmp_path: Path) -> None:
    add(server)
    gate = Gate(tmp_path)
    panel = begin(lab, server, gate.cell)
    whole(panel).fill("Begun")
    expect(session_form(panel).get_by_role("button", name="Approve the edit", exact=True)).to_be_visible()
    lab.run_cell(1)
    whole(panel).fill(EDITED)
    press(panel, "Approve the edit")
    expect(whole(panel)).to_be_disabled()
    gate.open()
    send_now(session_form(panel))
    tell(panel, "Approved output 1 as you edited it")
    assert sent(server, "approve")[0]["edited_output"] == EDITED


def test_what_the_kernel_never_got_is_not_lost(lab: Lab, server: ReviewServer) -> None:
    """A second view shows what a reload would: what the kernel knows, and what was typed in this tab."""
    add(server)
    panel = begin(lab, server, "panel")
    whole(panel).fill("Begun")
    expect(session_form(panel).get_by_role("button", name="Approve the edit", exact=True)).to_be_visible()
    lab.page.evaluate(CUT)
    whole(panel).fill(EDITED)
    feedback(panel).fill("Now the prices")
    press(panel, "Request changes")
    expect(session_form(panel)).to_contain_text("The kernel is busy")
    lab.run_cell(1)
    second = lab.page.locator(".jp-Notebook .jp-CodeCell").nth(1).locator(".hitl-panel")
    expect(whole(second)).to_have_value(EDITED)
    expect(feedback(second)).to_have_value("Now the prices")
    lab.page.evaluate("() => { WebSocket.prototype.send = window.whole; }")
    decide(second, "Request changes")
    tell(second, "Changes requested to output 1 as you edited it")
    (body,) = sent(server, "feedback")
    assert (body["edited_output"], body["feedback"]) == (EDITED, "Now the prices")


def test_two_views_of_one_panel(lab: Lab, server: ReviewServer) -> None:
    add(server)
    panel = lab.open(server, "panel")
    row(panel, "alpha").click()
    press(panel, "Edit")
    whole(panel).fill(EDITED)
    lab.run_cell(1)
    second = lab.page.locator(".jp-Notebook .jp-CodeCell").nth(1).locator(".hitl-panel")
    first = lab.page.locator(".jp-Notebook .jp-CodeCell").nth(0).locator(".hitl-panel")
    expect(whole(second)).to_have_value(EDITED)
    whole(second).fill("Third draft")
    expect(whole(first)).to_have_value("Third draft")
    press(second, "Approve the edit")
    expect(session_form(first)).to_contain_text("as you edited it")
    send_now(session_form(first))
    tell(second, "Approved output 1 as you edited it")
    expect(editor(first)).to_be_hidden()
    assert sent(server, "approve")[0]["edited_output"] == "Third draft"


def test_picked_reviews_with_an_edit(lab: Lab, server: ReviewServer) -> None:
    add(server)
    add(server, "beta")
    panel = begin(lab, server)
    whole(panel).fill(EDITED)
    expect(session_form(panel).get_by_role("button", name="Approve the edit", exact=True)).to_be_visible()
    for name in ("alpha", "beta"):
        row(panel, name).locator("input[type=checkbox]").check()
    several = panel.locator(".hitl-bulk")
    expect(several).to_contain_text("1 of them has an edit of yours that was not sent")
    several.get_by_role("button", name="Approve 2", exact=True).click()
    expect(several.locator(".hitl-confirm")).to_contain_text("1 of them has an edit of yours, which is not sent.")
    several.locator(".hitl-confirm").get_by_role("button", name="Approve 2", exact=True).click()
    expect(several).to_contain_text("2 approved.")
    assert all("edited_output" not in body for body in sent(server, "approve"))
    unsent = panel.locator(".hitl-unsent-edit")
    expect(unsent.locator("textarea")).to_have_value(EDITED)
    give_up(unsent, "Discard the edit")  # else this tab would keep it for the next panel


def test_task_that_refuses_edits_says_why(lab: Lab, server: ReviewServer) -> None:
    add(server, allow_modifications=False, modifications_refused="The task does not allow edits.")
    server.add("older", current_output="Of a server that knows no edits")
    panel = lab.open(server)
    row(panel, "alpha").click()
    button = session_form(panel).get_by_role("button", name="Edit", exact=True)
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(button).to_have_attribute("title", "The task does not allow edits.")
    lab.page.keyboard.press("e")
    tell(panel, "The task does not allow edits.")
    row(panel, "older").click()
    expect(button).to_have_count(0)
    lab.page.keyboard.press("e")
    expect(editor(panel)).to_be_hidden()


def test_editor_has_no_accessibility_violations(lab: Lab, server: ReviewServer, axe: str) -> None:
    add_report(server)
    server.edit_errors = [(["headline"], "Too long by a word")]
    panel = begin(lab, server)
    found = faults(lab.page, axe, ".hitl-panel")
    editor(panel).get_by_label("Headline", exact=True).fill("Grown")
    decide(panel, "Approve the edit")
    expect(editor(panel)).to_contain_text("Too long by a word")
    found += faults(lab.page, axe, ".hitl-panel")
    server.next_output(key("alpha"), report(2).model_dump_json(indent=2))
    expect(panel.locator(".hitl-unsent-edit")).to_be_visible()
    assert found + faults(lab.page, axe, ".hitl-panel") == []
