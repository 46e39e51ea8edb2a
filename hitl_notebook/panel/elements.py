"""Custom widgets that ipywidgets lacks: the list, the forms, the editor, the log-in and the keyboard.

Python decides and sets traits; the browser shows them and sends messages about user actions. Messages are
validated before use, and acknowledged, so that the browser knows that the kernel is not busy. The modules in
``front_end`` create an element with their CSS class (``hitl-list`` and so on) inside the widget's element: do
not give the widget the same class.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import anywidget
from traitlets import Bool, Dict, List, Unicode

from hitl_notebook.panel.es_modules import es_module
from hitl_notebook.panel.messages import (
    Act,
    ActionName,
    Cancel,
    Choose,
    Confirm,
    DiscardEdit,
    Draft,
    Edit,
    EditedOutput,
    Help,
    Login,
    Message,
    Open,
    OpenNext,
    Pick,
    PreviewEdit,
    StartEdit,
    read_message,
)

__all__ = [
    "Act",
    "ActionName",
    "Cancel",
    "Choose",
    "Confirm",
    "DecisionForm",
    "DiscardEdit",
    "Draft",
    "Edit",
    "EditForm",
    "EditedOutput",
    "Element",
    "Help",
    "InboxList",
    "Keyboard",
    "Login",
    "LoginForm",
    "Message",
    "Open",
    "OpenNext",
    "OutputTools",
    "Pick",
    "PreviewEdit",
    "StartEdit",
]

log = logging.getLogger(__name__)

Post = Callable[[Callable[[], object]], None]
"""Calls a function on the kernel's event loop, from any thread."""


def _at_once(function: Callable[[], object]) -> None:
    function()


class Element(anywidget.AnyWidget):
    """Base class of our widgets."""

    _module: ClassVar[str]
    _kinds: ClassVar[frozenset[str]]

    def __init__(self, **traits: Any) -> None:
        self._callbacks: list[Callable[[Message], object]] = []
        self._post: Post = _at_once
        self._esm = es_module(self._module)
        super().__init__(**traits)
        self.on_msg(self._receive)

    def on_message(self, callback: Callable[[Message], object], post: Post = _at_once) -> None:
        """Register a callback for messages of user actions.

        Args:
            callback: called with each message.
            post: how to call it: messages may arrive on another thread, even while the kernel's main one is busy.
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
        """Acknowledge that a message was processed: until then the browser shows the kernel as busy."""
        if isinstance(ref, str) and len(ref) <= 64:
            self.send({"done": ref})

    def _ignore(self) -> None:
        # Do not log the content: it may be a password.
        log.warning("%s: ignored an unknown message", type(self).__name__)


class InboxList(Element):
    """The list of reviews.

    Attributes:
        rows: one dict per row, as in ``front_end/list_row.js``.
        selected: id of the open row; empty if there is none.
        picked: ids of the picked rows.
        empty: text to show if there are no rows.
    """

    _module = "inbox_list.js"
    _kinds = frozenset({"open", "pick"})

    rows: Any = List(Dict()).tag(sync=True)
    selected: Any = Unicode("").tag(sync=True)
    picked: Any = List(Unicode()).tag(sync=True)
    empty: Any = Unicode("").tag(sync=True)


class DecisionForm(Element):
    """A text field and the decision buttons, for one review or several.

    Attributes:
        state: data of the form, as in ``front_end/decision_form.js``.
        instance: distinguishes this form from another kernel's in drafts that the browser stores.
    """

    _module = "decision_form.js"
    _kinds = frozenset({"draft", "act", "confirm", "cancel", "opennext"})

    state: Any = Dict().tag(sync=True)
    instance: Any = Unicode().tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**{"instance": uuid.uuid4().hex, **traits})


class EditForm(Element):
    """The editor of the open review's output.

    Attributes:
        state: data of the form, as in ``front_end/edit_form.js``.
        output: what is edited: ``text``, ``format``, ``schema`` and ``display``; empty while nothing is.
        instance: as for ``DecisionForm``.
    """

    _module = "edit_form.js"
    _kinds = frozenset({"startedit", "edit", "previewedit", "discardedit"})

    state: Any = Dict().tag(sync=True)
    output: Any = Dict().tag(sync=True)
    instance: Any = Unicode().tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**{"instance": uuid.uuid4().hex, **traits})

    def answer(self, preview: str, **content: str) -> None:
        """Send what became of a preview: ``html`` and ``changes``, or its ``problem``."""
        self.send({"preview": preview, **content})


class OutputTools(Element):
    """What a reader does with the outputs in the panel around it; it shows nothing itself."""

    _module = "output_tools.js"
    _kinds = frozenset({"choose"})


class LoginForm(Element):
    """URL and credentials. A password or token is sent only in a message, never in a trait.

    Attributes:
        state: ``shown``, ``url``, ``username``, ``busy`` and ``problem``.
    """

    _module = "login_form.js"
    _kinds = frozenset({"login"})

    state: Any = Dict().tag(sync=True)


class Keyboard(Element):
    """Keyboard shortcuts of the surrounding panel, and the list of them.

    Attributes:
        shown: whether the list is shown.
    """

    _module = "keyboard.js"
    _kinds = frozenset({"help"})

    shown: Any = Bool(False).tag(sync=True)
