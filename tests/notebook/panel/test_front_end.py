"""The elements in a browser: a real JupyterLab, a real kernel, and ``Stage`` instead of a server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from demo.processes import PATIENCE, wait_until
from demo.stack import ROOT, jupyter_env, jupyter_server
from tests.conftest import need_chromium
from tests.notebook.gate import Gate
from tests.notebook.lab import write_notebook
from tests.support import browser

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

SOURCE = "from tests.notebook.stage import Theatre\ntheatre = Theatre()\ntheatre.widget"
NUMBERS = count(1)
SOON = 15_000 * PATIENCE
"""Milliseconds."""
ENDED = "The kernel has ended, so nothing is sent. Run the cell again."
LATE = "The kernel is busy. This is sent as soon as it is free."

# Words with too little contrast to their background (WCAG 2.2, 1.4.3).
FAINT_WORDS = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")


class Staged:
    """A page with the stage on it."""

    def __init__(self, page: Any, notebook: Path, address: str) -> None:
        self.page = page
        self.notebook = notebook
        self.address = address
        self.problems: list[str] = []
        self.panel = page.locator(".hitl-panel")
        self.rows = self.panel.locator(".hitl-row")
        self.text = self.panel.locator("textarea")
        self.status = self.panel.locator(".hitl-form .hitl-form-status")

    def do(self, code: str) -> None:
        """Execute this in the kernel as soon as it is idle."""
        self.page.locator(".stage-remote textarea").fill(code)
        self.page.locator(".stage-remote textarea").blur()

    def said(self, message: str) -> None:
        """Wait until this is the last message."""
        expect(self.page.locator(".stage-said li").last).to_have_text(message)

    @property
    def messages(self) -> list[str]:
        """All messages so far."""
        texts: list[str] = self.page.locator(".stage-said li").all_inner_texts()
        return texts

    def button(self, name: str) -> Any:
        """A button of the panel."""
        return self.panel.get_by_role("button", name=name, exact=True)

    def row(self, number: int) -> Any:
        """The row with this id."""
        return self.panel.locator(f'.hitl-row[data-id="r{number}"]')

    def open(self, number: int) -> None:
        """Open the review of this row and wait until its form is shown."""
        self.row(number).click()
        expect(self.row(number)).to_have_attribute("aria-selected", "true")
        expect(self.text).to_be_editable()

    def press(self, *keys: str) -> None:
        """Type keys."""
        for key in keys:
            self.page.keyboard.press(key)

    def ask(self, script: str) -> Any:
        """Evaluate JavaScript."""
        return self.page.evaluate(script)

    def cells(self) -> list[str]:
        """The notebook's cells."""
        texts: list[str] = self.page.locator(".jp-Notebook .jp-Cell .jp-InputArea .cm-content").all_inner_texts()
        return texts

    def show_dark(self) -> None:
        """Choose JupyterLab's dark theme."""
        self.page.get_by_role("menuitem", name="Settings", exact=True).click()
        self.page.get_by_text("Theme", exact=True).hover()
        self.page.get_by_text("JupyterLab Dark", exact=True).click()
        self.page.wait_for_function("document.body.dataset.jpThemeLight === 'false'")
        self.page.wait_for_timeout(500)


@pytest.fixture(scope="module")
def chromium() -> str:
    return need_chromium()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("front_end")
    (home / "notebooks").mkdir()
    return home


@pytest.fixture(scope="module")
def address(chromium: str, home: Path) -> Iterator[Callable[[str], str]]:
    env = {**jupyter_env(home), "PYTHONPATH": str(ROOT)}
    with jupyter_server(home, home / "notebooks", env) as address:
        yield address


@contextmanager
def opened(page: Any, home: Path, address: Callable[[str], str]) -> Iterator[Staged]:
    """A new notebook with the stage in its first cell."""
    name = f"stage-{next(NUMBERS)}"
    notebook = home / "notebooks" / f"{name}.ipynb"
    write_notebook(notebook, SOURCE, "'last'")
    staged = Staged(page, notebook, address(f"lab/workspaces/{name}/tree/{name}.ipynb"))
    page.on("pageerror", lambda error: staged.problems.append(str(error)))
    page.set_default_timeout(browser.WAIT)
    browser.run_notebook(page, staged.address)
    staged.rows.first.wait_for()
    page.set_default_timeout(SOON)
    expect.set_options(timeout=SOON)
    yield staged


@pytest.fixture(scope="module")
def theatre(chromium: str, home: Path, address: Callable[[str], str]) -> Iterator[Staged]:
    """Shared by all tests that leave page, notebook and kernel intact."""
    with browser.new_page(chromium, width=1500) as page, opened(page, home, address) as staged:
        yield staged


@pytest.fixture
def fresh(theatre: Staged, home: Path, address: Callable[[str], str]) -> Iterator[Staged]:
    """A page, a notebook and a kernel for a single test."""
    page = theatre.page.context.browser.new_context(viewport={"width": 1500, "height": 1000}).new_page()
    with opened(page, home, address) as staged:
        yield staged
    page.context.close()
    assert staged.problems == []


