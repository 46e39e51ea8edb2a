"""The panel in real kernels of each supported version of ipykernel."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing
from tests.notebook.gate import Gate
from tests.notebook.kernels import Kernel, NotInstalledError, kernel, python_with
from tests.notebook.panels import key
from tests.notebook.server import ReviewServer

VERSIONS = ["6.31", "7.3", "7.4"]
"""The last 6.x; the last version before comms were answered where they were created; the newest."""

WITH_SUBSHELLS = ["7.3", "7.4"]

over_subshells = pytest.mark.parametrize("running", WITH_SUBSHELLS, indirect=True, scope="module")

PASSWORD = "ada-password"
PANEL = (
    "from hitl_notebook import ReviewPanel\npanel = ReviewPanel(refresh_seconds=0.2)\n"
    "panel.workspace.model.hold_seconds, panel.workspace.model.opens_next = 1.0, False\npanel"
)
FEEDBACK = "Shorter, please. «Ünïcode» 😀\n\n  - and no tables\n"

WATCH_THREADS = """
import threading

here = threading.current_thread()
changed_here, told_here = set(), set()
for model in (panel.workspace.inbox, panel.workspace.model, panel.workspace.bulk):
    model.observe(lambda _: changed_here.add(threading.current_thread() is here))
for element in (panel.workspace.list.list, panel.workspace.session.form):
    element.on_msg(lambda *_: told_here.add(threading.current_thread() is here))
"""


@pytest.fixture(scope="module", params=VERSIONS)
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, _server: ReviewServer
) -> Iterator[Kernel]:
    """A kernel of each version, with the connection in its environment."""
    try:
        python = python_with("ipykernel", request.param)
    except NotInstalledError as error:
        missing(f"ipykernel {request.param}", str(error))
        raise AssertionError from error
    environment = {
        "HITL_REVIEW_URL": _server.url,
        "HITL_REVIEW_USERNAME": "ada",
        "HITL_REVIEW_PASSWORD": PASSWORD,
    }
    with kernel(python, tmp_path_factory.mktemp("kernel"), environment) as started:
        version = started.run("import ipykernel; print(ipykernel.__version__)")
        assert version.startswith(f"{request.param}."), version
        yield started


@pytest.fixture
def shown(running: Kernel, server: ReviewServer) -> Iterator[Kernel]:
    """The kernel with a panel on two reviews; ``b`` is the newest."""
    server.add("a", current_output="Draft of a")
    server.add("b", current_output="Draft of b")
    try:
        show(running)
        yield running
    finally:
        running.run("panel.close()\ndel panel")
    check_what_is_left(running, server)


def check_what_is_left(running: Kernel, server: ReviewServer) -> None:
    """Check what remains after a panel was closed."""
    running.until(lambda: not running.widgets)
    warned = [m["content"]["text"] for m in running.heard if m["content"].get("name") == "stderr"]
    errors = "".join([running.log, *warned])
    assert "Traceback" not in errors, f"the kernel says: {errors[errors.find('Traceback') - 500 :]}"
    said = repr(running.heard)
    secrets = {seen.headers.get("authorization", "").removeprefix("Bearer ") for seen in server.seen} - {""}
    assert secrets
    assert not [secret for secret in {PASSWORD, *secrets} if secret in said]


def show(running: Kernel, source: str = PANEL) -> None:
    """Run the cell and wait for the list."""
    running.run(source, cell="panel")
    running.until(lambda: rows(running))


def rows(running: Kernel) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = running.widgets[running.widget("InboxList")]["rows"]
    return listed


def form(running: Kernel) -> dict[str, Any]:
    """State of the form of the open review."""
    return next(state for state in states(running) if state["key"] != "several")


def said(running: Kernel) -> str:
    """Text of the form's notice."""
    notice = form(running)["notice"]
    return notice["text"] if notice else ""


def states(running: Kernel) -> list[dict[str, Any]]:
    forms = [w for w in running.widgets.values() if str(w.get("_anywidget_id")).endswith(".DecisionForm")]
    return [widget["state"] for widget in forms]


def say(running: Kernel, do: str, **content: Any) -> str:
    """Send a message from the browser about the open review."""
    state = form(running)
    return running.message(running.widget("DecisionForm", state=state), do=do, key=state["key"], **content)


def click_row(running: Kernel, dag_id: str) -> str:
    row = next(row for row in rows(running) if row["dag_id"] == dag_id)
    return running.message(running.widget("InboxList"), do="open", id=row["id"])


def open_review(running: Kernel, dag_id: str) -> None:
    """Click its row and wait until the review is shown."""
    click_row(running, dag_id)
    output = f"Draft of {dag_id}"
    running.until(lambda: form(running)["shown"] and dag_id in form(running)["key"] and output in running.html())


def bodies(server: ReviewServer, action: str) -> list[Any]:
    return [seen.body for seen in server.asked(f"/hitl-review/sessions/{action}")]


