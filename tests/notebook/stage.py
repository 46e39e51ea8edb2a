"""The elements on a stage: what a kernel shows in the front-end tests, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from hitl_notebook.panel.elements import (
    Act,
    Cancel,
    Confirm,
    DecisionForm,
    Draft,
    Help,
    InboxList,
    Keyboard,
    Login,
    LoginForm,
    Message,
    Open,
    OpenNext,
    Pick,
)
from hitl_notebook.panel.views import close_all

STATES = [
    ("waiting", "Waiting for you"),
    ("working", "Changes requested"),
    ("approved", "Approved"),
    ("rejected", "Rejected"),
    ("timed_out", "Timed out"),
    ("ended", "Ended without approval"),
    ("abandoned", "No longer waiting"),
]
DEADLINES = [None, timedelta(minutes=40), timedelta(hours=5), timedelta(minutes=-12), timedelta(days=3)]


def row(number: int, **changes: Any) -> dict[str, Any]:
    """A row of the list; the first seven each have a different state, the others wait."""
    now = datetime.now(timezone.utc)
    state, words = STATES[number] if number < len(STATES) else STATES[0]
    due = DEADLINES[number % len(DEADLINES)]
    return {
        "id": f"r{number}",
        "state": state,
        "words": words,
        "dag_id": f"report_{number}",
        "run_id": f"manual__2030-11-{number % 28 + 1:02}T10:00:00.123456+00:00",
        "task_id": "review",
        "map_index": number if number % 2 else -1,
        "iteration": 2,
        "round": "round 2 of 5",
        "title": "Write the report of the month." if number % 4 else "",
        "excerpt": f"Revenue rose {number}% to €66,180, led by the north." if number % 3 else "",
        "created_at": (now - timedelta(minutes=31 * number + 5)).isoformat(),
        "updated_at": (now - timedelta(minutes=31 * number)).isoformat(),
        "deadline_at": (now + due).isoformat() if due is not None else None,
        "is_new": number == 0,
        "listed": True,
        "pickable": state == "waiting",
        **changes,
    }


def form_state(**changes: Any) -> dict[str, Any]:
    """The state of a form."""
    actions = [("approve", "Approve", "good"), ("request_changes", "Request changes", "plain")]
    actions.append(("reject", "Reject", "bad"))
    return {
        "shown": True,
        "key": "r0",
        "label": "Your feedback",
        "placeholder": "What should change?",
        "draft": "",
        "draft_version": 0,
        "max_length": 200,
        "buttons": [
            {"action": action, "label": label, "kind": kind, "enabled": True, "title": ""}
            for action, label, kind in actions
        ],
        "confirm": None,
        "busy": "",
        "notice": None,
        "next": {"label": "Then open the next", "on": True},
        "hint": "This is the last round.",
        "store": "stage:",
        **changes,
    }


class Stage:
    """The four elements in a panel that behaves like the real one; their messages are listed below them."""

    def __init__(self, rows: int = 50) -> None:
        self.list = InboxList(rows=[row(n) for n in range(rows)], selected="r0", empty="Nothing waits.")
        self.form = DecisionForm(state=form_state())
        self.login = LoginForm(state={"shown": False, "url": "", "username": "", "busy": "", "problem": ""})
        self.keyboard = Keyboard()
        self.drafts: dict[str, str] = {}
        self.messages: list[Message] = []
        handlers: list[tuple[Any, Callable[[Any], None]]] = [
            (self.list, self._on_list),
            (self.form, self._on_form),
            (self.login, self._on_login),
            (self.keyboard, self._on_keyboard),
        ]
        for element, handler in handlers:
            element.on_message(self._note)
            element.on_message(handler)
        css = resources.files("hitl_notebook.panel").joinpath("panel.css").read_text(encoding="utf-8")
        style = _with(widgets.HTML(f"<style>{css}</style>"), "hitl-style")
        search = _with(widgets.Text(description="Search", placeholder="Search"), "hitl-search")
        show = widgets.Dropdown(description="Show", options=["Open reviews", "All"])
        inbox = _with(widgets.VBox([_with(widgets.Box([show, search]), "hitl-toolbar"), self.list]), "hitl-inbox")
        self.output = _with(widgets.HTML(), "stage-output")
        session = _with(widgets.VBox([self.output, self.form]), "hitl-session")
        body = _with(widgets.HBox([inbox, session]), "hitl-body")
        panel = _with(widgets.VBox([style, self.keyboard, self.login, body]), "hitl-panel")
        self.said = _with(widgets.HTML(), "stage-said")
        self.widget = widgets.VBox([panel, self.said])

    def change_form(self, **changes: Any) -> None:
        """Change what the form shows."""
        self.form.state = {**self.form.state, **changes}

    def set_draft(self, text: str, **changes: Any) -> None:
        """Change the text in the form, as when another review is opened or a decision is made."""
        self.change_form(draft=text, draft_version=self.form.state["draft_version"] + 1, **changes)

    def _note(self, message: Message) -> None:
        self.messages.append(message)
        lines = "".join(f"<li>{escape(repr(message))}</li>" for message in self.messages)
        self.said.value = f"<ul>{lines}</ul>"

    def _on_list(self, message: Open | Pick) -> None:
        if isinstance(message, Open):
            self.list.selected = message.id
            self.set_draft(self.drafts.get(message.id, ""), key=message.id, confirm=None)
            return
        rest = [row_id for row_id in self.list.picked if row_id not in message.ids]
        self.list.picked = [*rest, *message.ids] if message.on else rest

    def _on_form(self, message: Draft | Act | Confirm | Cancel | OpenNext) -> None:
        if isinstance(message, OpenNext):
            self.change_form(next={**self.form.state["next"], "on": message.on})
            return
        if isinstance(message, Cancel):
            self.change_form(confirm=None)
            return
        self.drafts[message.key] = message.text
        if message.key != self.form.state["key"]:
            return
        if isinstance(message, Draft):
            self.change_form(draft=message.text)
        elif isinstance(message, Confirm) or message.action == "request_changes":
            if message.text.strip() or isinstance(message, Confirm):
                del self.drafts[message.key]
                self.set_draft("", confirm=None)
        else:
            text = {"approve": "Approving output 2", "reject": "Rejecting output 2"}[message.action]
            held = {"action": message.action, "text": text, "label": "Send now", "seconds": 5}
            self.change_form(confirm=held, draft=message.text)

    def _on_login(self, message: Login) -> None:
        good = "secret" in (message.password, message.token)
        self.login.state = {**self.login.state, "shown": not good, "problem": "" if good else "Wrong password."}

    def _on_keyboard(self, message: Help) -> None:
        self.keyboard.shown = message.shown


class Theatre:
    """A stage that can be renewed without a new kernel.

    Attributes:
        widget: to display. Text put into its last field is executed, with ``stage`` as the current stage.
    """

    def __init__(self) -> None:
        self.stage = Stage()
        remote = _with(widgets.Textarea(continuous_update=False), "stage-remote")
        remote.observe(lambda change: self._do(change["new"]), "value")
        self.widget = widgets.VBox([self.stage.widget, remote])

    def renew(self, name: str) -> None:
        """Replace the stage by a new one; its widget gets ``name`` as a class."""
        last, self.stage = self.stage, Stage()
        self.stage.widget.add_class(name)
        self.widget.children = (self.stage.widget, *self.widget.children[1:])
        close_all(last.widget)

    def _do(self, code: str) -> None:
        exec(code, {**globals(), "stage": self.stage, "theatre": self, "when": self._when})

    def _when(self, path: str, function: Callable[[], object]) -> None:
        """Call a function as soon as a file exists at ``path``."""
        if Path(path).exists():
            function()
        else:
            asyncio.get_event_loop().call_later(0.02, self._when, path, function)


def _with(widget: Any, name: str) -> Any:
    widget.add_class(name)
    return widget