@pytest.fixture
def stage(theatre: Staged) -> Iterator[Staged]:
    """A new stage."""
    name = f"stage-{next(NUMBERS)}"
    theatre.ask("sessionStorage.clear()")
    theatre.page.mouse.move(5, 5)
    theatre.do(f"theatre.renew({name!r})")
    theatre.page.locator(f".{name} .hitl-row").first.wait_for()
    theatre.page.locator(f".{name} .hitl-form").first.wait_for()
    yield theatre
    assert theatre.problems == []


# --- the list


def test_row_content(stage: Staged) -> None:
    expect(stage.rows).to_have_count(50)
    first = stage.row(1)
    for words in (
        "Write the report of the month.",
        "report_1 › review [1]",
        "31 min",
        "Changes requested",
        "round 2 of 5",
        "run 2030-11-02 10:00",
        "due in ",
    ):
        expect(first).to_contain_text(words)
    expect(first).to_contain_text("Revenue rose 1% to €66,180")
    expect(first.get_by_role("checkbox")).to_have_count(0)  # nothing to decide
    expect(stage.row(0)).to_contain_text("New")
    expect(stage.row(0).locator(".hitl-row-title")).to_have_text("report_0 › review")  # there is no prompt
    expect(stage.row(0).locator(".hitl-row-name")).to_be_hidden()
    expect(stage.row(8).locator(".hitl-row-due")).to_have_text("overdue")
    expect(stage.row(6).locator(".hitl-row-due")).to_be_hidden()  # abandoned: no longer relevant
    name = stage.row(7).get_attribute("aria-label")
    assert name.startswith(
        "Waiting for you, Write the report of the month., report_7 › review [7], round 2 of 5, "
        "run 2030-11-08 10:00, for 3 h, due in 4 h"
    )
    shapes = {stage.row(n).locator("path").get_attribute("d") for n in range(7)}
    assert len(shapes) == 7
    stage.do("stage.list.rows = []")
    expect(stage.panel.get_by_text("Nothing waits.")).to_be_visible()


def test_foreign_text_is_escaped(stage: Staged) -> None:
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    changes = ", ".join(
        f"{name}={evil!r}" for name in ("dag_id", "task_id", "run_id", "title", "excerpt", "words", "round")
    )
    stage.do(
        f"stage.list.rows = [row(0, {changes})]\n"
        f"stage.change_form(label={evil!r}, hint={evil!r}, placeholder={evil!r}, busy={evil!r},"
        f" confirm=dict(action='approve', text={evil!r}, label={evil!r}))\n"
        f"stage.login.state = dict(shown=True, url={evil!r}, username={evil!r}, busy='', problem={evil!r})"
    )
    expect(stage.panel.get_by_text("<script>").first).to_be_visible()
    expect(stage.panel.locator("img, script")).to_have_count(0)
    assert "owned" not in stage.page.title()


def test_arrow_keys_open_rows_and_list_has_one_tab_stop(stage: Staged) -> None:
    assert stage.ask("document.querySelectorAll('.hitl-list [tabindex=\"0\"]').length") == 1
    stage.row(0).focus()
    for key, number in (("ArrowDown", 1), ("ArrowDown", 2), ("ArrowUp", 1), ("End", 49), ("Home", 0)):
        stage.press(key)
        expect(stage.row(number)).to_be_focused()
        expect(stage.row(number)).to_have_attribute("aria-selected", "true")
        stage.said(f"Open(id='r{number}')")
    stage.press("PageDown")
    number = int(stage.ask("document.activeElement.dataset.id.slice(1)"))
    assert 4 < number < 12
    assert stage.ask("document.querySelectorAll('.hitl-list [tabindex=\"0\"]').length") == 1
    stage.press("Tab")
    expect(stage.text).to_be_focused()
    stage.press("Shift+Tab")
    expect(stage.row(number)).to_be_focused()


def test_pick_with_keyboard_and_mouse(stage: Staged) -> None:
    picked = stage.panel.locator(".hitl-row.is-picked")
    stage.row(7).click()
    stage.press("Space")
    stage.said("Pick(ids=('r7',), on=True)")
    stage.press("Shift+ArrowDown", "Shift+ArrowDown")
    stage.said("Pick(ids=('r9',), on=True)")
    expect(picked).to_have_count(3)
    stage.press("Shift+ArrowUp")
    stage.said("Pick(ids=('r9',), on=False)")
    expect(stage.row(8)).to_be_focused()
    expect(stage.row(7)).to_have_class(re.compile("is-open"))
    stage.row(12).get_by_role("checkbox").click()
    stage.said("Pick(ids=('r12',), on=True)")
    stage.row(14).get_by_role("checkbox").click(modifiers=["Shift"])
    stage.said("Pick(ids=('r12', 'r13', 'r14'), on=True)")
    stage.row(1).click(modifiers=["Control"])  # it cannot be picked
    expect(picked).to_have_count(5)
    expect(stage.panel.get_by_text("5 picked", exact=True)).to_be_visible()
    stage.press("Control+a")
    expect(picked).to_have_count(44)
    expect(stage.panel.get_by_role("checkbox", name="Pick all that are listed")).to_be_checked()
    stage.panel.get_by_role("checkbox", name="Pick all that are listed").click()
    expect(picked).to_have_count(0)
    expect(stage.row(7)).to_have_attribute("aria-selected", "true")  # none of this opened another review


