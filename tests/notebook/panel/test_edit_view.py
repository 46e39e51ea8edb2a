"""The editor's side in the kernel, by the browser's messages; without an event loop nothing is held back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_hitl_review.core.review import EDITS_NOT_SUPPORTED
from hitl_notebook import ReviewPanel
from hitl_rendering.decision_words import form_words
from tests.notebook.panels import click, form, html, key, make, open_row, receive, refresh
from tests.notebook.server import ReviewServer
from tests.notebook.times import stamp


@pytest.fixture
def panel(server: ReviewServer) -> Iterator[ReviewPanel]:
    """A panel with the editor of ``b`` open."""
    server.add("a", allow_modifications=True)
    server.add("b", current_output="Draft of b", allow_modifications=True)
    panel = make(server)
    panel.open()
    say(panel, "startedit")
    yield panel
    panel.close()


def state(panel: ReviewPanel) -> dict[str, Any]:
    shown: dict[str, Any] = panel.workspace.editor.form.state
    return shown


def say(panel: ReviewPanel, do: str, **content: Any) -> None:
    receive(panel.workspace.editor.form, do=do, key=state(panel)["key"], **content)


def write(panel: ReviewPanel, text: str, problem: str = "") -> None:
    say(panel, "edit", edit={"about": state(panel)["about"], "text": text, "problem": problem})


def label(panel: ReviewPanel) -> str:
    return str(form(panel)["buttons"][0]["label"])


def test_state_of_the_editor(panel: ReviewPanel) -> None:
    shown = state(panel)
    assert (shown["text"], shown["stale"]) == ("Draft of b", None)
    assert (label(panel), form(panel)["hint"]) == ("Approve", "")
    write(panel, "Edited")
    assert (label(panel), form(panel)["hint"]) == ("Approve the edit", form_words().edit_hint)
    assert (state(panel)["text"], state(panel)["version"]) == ("Edited", shown["version"])
    say(panel, "discardedit", about=shown["about"])
    assert (state(panel)["shown"], label(panel)) == (False, "Approve")


def test_what_is_edited_is_sent_once(panel: ReviewPanel) -> None:
    """Not with every pause of the reviewer: an output and its schema can be long."""
    element, sent = panel.workspace.editor.form, list[Any]()
    assert element.output == {"text": "Draft of b", "format": "text", "schema": None, "display": "markdown"}
    element.observe(lambda change: sent.append(change["new"]), "output")
    write(panel, "Edited")
    assert "Draft of b" not in json.dumps(state(panel))
    say(panel, "discardedit", about=state(panel)["about"])
    assert sent == [{}]


def test_refused_edit_goes_on_or_is_begun_anew(server: ReviewServer, panel: ReviewPanel) -> None:
    write(panel, "Edited")
    click(panel, "approve")
    server.refuse_edit(key("b"), "too short")
    refresh(panel)
    assert [button["label"] for button in form(panel)["buttons"][3:]] == ["Edit", "Go on with the edit"]
    say(panel, "startedit", again=True)
    assert state(panel)["text"] == "Edited"
    say(panel, "discardedit", about=state(panel)["about"])
    say(panel, "startedit")
    assert state(panel)["text"] == "Draft of b"


def test_task_without_edits_has_no_button_for_them(server: ReviewServer, panel: ReviewPanel) -> None:
    server.add("older", modifications_refused=EDITS_NOT_SUPPORTED)
    server.add("strict", modifications_refused="Not for this task.")
    refresh(panel)
    open_row(panel, "older")
    assert [button["action"] for button in form(panel)["buttons"]] == ["approve", "request_changes", "reject"]
    open_row(panel, "strict")
    assert form(panel)["buttons"][-1]["refused"] == "Not for this task."


def test_decision_has_the_text_of_its_click(server: ReviewServer, panel: ReviewPanel) -> None:
    write(panel, "Edi")
    edit = {"about": state(panel)["about"], "text": "Edited"}
    act = {"do": "act", "key": form(panel)["key"], "action": "approve", "text": "", "about": form(panel)["about"]}
    receive(panel.workspace.session.form, **act, edit=edit)
    (asked,) = server.asked("/hitl-review/sessions/approve")
    assert asked.body["edited_output"] == "Edited"
    assert not state(panel)["shown"]
    assert "Approved output 1 as you edited it." in html(panel)


def test_preview_is_of_the_text_that_was_sent(panel: ReviewPanel) -> None:
    sent: list[Any] = []
    element: Any = panel.workspace.editor.form
    element.send = lambda content, buffers=None: sent.append(content)
    about = state(panel)["about"]
    say(panel, "previewedit", about=about, text="Draft of <b>c</b>", id="p1")
    (shown,) = [content for content in sent if "preview" in content]
    assert shown["preview"] == "p1"
    assert "&lt;b&gt;c" in shown["html"]
    assert "<b>" not in shown["html"] + shown["changes"]
    say(panel, "previewedit", about="7 abc", text="", id="p2")
    assert sent[-1] == {"preview": "p2", "problem": "another output is shown now."}


def test_rejecting_sends_no_edit(server: ReviewServer, panel: ReviewPanel) -> None:
    write(panel, "Edited")
    click(panel, "reject")
    (asked,) = server.asked("/hitl-review/sessions/reject")
    assert "edited_output" not in asked.body
    assert not state(panel)["shown"]


def test_errors_reach_the_editor(server: ReviewServer, panel: ReviewPanel) -> None:
    server.edit_errors = [([], "Too short")]
    write(panel, "Edited")
    click(panel, "approve")
    assert state(panel)["errors"] == [{"path": [], "message": "Too short"}]
    assert state(panel)["text"] == "Edited"


def test_expired_login_keeps_the_edit(server: ReviewServer, panel: ReviewPanel) -> None:
    write(panel, "Edited")
    server.broken["/hitl-review"] = (401, "application/json", '{"detail": "Invalid JWT token"}')
    click(panel, "approve")
    assert (state(panel)["text"], state(panel)["stale"]) == ("Edited", None)


def test_edit_of_another_review_is_shown_there(server: ReviewServer, panel: ReviewPanel) -> None:
    write(panel, "Edited")
    open_row(panel, "a")
    assert not state(panel)["shown"]
    open_row(panel, "b")
    server.next_output(key("b"), "Newer")
    refresh(panel)
    assert state(panel)["text"] == "Edited"
    assert state(panel)["stale"]["again"] == "Edit output 2 instead"


def test_edit_of_an_earlier_try_is_not_called_that_of_the_new_output(
    server: ReviewServer, panel: ReviewPanel
) -> None:
    write(panel, "Edited")
    server.change(key("b"), current_output="Of the new try", created_at=stamp(9))
    refresh(panel)
    assert state(panel)["label"] == "Your edit of the earlier output"
    assert state(panel)["stale"]["again"] == "Edit the new output instead"
