"""The elements that ipywidgets has not: the list, the form, the log-in and the keyboard.

Python decides and sets traits; the browser shows them and sends messages about what people do. A message is
checked before anybody sees it, and answered when it was read, so the browser knows that the kernel is not busy.
The modules in ``front_end`` make an element of the class named there (``hitl-list`` and so on) inside the
widget's own: do not give the widget the same class.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any, ClassVar

import anywidget
from traitlets import Bool, Dict, List, Unicode

from hitl_notebook.widgets.messages import (
    Act,
    Cancel,
    Confirm,
    Decision,
    Draft,
    Help,
    Login,
    Message,
    Open,
    Pick,
    read_message,
)

__all__ = [
    "Act",
    "Cancel",
    "Confirm",
    "Decision",
    "DecisionForm",
    "Draft",
    "Element",
    "Help",
    "InboxList",
    "Keyboard",
    "Login",
    "LoginForm",
    "Message",
    "Open",
    "Pick",
]

log = logging.getLogger(__name__)

Post = Callable[[Callable[[], object]], None]
"""Calls a function on the kernel's loop, from whatever thread."""


def _at_once(function: Callable[[], object]) -> None:
    function()


class Element(anywidget.AnyWidget):
    """What the four have in common."""

    _module: ClassVar[str]
    _kinds: ClassVar[frozenset[str]]

    def __init__(self, **traits: Any) -> None:
        self._callbacks: list[Callable[[Message], object]] = []
        self._post: Post = _at_once
        self._esm = _source(self._module)
        super().__init__(**traits)
        self.on_msg(self._receive)

    def on_message(self, callback: Callable[[Message], object], post: Post = _at_once) -> None:
        """Call this with each message of a person's doing.

        Args:
            callback: what to call.
            post: how: messages may come on another thread than the kernel's main one, even while that is busy.
        """
        self._callbacks.append(callback)
        self._post = post

    def _receive(self, _: Any, content: object, buffers: object) -> None:
        message = read_message(content, self._kinds)
        ref = content.get("ref") if isinstance(content, Mapping) else None
        if message is None:
            self._ignore()
            self._answer(ref)
            return
        self._post(lambda: self._apply(message, ref))

    def _apply(self, message: Message, ref: object) -> None:
        try:
            for callback in self._callbacks:
                callback(message)
        finally:
            self._answer(ref)

    def _answer(self, ref: object) -> None:
        """Say that a message was not only read but done: until then the browser calls the kernel busy."""
        if isinstance(ref, str) and len(ref) <= 64:
            self.send({"done": ref})

    def _ignore(self) -> None:
        # Not what is in it: that may be a password.
        log.warning("%s: ignored a message that is none of its own", type(self).__name__)


class InboxList(Element):
    """The list of reviews.

    Attributes:
        rows: one dict per row, as in ``front_end/inbox_list.js``.
        selected: id of the open row; empty if none is.
        picked: ids of the picked rows.
        empty: what to say when there are no rows.
    """

    _module = "inbox_list.js"
    _kinds = frozenset({"open", "pick"})

    rows: Any = List(Dict()).tag(sync=True)
    selected: Any = Unicode("").tag(sync=True)
    picked: Any = List(Unicode()).tag(sync=True)
    empty: Any = Unicode("").tag(sync=True)


class DecisionForm(Element):
    """A text and the buttons that decide, about one review or about several.

    Attributes:
        state: what is shown, as in ``front_end/decision_form.js``.
        instance: tells this form from one of another kernel, in texts that the browser keeps.
    """

    _module = "decision_form.js"
    _kinds = frozenset({"draft", "act", "confirm", "cancel"})

    state: Any = Dict().tag(sync=True)
    instance: Any = Unicode().tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**{"instance": uuid.uuid4().hex, **traits})


class LoginForm(Element):
    """Address and credentials. A password or a token comes in a message only, never in a trait.

    Attributes:
        state: ``shown``, ``url``, ``username``, ``busy`` and ``problem``.
    """

    _module = "login_form.js"
    _kinds = frozenset({"login"})

    state: Any = Dict().tag(sync=True)


class Keyboard(Element):
    """Shortcuts of the panel around it, and the list of them.

    Attributes:
        shown: whether that list is shown.
    """

    _module = "keyboard.js"
    _kinds = frozenset({"help"})

    shown: Any = Bool(False).tag(sync=True)


def _source(module: str) -> str:
    folder = resources.files("hitl_notebook.widgets") / "front_end"
    parts = [(folder / name).read_text(encoding="utf-8") for name in ("shared.js", module)]
    return "\n".join(parts)