def test_pick_rejected_by_kernel_is_not_shown(stage: Staged) -> None:
    stage.do("stage._on_list = None\nfor element in [stage.list]: element._callbacks.clear()")
    stage.row(7).get_by_role("checkbox").click()
    expect(stage.row(7).get_by_role("checkbox")).not_to_be_checked()


def test_new_rows_keep_scroll_position_and_focus(stage: Staged, tmp_path: Path) -> None:
    more, turned = Gate(tmp_path), Gate(tmp_path)
    where = "document.querySelector('[data-id=r20]').getBoundingClientRect().y"
    longer = "[row(100), row(101), *stage.list.rows[1:]]"
    stage.do(
        more.when(f"setattr(stage.list, 'rows', {longer})")
        + turned.when("setattr(stage.list, 'rows', stage.list.rows[:19:-1])")
    )
    stage.row(20).click()
    before = stage.ask(where)
    more.open()
    expect(stage.rows).to_have_count(51)
    expect(stage.row(20)).to_be_focused()
    assert stage.ask(where) == before
    turned.open()
    expect(stage.rows.first).to_have_attribute("data-id", "r49")
    expect(stage.row(20)).to_be_focused()
    expect(stage.row(20)).to_be_in_viewport()


def test_new_rows_are_visible_when_the_list_has_no_focus(stage: Staged) -> None:
    stage.do("stage.list.rows = [row(100), *stage.list.rows]")
    expect(stage.rows.first).to_have_attribute("data-id", "r100")
    expect(stage.rows.first).to_be_in_viewport()
    stage.ask("document.querySelector('.hitl-rows').scrollTop = 300")
    stage.page.wait_for_timeout(200)
    where = "document.querySelector('[data-id=r9]').getBoundingClientRect().y"
    before = stage.ask(where)
    stage.do("stage.list.rows = [row(101), *stage.list.rows]")
    expect(stage.rows.first).to_have_attribute("data-id", "r101")
    assert stage.ask(where) == before


def test_focus_moves_on_when_the_focused_row_disappears(stage: Staged, tmp_path: Path) -> None:
    gone = Gate(tmp_path)
    rest = "[row for row in stage.list.rows if row['id'] != 'r20']"
    stage.do(gone.when(f"setattr(stage.list, 'rows', {rest})"))
    stage.row(20).click()
    expect(stage.row(20)).to_be_focused()
    gone.open()
    expect(stage.row(20)).to_have_count(0)
    expect(stage.row(21)).to_be_focused()


# --- the form


def test_typed_text_is_never_lost(stage: Staged, tmp_path: Path) -> None:
    said = Gate(tmp_path)
    stage.text.fill("About the first")
    stage.said("Draft(key='r0', text='About the first')")
    stage.text.press_sequentially("!")
    stage.row(7).click()  # before the pause after which typing is sent
    expect(stage.text).to_have_value("")
    stage.text.fill("About the eighth")
    stage.row(0).click()
    expect(stage.text).to_have_value("About the first!")
    # The kernel sends the same again, then something else without a version: typed text stays.
    stage.text.focus()
    stage.do(said.when("stage.change_form(draft='old')"))
    stage.text.fill("About the first, more")
    said.open()
    stage.page.wait_for_timeout(700)
    expect(stage.text).to_have_value("About the first, more")
    stage.do("stage.set_draft('From elsewhere')")
    expect(stage.text).to_have_value("From elsewhere")


def test_typed_text_survives_page_reload_and_kernel_death(fresh: Staged) -> None:
    fresh.text.fill("Sent, then the kernel ends")
    fresh.open(7)
    fresh.text.fill("Not sent")
    fresh.said("Draft(key='r7', text='Not sent')")
    fresh.open(8)
    fresh.text.fill("Taken")
    fresh.button("Request changes").click()
    expect(fresh.text).to_have_value("")
    # A decision that the kernel never receives, and a row that was left immediately.
    fresh.open(9)
    fresh.said("Open(id='r9')")
    fresh.text.fill("Hangs")
    fresh.said("Draft(key='r9', text='Hangs')")
    fresh.do("import os; os._exit(1)")
    fresh.page.locator(".jp-Dialog").get_by_role("button", name="Ok", exact=True).click()
    fresh.button("Request changes").click()
    expect(fresh.status).to_have_text(ENDED)
    fresh.page.keyboard.press("Control+s")
    fresh.page.wait_for_timeout(1000)
    browser.run_notebook(fresh.page, fresh.address)
    expect(fresh.text).to_have_value("Sent, then the kernel ends")
    expect(fresh.panel.get_by_text("What you had typed is back.")).to_be_visible()
    fresh.said("Draft(key='r0', text='Sent, then the kernel ends')")
    for number, text in ((7, "Not sent"), (8, ""), (9, "Hangs")):
        fresh.row(number).click()
        expect(fresh.text).to_have_value(text)