def go_the_whole_way(shown: Kernel, server: ReviewServer) -> None:
    """Request changes, get the next output, approve it."""
    open_review(shown, "b")
    assert form(shown)["confirm"] is None
    say(shown, "draft", text="Sho")
    say(shown, "act", action="request_changes", text=FEEDBACK)
    shown.until(lambda: "Changes requested" in shown.html())
    assert bodies(server, "feedback") == [{"feedback": FEEDBACK, "iteration": 1, "channel": "notebook"}]
    assert (form(shown)["shown"], form(shown)["draft"]) == (False, "")

    server.next_output(key("b"), "Short draft")
    shown.until(lambda: form(shown)["shown"])
    assert said(shown) == "Output 2 is ready."
    assert "Short draft" in shown.html()

    say(shown, "act", action="approve", text="")
    shown.until(lambda: form(shown)["confirm"])
    assert form(shown)["confirm"]["text"] == "Approving output 2"
    assert bodies(server, "approve") == []
    shown.until(lambda: "Approved output 2" in said(shown))  # after its time
    assert bodies(server, "approve") == [{"iteration": 2, "channel": "notebook"}]
    assert not form(shown)["shown"]


def keep_it_busy(shown: Kernel, server: ReviewServer, gate: Gate) -> None:
    """Type and click while a cell blocks the kernel."""
    open_review(shown, "b")
    cell = shown.begin(gate.cell)
    until = time.monotonic() + 0.5
    refs = [say(shown, "draft", text=FEEDBACK[:length]) for length in range(1, 20)]
    refs.append(say(shown, "act", action="request_changes", text=FEEDBACK))
    refs.append(click_row(shown, "a"))
    shown.until(lambda: time.monotonic() > until)
    assert not shown.ended(cell)
    assert bodies(server, "feedback") == []
    assert "Draft of a" not in shown.html()

    gate.open()
    shown.finish(cell)
    shown.until(lambda: "Draft of a" in shown.html() and form(shown)["shown"])
    shown.until(lambda: "Changes requested" in said(shown))
    assert bodies(server, "feedback") == [{"feedback": FEEDBACK, "iteration": 1, "channel": "notebook"}]
    done = [content["done"] for _, content in shown.custom if "done" in content]
    assert [ref for ref in done if ref in refs] == refs
    assert form(shown)["draft"] == ""


# --- each version


def test_full_review(shown: Kernel, server: ReviewServer) -> None:
    go_the_whole_way(shown, server)


def test_typing_and_clicks_while_the_kernel_is_busy(shown: Kernel, server: ReviewServer, tmp_path: Path) -> None:
    keep_it_busy(shown, server, Gate(tmp_path))


