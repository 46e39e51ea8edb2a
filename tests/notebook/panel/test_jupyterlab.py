"""The complete panel in JupyterLab and Notebook 7, as a reviewer uses it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from demo.processes import PATIENCE
from hitl_notebook import ReviewKey
from tests.notebook.gate import Gate
from tests.notebook.hostile import HOSTILE
from tests.notebook.lab import Lab, decide, feedback, is_seen, press, row, rows, session_form, tell
from tests.notebook.panels import key
from tests.notebook.server import ReviewServer, session, turn
from tests.support import browser
from tests.support.browser import send_now

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

BEN = {"id": "2", "name": "Ben"}

DANGEROUS = (
    "script, img, iframe, object, embed, base, link, meta, svg:not(.hitl-mark), math, video, audio, "
    "[onerror], [onload], [onclick], [onmouseover], [onfocus], [srcdoc], [href^='javascript' i], [href^='data' i], "
    "[href^='vbscript' i], [action], [formaction]"
)


def until(holds: Any, what: str) -> None:
    end = time.monotonic() + 30 * PATIENCE
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def sent(server: ReviewServer, action: str) -> list[Any]:
    return [seen.body for seen in server.asked(f"/hitl-review/sessions/{action}")]


def test_full_review_with_mouse(lab: Lab, server: ReviewServer) -> None:
    from playwright.sync_api import expect

    for name in ("alpha", "beta", "gamma"):
        server.add(name, current_output=f"# Draft of {name}\n\nThree hundred units.")
    server.add("other", prompt="Something else", status="changes_requested")
    panel = lab.open(server)
    expect(rows(panel)).to_have_count(4)
    expect(panel.locator(".hitl-count")).to_have_text("3 waiting")

    row(panel, "alpha").click()
    expect(panel.locator(".hitl-output h1")).to_have_text("Draft of alpha")
    press(panel, "Request changes")
    tell(panel, "Write what should change")
    feedback(panel).fill("Four hundred, not three")
    decide(panel, "Request changes")
    tell(panel, "Changes requested")
    assert sent(server, "feedback")[0]["feedback"] == "Four hundred, not three"
    server.next_output(key("alpha"), "# Draft of alpha\n\nFour hundred units.")
    tell(panel, "Output 2 is ready")
    expect(panel.locator(".hitl-diff ins").first).to_contain_text("Four")
    expect(panel.locator(".hitl-diff del").first).to_contain_text("Three")
    expect(panel.locator(".hitl-change .hitl-turn.human")).to_contain_text("Four hundred, not three")
    feedback(panel).fill("Good")
    press(panel, "Approve")
    expect(session_form(panel)).to_contain_text("Approving output 2 with your comment")
    press(panel, "Undo")
    assert server.sessions[key("alpha")]["status"] == "pending_review"
    decide(panel, "Approve")
    tell(panel, "Approved output 2")
    assert [(body["iteration"], body["feedback"]) for body in sent(server, "approve")] == [(2, "Good")]
    expect(panel.locator(".hitl-turn.human").last).to_contain_text("Good")

    panel.get_by_label("Search").fill("something")
    expect(rows(panel).first).to_contain_text("other")
    panel.get_by_label("Search").fill("")
    panel.get_by_label("Show", exact=True).select_option(label="Waiting")
    expect(row(panel, "other")).to_have_count(0)

    for name in ("beta", "gamma"):
        row(panel, name).locator("input[type=checkbox]").check()
    several = panel.locator(".hitl-bulk")
    expect(several).to_contain_text("2 picked")
    several.locator("textarea").fill("Too short")
    several.get_by_role("button", name="Reject 2", exact=True).click()
    several.locator(".hitl-confirm").get_by_role("button", name="Reject 2", exact=True).click()
    expect(several).to_contain_text("2 rejected.")
    assert {body["feedback"] for body in sent(server, "reject")} == {"Too short"}
    expect(panel.locator(".hitl-count")).to_have_text("0 waiting")


def test_full_review_with_keyboard_only(lab: Lab, server: ReviewServer) -> None:
    from playwright.sync_api import expect

    for name in ("alpha", "beta", "gamma", "delta"):
        server.add(name, current_output=f"Draft of {name}")
    panel = lab.open(server, "'the next cell'")
    keys = lab.page.keyboard
    cells = lab.page.locator(".jp-Notebook .jp-Cell").count()
    keys.press("Escape")  # from the cell to the notebook, from where Tab continues
    for _ in range(60):
        keys.press("Tab")
        if lab.page.evaluate("() => !!document.activeElement.closest('.hitl-list')"):
            break
    else:
        pytest.fail("Tab does not get to the list")

    keys.press("j")
    shown = panel.locator(".hitl-name")
    expect(shown).to_contain_text("delta")
    keys.press("j")
    expect(shown).to_contain_text("gamma")
    keys.press("k")
    expect(shown).to_contain_text("delta")
    expect(panel.locator(".hitl-output")).to_contain_text("Draft of delta")

    keys.press("f")
    expect(feedback(panel)).to_be_focused()
    keys.type("Shorter, please: a, r, x, dd, j.")
    keys.press("Alt+ArrowDown")
    expect(shown).to_contain_text("gamma")
    keys.press("Alt+ArrowUp")
    expect(feedback(panel)).to_have_value("Shorter, please: a, r, x, dd, j.")
    expect(panel.locator(".hitl-output")).to_contain_text("Draft of delta")
    keys.press("Control+Enter")
    expect(session_form(panel)).to_contain_text("Requesting changes to output 1")
    keys.press("Control+Enter")
    tell(panel, "Changes requested")
    assert [body["feedback"] for body in sent(server, "feedback")] == ["Shorter, please: a, r, x, dd, j."]
    server.next_output(key("delta"), "Short.")
    tell(panel, "Output 2 is ready")

    keys.press("l")
    undo = session_form(panel).get_by_role("button", name="Undo")
    for key_of_undo in ("u", "Escape"):
        keys.press("a")
        expect(undo).to_be_visible()
        keys.press(key_of_undo)
        expect(undo).to_be_hidden()
    assert sent(server, "approve") == []
    keys.press("a")
    expect(undo).to_be_visible()
    keys.press("a")
    tell(panel, "Approved output 2")

    keys.press("l")
    keys.press("j")
    expect(shown).to_contain_text("gamma")
    keys.press("r")
    tell(panel, "Rejected output 1")

    keys.press("l")
    keys.press("End")
    keys.press("x")
    keys.press("k")
    keys.press("x")
    expect(panel.locator(".hitl-bulk")).to_contain_text("2 picked")
    keys.press("a")
    yes = panel.locator(".hitl-bulk .hitl-confirm").get_by_role("button", name="Approve 2", exact=True)
    expect(yes).to_be_focused()
    keys.press("Enter")
    expect(panel.locator(".hitl-bulk")).to_contain_text("2 approved.")

    keys.press("/")
    expect(panel.get_by_label("Search")).to_be_focused()
    keys.type("alpha")
    keys.press("Escape")
    keys.press("?")
    expect(panel.locator(".hitl-help")).to_be_visible()
    keys.press("Escape")
    expect(panel.locator(".hitl-help")).to_be_hidden()
    # None of these letters changed the notebook, where x cuts a cell, d d deletes one and a adds one.
    assert lab.page.locator(".jp-Notebook .jp-Cell").count() == cells
    assert {s["status"] for s in server.sessions.values()} == {"approved", "rejected"}


def test_one_review_after_the_other(lab: Lab, server: ReviewServer) -> None:
    """By keyboard: each decision opens the next, which begins in sight; after the last one it stays."""
    from playwright.sync_api import expect

    for name in ("alpha", "beta", "gamma"):
        server.add(name, current_output="\n\n".join(f"Line {n} of {name}" for n in range(120)))
    panel = lab.open(server, opens_next=True)
    keys, shown = lab.page.keyboard, panel.locator(".hitl-name")
    row(panel, "beta").click()
    expect(shown).to_contain_text("beta")
    for name, letter, following in (("beta", "a", "alpha"), ("alpha", "r", "gamma"), ("gamma", "a", "gamma")):
        expect(panel.locator(".hitl-output")).to_contain_text(f"Line 0 of {name}")
        panel.locator(".hitl-output").get_by_text(f"Line 119 of {name}").scroll_into_view_if_needed()
        keys.press(letter)
        expect(session_form(panel).get_by_role("button", name="Undo")).to_be_in_viewport(ratio=1)
        keys.press(letter)
        tell(panel, f"{name} › draft: " if following != name else "Approved output 1.")
        expect(shown).to_contain_text(following)
        expect(shown).to_be_in_viewport()
    assert {name.dag_id: s["status"] for name, s in server.sessions.items()} == {
        "alpha": "rejected",
        "beta": "approved",
        "gamma": "approved",
    }


def test_hostile_text_is_escaped_in_every_view(lab: Lab, server: ReviewServer) -> None:
    from playwright.sync_api import expect

    for number, text in enumerate(HOSTILE):
        name = ReviewKey(f"h{number:02} {text}", f"run {text}", f"task {text}")
        who = {"id": "9", "name": text}
        second = f"{text} again" if number % 2 else json.dumps({text: [text, {"deep": text}]})
        first = text if number % 2 else json.dumps({text: text})
        turns = [turn("output", first, 1), turn("feedback", text, 1, who), turn("error", text, 1)]
        server.sessions[name] = session(
            name,
            prompt=text,
            iteration=2,
            current_output=second,
            output_format="text" if number % 2 else "json",
            conversation=[*turns, turn("output", second, 2)],
            last_error=text,
            output_excerpt=text,
        )
    panel = lab.open(server)
    expect(rows(panel)).to_have_count(len(HOSTILE))
    shown = panel.locator(".hitl-name")
    for number in range(len(HOSTILE)):
        rows(panel).filter(has_text=f"h{number:02} ").first.click()
        expect(shown).to_contain_text(f"h{number:02}")
        expect(panel.locator(".hitl-diff").last).to_be_attached()
        panel.evaluate(
            "panel => panel.querySelectorAll('.hitl-session details').forEach(one => { one.open = true; })"
        )
        assert panel.evaluate(f"panel => panel.querySelectorAll(`{DANGEROUS}`).length") == 0, HOSTILE[number]
        assert panel.locator(".hitl-session .widget-html-content [style]").count() == 0
    some = rows(panel).locator("input[type=checkbox]")
    for number in range(5):
        some.nth(number).check()
    server.broken["/hitl-review/sessions/reject"] = (400, "application/json", json.dumps({"detail": HOSTILE[2]}))
    several = panel.locator(".hitl-bulk")
    expect(session_form(panel)).to_be_hidden()  # one form at a time
    several.get_by_role("button", name="Reject 5", exact=True).click()
    several.locator(".hitl-confirm").get_by_role("button", name="Reject 5", exact=True).click()
    expect(several.locator(".hitl-results li")).to_have_count(5)
    decide(panel, "Reject")
    tell(panel, "Your decision was not taken")
    assert panel.evaluate(f"panel => panel.querySelectorAll(`{DANGEROUS}`).length") == 0
    assert (lab.dialogs, lab.requests) == ([], [])


def test_typed_text_is_never_lost(lab: Lab) -> None:
    from playwright.sync_api import expect

    server = ReviewServer()
    try:
        server.add("alpha", current_output="Draft of alpha")
        server.add("beta", current_output="Draft of beta")
        panel = lab.open(server)
        row(panel, "alpha").click()
        text = "Half a thought, and"
        feedback(panel).fill(text)

        # an automatic and a manual refresh, with other changes
        server.add("gamma")
        expect(row(panel, "gamma")).to_be_visible()
        panel.get_by_role("button", name="Refresh", exact=True).click()
        expect(feedback(panel)).to_have_value(text)

        # another review, and back
        row(panel, "beta").click()
        expect(panel.locator(".hitl-output")).to_contain_text("Draft of beta")
        expect(feedback(panel)).to_have_value("")
        row(panel, "alpha").click()
        expect(feedback(panel)).to_have_value(text)

        # 503
        server.broken["/hitl-review"] = (503, "text/plain", "down")
        decide(panel, "Request changes")
        tell(panel, "The server answered 503")
        tell(panel, "It is not known whether your decision arrived")
        tell(panel, "what you see may be out of date")
        expect(feedback(panel)).to_have_value(text)
        server.broken.clear()
        expect(panel.get_by_text("may be out of date")).to_have_count(0)

        # 409: another output is current
        server.broken["/hitl-review/sessions?"] = (503, "text/plain", "down")
        server.next_output(key("alpha"), "Newer draft of alpha")
        feedback(panel).fill(f"{text} more")
        decide(panel, "Request changes")
        expect(panel.locator(".hitl-output")).to_contain_text("Newer draft")
        expect(feedback(panel)).to_have_value(f"{text} more")

        # a reload of the page, which resets all of JupyterLab's state
        feedback(panel).fill(f"{text} more, and more")
        lab.page.wait_for_timeout(500)
        lab.page.reload()
        panel = lab.run_first_cell()
        row(panel, "alpha").click()
        expect(feedback(panel)).to_have_value(f"{text} more, and more")

        # a dropped connection
        server.stop()
        decide(panel, "Request changes")
        tell(panel, "It is not known whether your decision arrived")
        expect(feedback(panel)).to_have_value(f"{text} more, and more")
        assert server.sessions[key("alpha")]["status"] == "pending_review"
    finally:
        if server._thread.is_alive():
            server.stop()


def test_restarted_kernel(lab: Lab, server: ReviewServer) -> None:
    from playwright.sync_api import expect

    server.add("alpha", current_output="Draft of alpha")
    panel = lab.open(server)
    row(panel, "alpha").click()
    feedback(panel).fill("typed before the restart")
    lab.page.wait_for_timeout(500)
    lab.page.get_by_role("menuitem", name="Kernel", exact=True).click()
    lab.page.get_by_text("Restart Kernel…", exact=True).click()
    lab.page.locator(".jp-Dialog").get_by_role("button", name="Confirm").click()
    lab.page.wait_for_timeout(1_000)
    panel = lab.run_first_cell()
    row(panel, "alpha").click()
    expect(feedback(panel)).to_have_value("typed before the restart")
    decide(panel, "Request changes")
    tell(panel, "Changes requested")
    assert sent(server, "feedback")[0]["feedback"] == "typed before the restart"


def test_busy_kernel_sends_all_text_afterwards(lab: Lab, server: ReviewServer, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    server.add("alpha", current_output="Draft of alpha")
    gate = Gate(tmp_path)
    panel = lab.open(server, gate.cell)
    row(panel, "alpha").click()
    expect(panel.locator(".hitl-output")).to_contain_text("Draft of alpha")
    lab.run_cell(1)
    lab.page.wait_for_timeout(500)
    feedback(panel).press_sequentially("Every letter of this counts", delay=40)
    press(panel, "Request changes")
    expect(session_form(panel)).to_contain_text("The kernel is busy")
    assert sent(server, "feedback") == []
    gate.open()
    send_now(session_form(panel))
    tell(panel, "Changes requested")
    assert [body["feedback"] for body in sent(server, "feedback")] == ["Every letter of this counts"]


def test_two_views_of_one_panel(lab: Lab, server: ReviewServer) -> None:
    from playwright.sync_api import expect

    server.add("alpha", current_output="Draft of alpha")
    first = lab.open(server)
    lab.page.locator(".jp-OutputArea-output").first.click(button="right", position={"x": 4, "y": 4})
    lab.page.get_by_text("Create New View for Cell Output", exact=True).click()
    both = lab.page.locator(".hitl-panel")
    expect(both).to_have_count(2)
    first, second = both.nth(0), both.nth(1)
    row(first, "alpha").click()
    expect(second.locator(".hitl-output")).to_contain_text("Draft of alpha")
    feedback(second).fill("typed in the second view")
    expect(feedback(first)).to_have_value("typed in the second view")
    decide(first, "Request changes")
    expect(second.locator(".hitl-pill")).to_have_text("Changes requested")
    assert [body["feedback"] for body in sent(server, "feedback")] == ["typed in the second view"]


def test_docked_panel(lab: Lab, server: ReviewServer) -> None:
    from playwright.sync_api import expect

    page = lab.page
    server.add("alpha", current_output="Draft of alpha")
    long = "\n\n".join(["First draft", *(f"Paragraph {number}" for number in range(40))])
    server.add("beta", current_output=long, allow_modifications=True)
    in_cell = lab.open(server, "panel.dock('right')", "panel.close()")
    lab.run_cell(1)
    tab = page.locator(".lm-TabBar-tab").filter(has_text="Reviews")
    panel = page.locator(".hitl-tab .hitl-panel")
    expect(tab).to_have_text("Reviews (2)")
    row(panel, "alpha").click()
    expect(panel.locator(".hitl-output")).to_contain_text("Draft of alpha")
    around = page.locator(".hitl-tab").bounding_box()
    notebook = page.locator(".jp-NotebookPanel").bounding_box()
    assert around is not None
    assert notebook is not None
    assert around["x"] >= notebook["x"] + notebook["width"]
    assert min(around["width"], around["height"]) > 300
    expect(page.locator(".jp-Notebook .hitl-panel")).to_have_count(0)
    expect(page.locator(".jp-Notebook")).to_contain_text("in a tab of their own")

    feedback(panel).fill("Half a thought")
    server.add("gamma")
    server.add("theirs", reviewers=["ben"])
    expect(tab).to_have_text("Reviews (4)")
    told = page.locator(".Toastify__toast")
    expect(told).to_have_text("A review waits: gamma › draft")
    expect(feedback(panel)).to_have_value("Half a thought")
    expect(feedback(panel)).to_be_focused()
    press(panel, "Request changes")
    tell(panel, "Changes requested")
    expect(tab).to_have_text("Reviews (3)")

    lab.save("Changes requested")
    page.reload()
    browser.wait_for_kernel(page)
    expect(tab).to_have_text("Reviews (3)")
    expect(rows(panel)).to_have_count(4)

    row(panel, "beta").click()
    press(panel, "Edit")
    whole = panel.locator(".hitl-editor").get_by_label("Text of the output", exact=True)
    expect(whole).to_be_focused()
    assert is_seen(whole), "what has the focus is below the tab, or behind the form"

    tab.locator(".lm-TabBar-tabCloseIcon").click()
    expect(page.locator(".jp-Notebook .hitl-panel")).to_be_visible()
    expect(page.locator(".hitl-place")).to_be_hidden()
    row(in_cell, "beta").click()
    expect(in_cell.locator(".hitl-output")).to_contain_text("First draft")
    lab.run_cell(1)
    expect(tab).to_be_visible()
    lab.run_cell(2)
    expect(tab).to_have_count(0)


def test_saved_notebook_has_a_record(lab: Lab, server: ReviewServer) -> None:
    from nbconvert import HTMLExporter
    from playwright.sync_api import expect

    page = lab.page
    hostile = "<img src=x onerror=alert(1)><script>alert(1)</script>"
    lines = "\n\n".join(f"Line {number}" for number in range(100))
    server.add("alpha", prompt=hostile, current_output=f"# Draft of alpha\n\n{hostile}\n\n{lines}")
    server.add("beta")
    panel = lab.open(server)
    record = page.locator(".hitl-record")
    row(panel, "alpha").click()
    output = panel.locator(".hitl-output")
    expect(output).to_contain_text("Draft of alpha")
    panel.evaluate("panel => { panel.dataset.first = 'yes'; }")
    feedback(panel).fill("Half a thought")
    output.evaluate("output => { output.scrollTop = 70; }")
    server.add("gamma")
    expect(record).to_contain_text("gamma › draft")  # updated, while it is hidden and the panel stays as it is
    expect(record).to_be_hidden()
    assert panel.get_attribute("data-first") == "yes"
    assert output.evaluate("output => output.scrollTop") == 70
    expect(feedback(panel)).to_be_focused()

    feedback(panel).fill("")
    press(panel, "Approve")
    send_now(session_form(panel))
    saved = lab.save("Approved</td>")
    assert "ada-password" not in saved
    token = server.seen[-1].headers["authorization"].removeprefix("Bearer ")
    assert token not in saved
    page_of_nbconvert, _ = HTMLExporter().from_filename(str(lab.file))  # type: ignore[no-untyped-call]
    assert "<bdi>alpha</bdi> › <bdi>draft</bdi>" in page_of_nbconvert
    assert hostile not in page_of_nbconvert

    lab.reopen()
    expect(record).to_be_visible()
    expect(record.locator("tr").filter(has_text="alpha")).to_contain_text("Approved")
    expect(record.locator("h1")).to_have_text("Draft of alpha")
    expect(page.get_by_text("model not found")).to_be_hidden()
    assert record.evaluate(f"record => record.querySelectorAll(`{DANGEROUS}`).length") == 0

    panel = lab.run_first_cell()
    expect(record).to_be_hidden()
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_text("Restart Kernel…", exact=True).click()
    page.locator(".jp-Dialog").get_by_role("button", name="Confirm").click()
    expect(record).to_be_visible()
    expect(panel).to_be_hidden()
    assert page.locator(".jupyter-widgets-disconnected:visible").count() == 0


def test_notebook_7(lab: Lab, server: ReviewServer) -> None:
    from playwright.sync_api import expect

    server.add("alpha", current_output="Draft of alpha")
    panel = lab.open(server, "panel.dock()", app="notebooks")
    lab.run_cell(1)
    expect(lab.page.locator(".hitl-place")).to_contain_text("only in JupyterLab")
    keys = lab.page.keyboard
    row(panel, "alpha").click()
    expect(panel.locator(".hitl-output")).to_contain_text("Draft of alpha")
    keys.press("x")
    expect(panel.locator(".hitl-bulk")).to_contain_text("1 picked")
    keys.press("x")
    assert lab.page.locator(".jp-Notebook .jp-Cell").count() == 2
    feedback(panel).fill("shorter")
    keys.press("Control+Enter")
    expect(session_form(panel)).to_contain_text("Requesting changes to output 1")
    keys.press("Control+Enter")
    tell(panel, "Changes requested")
    server.next_output(key("alpha"), "Draft")
    tell(panel, "Output 2 is ready")
    decide(panel, "Approve")
    tell(panel, "Approved output 2")