def test_restarted_kernel(fresh: Staged) -> None:
    fresh.page.get_by_role("menuitem", name="Kernel", exact=True).click()
    fresh.page.get_by_text("Restart Kernel…", exact=True).click()
    fresh.page.locator(".jp-Dialog").get_by_role("button", name="Confirm").click()
    fresh.page.wait_for_timeout(1000)
    fresh.row(7).click()
    expect(fresh.panel.locator(".hitl-list [role=status]")).to_have_text(ENDED)
    fresh.text.fill("Still there to be copied")
    fresh.button("Request changes").click()
    expect(fresh.status).to_have_text(ENDED)
    expect(fresh.text).to_be_editable()


def test_accepted_decision_clears_the_text(stage: Staged) -> None:
    stage.text.fill("Shorter")
    stage.do("stage._real, stage._held = stage._on_form, []\nstage.form._callbacks[1] = stage._held.append")
    stage.text.focus()
    stage.button("Request changes").click()
    stage.said("Act(key='r0', action='request_changes', text='Shorter')")
    stage.row(7).click()  # another review is open when the decision is accepted
    expect(stage.row(7)).to_have_attribute("aria-selected", "true")
    stage.do("stage.form._callbacks[1] = stage._real\nstage.drafts.clear()")
    stage.row(0).click()
    expect(stage.row(0)).to_have_attribute("aria-selected", "true")
    expect(stage.text).to_have_value("")


def test_question_with_mouse_and_keyboard(stage: Staged) -> None:
    ask = (
        "stage._real = stage.form._callbacks[1]\n"
        "ended = dict(action='request_changes', text='End it?', label='End the review', seconds=0)\n"
        "def ask(message):\n"
        "    stage.change_form(confirm=ended) if type(message) is Act else stage._real(message)\n"
        "stage.form._callbacks[1] = ask"
    )
    stage.do(ask)
    stage.text.fill("Again")
    stage.said("Draft(key='r0', text='Again')")
    stage.button("Request changes").click()
    expect(stage.button("End the review")).to_be_focused()
    expect(stage.panel.get_by_role("alertdialog", name="End it?")).to_be_visible()
    expect(stage.button("Approve")).to_be_hidden()
    stage.press("Escape")
    stage.said("Cancel(key='r0')")
    expect(stage.button("Request changes")).to_be_focused()
    stage.open(7)
    stage.text.fill("Again")
    stage.press("Control+Enter")
    expect(stage.button("End the review")).to_be_focused()
    stage.press("Enter")
    stage.said("Confirm(key='r7', action='request_changes', text='Again')")
    expect(stage.button("Request changes")).to_be_visible()
    assert len(stage.cells()) == 2


def test_held_decision_with_mouse(stage: Staged) -> None:
    undo = stage.button("Undo")
    stage.text.fill("Fine")
    where = stage.button("Approve").bounding_box()
    stage.button("Approve").click()
    expect(undo).to_be_focused()
    expect(stage.panel.get_by_role("group", name="Approving output 2")).to_be_visible()
    expect(stage.button("Request changes")).to_be_hidden()
    expect(stage.text).not_to_be_editable()  # what is sent is what was there
    expect(undo).to_have_text(re.compile(r"^Undo \([345] s\)$"))
    expect(undo).to_have_text("Undo (2 s)")
    undo.click()
    stage.said("Cancel(key='r0')")
    expect(stage.button("Approve")).to_be_focused()
    assert stage.button("Approve").bounding_box() == where
    expect(stage.text).to_be_editable()
    expect(stage.text).to_have_value("Fine")
    stage.button("Reject").dblclick()
    expect(undo).to_be_visible()
    stage.said("Act(key='r0', action='reject', text='Fine')")
    stage.button("Send now").click()
    stage.said("Confirm(key='r0', action='reject', text='Fine')")
    expect(stage.button("Reject")).to_be_visible()
    expect(stage.text).to_have_value("")