def test_text_typed_while_the_kernel_is_busy_is_kept_for_the_review(shown: Kernel, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    open_review(shown, "b")
    cell = shown.begin(gate.cell)
    say(shown, "draft", text="about b")
    click_row(shown, "a")
    say(shown, "draft", text="about b, and more")  # its form was still shown
    gate.open()
    shown.finish(cell)
    shown.until(lambda: "Draft of a" in shown.html())
    assert form(shown)["draft"] == ""
    open_review(shown, "b")
    assert form(shown)["draft"] == "about b, and more"


def test_stock_widgets(shown: Kernel, server: ReviewServer) -> None:
    server.add("c", status="approved", task_completed=True)
    shown.press("Refresh")
    dropdown = shown.widget("DropdownModel", description="Show")
    labels = shown.widgets[dropdown]["_options_labels"]
    shown.change(dropdown, index=labels.index("All, including ended ones"))
    shown.until(lambda: [row["dag_id"] for row in rows(shown)] == ["c", "b", "a"])
    shown.change(shown.widget("TextModel", description="Search"), value="nothing like it")
    shown.until(lambda: not rows(shown))
    assert server.asked("/hitl-review/sessions")[-1].query["q"] == "nothing like it"


def test_bulk_rejection(shown: Kernel, server: ReviewServer) -> None:
    ids = [row["id"] for row in rows(shown)]
    shown.message(shown.widget("InboxList"), do="pick", ids=ids, on=True)
    shown.until(lambda: shown.widgets[shown.widget("InboxList")]["picked"] == ids)
    (several,) = (state for state in states(shown) if state["key"] == "several")
    widget = shown.widget("DecisionForm", state=several)
    shown.message(widget, do="act", key="several", action="reject", text="No longer needed")
    shown.until(lambda: shown.widgets[widget]["state"]["confirm"])
    shown.message(widget, do="confirm", key="several", action="reject", text="No longer needed")
    shown.until(lambda: len(bodies(server, "reject")) == 2)
    assert {body["feedback"] for body in bodies(server, "reject")} == {"No longer needed"}
    shown.until(lambda: not rows(shown) or {row["state"] for row in rows(shown)} == {"rejected"})


def test_rerunning_the_cell_after_a_restart_restores_the_panel(shown: Kernel, server: ReviewServer) -> None:
    open_review(shown, "b")
    say(shown, "draft", text="kept by the browser")
    shown.until(lambda: form(shown)["draft"] == "kept by the browser")
    shown.restart()

    say(shown, "act", action="reject", text="to nobody")  # the browser still shows the old panel
    say(shown, "confirm", action="reject", text="to nobody")
    click_row(shown, "a")
    shown.press("Refresh")
    shown.change(shown.widget("TextModel", description="Search"), value="to nobody")
    asked = len(server.seen)
    assert shown.run("print('alive')") == "alive\n"
    assert len(server.seen) == asked

    shown.widgets.clear()
    show(shown)
    open_review(shown, "b")
    assert form(shown)["draft"] == ""
    say(shown, "draft", text="kept by the browser")
    shown.until(lambda: form(shown)["draft"] == "kept by the browser")
    say(shown, "act", action="request_changes", text="kept by the browser")
    shown.until(lambda: "Changes requested" in shown.html())
    assert [body["feedback"] for body in bodies(server, "feedback")] == ["kept by the browser"]
    assert bodies(server, "reject") == []


def test_rerunning_the_cell_leaves_one_panel(shown: Kernel, server: ReviewServer) -> None:
    before = set(shown.widgets)
    assert shown.run("panel is not None and print(len({id(panel)}))") == "1\n"
    show(shown)
    shown.until(lambda: not before & set(shown.widgets))
    assert len(shown.widgets) == len(before)
    shown.listen_for(0.3)  # messages in flight arrive
    count = len(server.seen)
    shown.listen_for(2)
    polls = server.seen[count:]
    assert len({seen.headers["authorization"] for seen in polls}) == 1  # each panel has its own token
    assert 2 <= len(polls) <= 11


def test_two_cells_may_show_two_panels(shown: Kernel) -> None:
    before = set(shown.widgets)
    shown.run(PANEL.replace("panel =", "other =").replace("\npanel", "\nother"), cell="other")
    assert before < set(shown.widgets)
    shown.run("other.close()")
    shown.until(lambda: set(shown.widgets) == before)


def test_magics(running: Kernel, server: ReviewServer) -> None:
    server.add("a", current_output="Draft of a")
    for _ in range(2):
        show(running, "%load_ext hitl_notebook\npanel = %hitl_review --refresh 0.2\npanel")
    open_review(running, "a")
    assert "Draft of a" in running.html()
    running.run("panel.close()\ndel panel\n%unload_ext hitl_notebook")
    check_what_is_left(running, server)


def test_password_from_the_form_is_never_sent_back(running: Kernel, server: ReviewServer) -> None:
    server.add("a")
    running.run(
        "import os\n"
        "known = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith('HITL_')}\n"
        "from hitl_notebook import ReviewPanel\npanel = ReviewPanel(refresh_seconds=0.2)\n"
        "os.environ.update(known)\npanel"
    )
    login = running.widget("LoginForm")
    assert running.widgets[login]["state"]["shown"]
    typed = {"url": server.url, "username": "ada", "token": ""}
    running.message(login, do="login", **typed, password="ada-wrong-password")
    running.until(lambda: running.widgets[login]["state"]["problem"])
    running.message(login, do="login", **typed, password=PASSWORD)
    running.until(lambda: not running.widgets[login]["state"]["shown"])
    running.until(lambda: running.run("print(panel.connected)") == "True\n")
    running.until(lambda: rows(running))
    running.run("panel.close()\ndel panel")
    assert "ada-wrong-password" not in repr(running.heard)
    check_what_is_left(running, server)


# --- over subshells: messages arrive on another thread than the one that runs cells


@over_subshells
def test_full_review_over_a_subshell(running: Kernel, shown: Kernel, server: ReviewServer) -> None:
    shown.run(WATCH_THREADS)
    with shown.subshell():
        go_the_whole_way(shown, server)
    assert "False" in shown.run("print(told_here)")
    assert shown.run("print(changed_here)") == "{True}\n"


@over_subshells
def test_busy_kernel_over_a_subshell(running: Kernel, shown: Kernel, server: ReviewServer, tmp_path: Path) -> None:
    with shown.subshell():
        keep_it_busy(shown, server, Gate(tmp_path))


@over_subshells
def test_stock_widgets_over_a_subshell(running: Kernel, shown: Kernel, server: ReviewServer) -> None:
    shown.run(WATCH_THREADS)
    with shown.subshell():
        shown.change(shown.widget("TextModel", description="Search"), value="nothing like it")
        shown.until(lambda: not rows(shown))
        shown.press("Refresh")
        shown.until(lambda: server.asked("/hitl-review/sessions")[-1].query["q"] == "nothing like it")
    assert shown.run("print(changed_here)") == "{True}\n"