def test_held_decision_with_keyboard(stage: Staged) -> None:
    undo = stage.button("Undo")
    stage.open(7)
    stage.said("Open(id='r7')")
    for key in ("u", "Escape"):
        stage.press("r")
        expect(undo).to_be_visible()
        expect(stage.row(7)).to_be_focused()  # the keys of the list still work
        stage.press("a")  # another action does nothing
        stage.press(key)
        stage.said("Cancel(key='r7')")
        expect(undo).to_be_hidden()
    stage.press("a")
    expect(undo).to_be_visible()
    stage.press("a")
    stage.said("Confirm(key='r7', action='approve', text='')")
    expect(undo).to_be_hidden()
    expect(stage.row(7)).to_be_focused()
    # With Tab: one Enter too many undoes.
    stage.button("Reject").focus()
    stage.press("Enter")
    expect(undo).to_be_focused()
    stage.press("Escape")
    stage.said("Cancel(key='r7')")
    expect(stage.button("Reject")).to_be_focused()
    assert not [message for message in stage.messages if "action='reject'" in message and "Confirm" in message]
    assert stage.ask("document.querySelector('.jp-Notebook').className").count("jp-mod-commandMode") == 1
    assert len(stage.cells()) == 2


def test_next_review_after_a_decision(stage: Staged) -> None:
    """The focus goes to its row, where no Enter decides, and its head is in sight."""
    stage.do("stage.output.value = '<h3>Head</h3>' + '<p>line</p>' * 120")
    decided = (
        "stage._real = stage.form._callbacks[1]\n"
        "def decide(message):\n"
        "    if type(message) is not Confirm: return stage._real(message)\n"
        "    stage.list.selected = 'r7'\n"
        "    notice = dict(kind='success', text='report_0 › review: Approved output 2.')\n"
        "    stage.set_draft('', key='r7', confirm=None, notice=notice)\n"
        "stage.form._callbacks[1] = decide"
    )
    stage.do(decided)
    expect(stage.panel.get_by_text("Head")).to_be_attached()
    stage.panel.get_by_text("line").nth(115).scroll_into_view_if_needed()
    expect(stage.panel.get_by_text("Head")).not_to_be_in_viewport()
    stage.button("Approve").click()
    stage.button("Send now").click()
    expect(stage.row(7)).to_be_focused()
    expect(stage.panel.get_by_text("Head")).to_be_in_viewport()
    told = stage.panel.get_by_role("status").filter(has_text="report_0 › review: Approved output 2.")
    expect(told).to_have_count(1)
    expect(told).to_be_in_viewport()


def test_choice_of_the_next_is_remembered(fresh: Staged) -> None:
    choice = fresh.panel.get_by_role("checkbox", name="Then open the next")
    expect(choice).to_be_checked()
    choice.uncheck()
    fresh.said("OpenNext(on=False)")
    fresh.do("theatre.renew('again')")
    fresh.page.locator(".again .hitl-row").first.wait_for()
    fresh.said("OpenNext(on=False)")
    expect(choice).not_to_be_checked()


def test_choice_of_the_next_is_kept_until_a_busy_kernel_reads_it(fresh: Staged, tmp_path: Path) -> None:
    gate, second_gate = Gate(tmp_path), Gate(tmp_path)
    choice = fresh.panel.get_by_role("checkbox", name="Then open the next")
    fresh.do(f"{gate.cell}\nstage.change_form(hint='Another hint')\n{second_gate.cell}")
    choice.uncheck()
    gate.open()
    expect(fresh.panel.get_by_text("Another hint")).to_be_visible()
    expect(choice).not_to_be_checked()
    second_gate.open()
    fresh.said("OpenNext(on=False)")
    expect(choice).not_to_be_checked()
    fresh.do("stage.change_form(next={**stage.form.state['next'], 'on': True})")  # in another view
    expect(choice).to_be_checked()


@pytest.mark.parametrize("width", [420, 760, 1300])
def test_decision_stays_in_sight(stage: Staged, width: int, tmp_path: Path) -> None:
    """While the output is read, in JupyterLab's own scroll container; and it does not move when it is used."""
    stage.ask(f"document.querySelector('.hitl-panel').style.width = '{width}px'")
    told = Gate(tmp_path)
    notice = "stage.change_form(notice=dict(kind='info', text='Output 2 is ready.'))"
    stage.do("stage.output.value = '<p>line</p>' * 150\n" + told.when(notice))
    lines = stage.panel.get_by_text("line")
    expect(lines).to_have_count(150)
    top = {}
    for number in (40, 75, 110):
        lines.nth(number).scroll_into_view_if_needed()
        for name in ("Approve", "Reject"):
            expect(stage.button(name)).to_be_in_viewport(ratio=1)
        expect(stage.text).to_be_in_viewport(ratio=1)
        top[number] = stage.text.bounding_box()["y"]
    assert len(set(top.values())) == 1
    line = lines.nth(110).bounding_box()
    stage.button("Approve").click()
    expect(stage.button("Undo")).to_be_in_viewport(ratio=1)
    told.open()
    expect(stage.panel.get_by_text("Output 2 is ready.")).to_be_in_viewport(ratio=1)
    assert stage.text.bounding_box()["y"] == top[110]
    assert lines.nth(110).bounding_box() == line


def test_feedback_with_keyboard(stage: Staged) -> None:
    stage.open(7)
    stage.press("c")
    expect(stage.text).to_be_focused()  # nothing to send yet
    stage.press("Escape")
    expect(stage.row(7)).to_be_focused()
    stage.press("f")
    stage.page.keyboard.type("j, x and dd?")
    stage.press("Alt+ArrowDown")
    stage.said("Open(id='r8')")
    expect(stage.text).to_be_focused()
    expect(stage.text).to_have_value("")
    stage.press("Alt+ArrowUp")
    expect(stage.text).to_have_value("j, x and dd?")
    stage.press("Control+Enter")
    stage.said("Act(key='r7', action='request_changes', text='j, x and dd?')")
    expect(stage.text).to_have_value("")
    stage.do("stage.change_form(buttons=[dict(b, enabled=False) for b in stage.form.state['buttons']])")
    expect(stage.button("Request changes")).to_be_disabled()
    sent = len(stage.messages)
    stage.text.fill("x")
    stage.press("Control+Enter")
    stage.said("Draft(key='r7', text='x')")
    assert len(stage.messages) == sent + 1


def test_focus_during_loading_and_after_the_form_disappears(stage: Staged, tmp_path: Path) -> None:
    left, loaded, gone = (Gate(tmp_path) for _ in range(3))
    stage.text.focus()
    stage.do(
        left.when("stage.set_draft('', key='r7', shown=False)")
        + loaded.when("stage.change_form(shown=True)")
        + gone.when("stage.change_form(shown=False)")
    )
    stage.text.focus()
    left.open()
    expect(stage.text).not_to_be_editable()
    stage.page.wait_for_timeout(500)
    expect(stage.text).to_be_focused()
    expect(stage.text).not_to_be_editable()
    loaded.open()
    expect(stage.text).to_be_editable()
    expect(stage.text).to_be_focused()
    gone.open()
    expect(stage.text).to_be_hidden()
    expect(stage.row(0)).to_be_focused()


def test_busy_kernel(stage: Staged, tmp_path: Path) -> None:
    gate, second_gate = Gate(tmp_path), Gate(tmp_path)
    stage.text.fill("Shorter")
    stage.said("Draft(key='r0', text='Shorter')")
    stage.do(gate.cell)
    stage.button("Request changes").click()
    stage.button("Request changes").click(force=True)
    expect(stage.text).not_to_be_editable()  # text typed now would be sent with it
    expect(stage.status).to_have_text("")
    expect(stage.status).to_have_text(LATE)
    gate.open()
    stage.said("Act(key='r0', action='request_changes', text='Shorter')")
    expect(stage.status).to_have_text("")
    expect(stage.text).to_be_editable()
    assert len([m for m in stage.messages if m.startswith("Act")]) == 1
    stage.do("stage.change_form(busy='Approving…')")
    expect(stage.status).to_have_text("Approving…")
    expect(stage.button("Approve")).to_be_disabled()
    # A busy kernel receives every requested row, in order, and the list does not jump back and forth.
    stage.do(f"stage.change_form(busy='')\n{second_gate.cell}")
    stage.row(7).click()
    stage.press("ArrowDown", "ArrowDown", "Space")
    expect(stage.row(9).get_by_role("checkbox")).to_be_checked()
    expect(stage.panel.locator(".hitl-list [role=status]")).to_have_text(LATE)
    second_gate.open()
    stage.said("Pick(ids=('r9',), on=True)")
    assert stage.messages[-4:-1] == ["Open(id='r7')", "Open(id='r8')", "Open(id='r9')"]
    expect(stage.row(9)).to_have_attribute("aria-selected", "true")
    expect(stage.row(9).get_by_role("checkbox")).to_be_checked()


def test_typing_is_blocked_while_leaving_a_review(stage: Staged, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    stage.text.fill("About the first")
    stage.do(gate.cell)
    stage.row(7).click()
    stage.press("f")
    expect(stage.text).to_be_focused()
    stage.page.keyboard.type("lost")
    stage.press("Escape", "a")
    expect(stage.text).to_have_value("About the first")
    gate.open()
    stage.said("Open(id='r7')")
    expect(stage.text).to_have_value("")
    expect(stage.text).to_be_editable()
    assert stage.messages == ["Draft(key='r0', text='About the first')", "Open(id='r7')"]
    # The kernel answers but opens nothing.
    stage.do("stage.list._callbacks.clear()")
    stage.row(8).click()
    expect(stage.text).not_to_be_editable()
    expect(stage.text).to_be_editable()


def test_text_limit(stage: Staged) -> None:
    stage.text.fill("x" * 190)
    expect(stage.panel.get_by_text("10 characters left")).to_be_visible()
    stage.text.press_sequentially("y" * 20)
    expect(stage.panel.get_by_text("No more than 200 characters")).to_be_visible()
    expect(stage.text).to_have_value("x" * 190 + "y" * 10)


def test_second_browser_tab_stays_in_sync(fresh: Staged) -> None:
    fresh.page.keyboard.press("Control+s")
    fresh.page.wait_for_timeout(1500)
    second = fresh.page.context.new_page()
    second.set_default_timeout(30_000 * PATIENCE)
    second.goto(fresh.address.replace("workspaces/", "workspaces/second-"))
    other = Staged(second, fresh.notebook, fresh.address)
    other.rows.first.wait_for()
    fresh.page.bring_to_front()
    fresh.open(7)
    fresh.text.press_sequentially("From the first tab")
    expect(other.text).to_have_value("From the first tab")
    expect(other.row(7)).to_have_attribute("aria-selected", "true")
    second.bring_to_front()
    other.button("Reject").click()
    expect(other.button("Undo")).to_be_focused()
    expect(fresh.button("Undo")).to_be_visible()
    expect(fresh.button("Undo")).not_to_be_focused()
    fresh.button("Undo").click()
    expect(other.button("Undo")).to_be_hidden()
    expect(other.button("Reject")).to_be_focused()
    other.press("Enter")
    other.button("Send now").click()
    expect(fresh.text).to_have_value("")
    second.close()


# --- the login


def test_secrets_stay_in_the_page(fresh: Staged) -> None:
    fresh.do("stage.login.state = dict(shown=True, url='http://host:8080', username='ada', busy='', problem='')")
    login = fresh.panel.get_by_role("form", name="Log in to Airflow")
    expect(login.get_by_label("Address of Airflow")).to_have_value("http://host:8080")
    password = login.get_by_label("Password", exact=True)
    assert password.get_attribute("autocomplete") == "current-password"
    password.fill("wrong-word")
    password.press("Enter")
    fresh.said("Login(url='http://host:8080', username='ada')")
    expect(login.get_by_role("alert")).to_have_text("Wrong password.")
    expect(password).to_have_value("wrong-word")
    login.get_by_label("Token", exact=True).first.check()
    token = login.get_by_role("textbox", name="Token")
    expect(password).to_be_hidden()
    assert token.get_attribute("autocomplete") == "off"
    token.fill("secret")
    fresh.button("Log in").click()
    fresh.said("Login(url='http://host:8080', username='')")
    expect(login).to_be_hidden()
    values = fresh.ask("[...document.querySelectorAll('.hitl-login input[type=password]')].map((i) => i.value)")
    assert values == ["", ""]
    fresh.do(
        "stage.output.value = str([w.get_state() for w in type(stage.form)._active_widgets.values()])"
        if False
        else "import json; from ipywidgets.widgets import widget as registry\n"
        "states = json.dumps([w.get_state() for w in registry._instances.values()], default=str)\n"
        "stage.output.value = f\"{'http://host:8080' in states} {'wrong-w' + 'ord' in states}\""
    )
    expect(fresh.page.locator(".stage-output")).to_have_text("True False")
    fresh.page.keyboard.press("Control+s")
    fresh.page.wait_for_timeout(1000)
    assert "wrong-word" not in fresh.notebook.read_text(encoding="utf-8")


# --- keys


def test_panel_keys_do_not_edit_cells(fresh: Staged) -> None:
    cells = fresh.cells()
    letters = "x d d b m y 1 z v Shift+K Shift+M Enter Control+Enter Shift+Enter Alt+Enter Control+Backspace"
    for place in (fresh.row(7), fresh.panel.get_by_role("checkbox", name="Pick all"), fresh.button("Reject")):
        place.focus()
        fresh.press(*letters.split())
        fresh.press("Escape")
    fresh.text.focus()
    fresh.press("Escape", "f", *letters.split(), "Control+z", "Control+a", "Control+x")
    fresh.page.wait_for_timeout(300)
    assert fresh.cells() == cells
    expect(fresh.panel).to_have_count(1)
    assert fresh.ask("document.querySelector('.jp-Notebook').contains(document.activeElement)")


@pytest.mark.parametrize("place", [".hitl-row", ".hitl-form-text", ".hitl-button", ".hitl-toolbar select"])
def test_saving_works_from_the_panel(fresh: Staged, place: str) -> None:
    def saved() -> list[int]:
        cells = json.loads(fresh.notebook.read_text(encoding="utf-8"))["cells"]
        return [len(cell["outputs"]) for cell in cells]

    assert saved() == [0, 0]
    fresh.panel.locator(place).first.focus()
    fresh.press("Control+s")
    wait_until(lambda: saved() == [1, 1], timeout=15, what="the saved notebook")


def test_shortcuts(stage: Staged) -> None:
    stage.row(0).click()
    stage.press("j", "j", "k")
    stage.said("Open(id='r1')")
    expect(stage.row(1)).to_be_focused()
    stage.press("/")
    search = stage.panel.locator(".hitl-search input")
    expect(search).to_be_focused()
    stage.page.keyboard.type("jxa?")
    expect(search).to_have_value("jxa?")
    expect(stage.panel.get_by_role("dialog")).to_be_hidden()
    stage.text.focus()
    stage.press("Escape", "l")
    expect(stage.row(1)).to_be_focused()
    stage.row(7).click()
    stage.press("x")
    stage.said("Pick(ids=('r7',), on=True)")
    stage.press("a")
    expect(stage.button("Undo")).to_be_visible()
    stage.press("u", "Control+k", "Shift+J")
    expect(stage.button("Undo")).to_be_hidden()
    expect(stage.row(7)).to_be_focused()


def test_help(stage: Staged) -> None:
    stage.row(0).click()
    stage.press("?")
    dialog = stage.panel.get_by_role("dialog", name="Keys")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("button", name="Close")).to_be_focused()
    stage.said("Help(shown=True)")
    sent = len(stage.messages)
    stage.press("Tab", "Tab", "j", "x", "Tab")
    assert stage.ask(
        "document.querySelector('dialog').contains(document.activeElement) || "
        "document.activeElement === document.body"
    )
    stage.press("Escape")
    expect(dialog).to_be_hidden()
    stage.said("Help(shown=False)")
    assert len(stage.messages) == sent + 1
    expect(stage.row(0)).to_be_focused()
    stage.do("stage.keyboard.shown = True")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()


# --- appearance


@pytest.mark.parametrize("dark", [False, True])
def test_contrast_and_accessible_names(stage: Staged, dark: bool) -> None:
    if dark:
        stage.show_dark()
    stage.do(
        "stage.list.picked = ['r8']\n"
        "stage.change_form(busy='Approving…', confirm=dict(action='reject', text='Reject?', label='Yes'))\n"
        "stage.login.state = dict(shown=True, url='', username='', busy='', problem='Wrong password.')\n"
        'stage.output.value = \'<p class="hitl-diff">a <ins>b</ins> <del>c</del></p><div class="hitl-tree">\''
        ' \'<span class="key">k</span><span class="string">s</span>\''
        ' \'<span class="number">1</span><span class="null">null</span></div>\''
        ' \'<span class="hitl-pill wait">w</span><span class="hitl-pill busy">b</span><code>c</code>\''
    )
    expect(stage.panel.get_by_text("Wrong password.")).to_be_visible()
    assert stage.ask(FAINT_WORDS) == []
    stage.do("stage.change_form(busy='', confirm=None)")
    expect(stage.button("Approve")).to_be_visible()
    stage.row(8).hover()
    stage.ask("document.querySelector('dialog').show()")
    assert stage.ask(FAINT_WORDS) == []
    nameless = """[...document.querySelectorAll('.hitl-panel :is(button, input, select, textarea, [role=row])')]
        .filter((control) => !(control.getAttribute('aria-label') || control.textContent.trim()
            || [...(control.labels ?? [])].some((label) => label.textContent.trim())))
        .map((control) => control.outerHTML)"""
    assert stage.ask(nameless) == []


@pytest.mark.parametrize("width", [360, 560, 900, 1300])
def test_layout_fits_the_width(stage: Staged, width: int) -> None:
    stage.ask(f"document.querySelector('.hitl-panel').style.width = '{width}px'")
    stage.do("stage.login.state = dict(shown=True, url='', username='', busy='', problem='Wrong password.')")
    expect(stage.panel.get_by_text("Wrong password.")).to_be_visible()
    wide = """[...document.querySelectorAll('.hitl-panel, .hitl-panel *')].filter((one) => {
        const [box, panel] = [one, one.closest('.hitl-panel')].map((each) => each.getBoundingClientRect());
        return box.width > 1 && getComputedStyle(one).visibility === 'visible' && box.right > panel.right + 1;
    }).map((one) => one.className)"""
    assert stage.ask(wide) == []
    left, right = (stage.panel.locator(f".hitl-{name}").bounding_box() for name in ("inbox", "session"))
    assert (left["x"] == right["x"]) is (width < 760)
    assert stage.panel.locator(".hitl-rows").bounding_box()["height"] <= 560


def test_output_removed_and_reinserted(stage: Staged) -> None:
    stage.row(30).click()
    stage.text.fill("Typed before")
    before = stage.ask("document.querySelector('.hitl-rows').scrollTop")
    assert before > 200
    stage.ask("""(async () => {
        const panel = document.querySelector('.hitl-panel'), mark = document.createComment('');
        panel.replaceWith(mark);
        await new Promise((done) => setTimeout(done, 500));
        mark.replaceWith(panel);
    })()""")
    expect(stage.text).to_have_value("Typed before")
    stage.page.wait_for_timeout(300)
    assert stage.ask("document.querySelector('.hitl-rows').scrollTop") == before
    stage.row(31).click()
    stage.press("j")
    stage.said("Open(id='r32')")
