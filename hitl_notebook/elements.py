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
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, ClassVar, Literal

import anywidget
from traitlets import Bool, Dict, List, Unicode

log = logging.getLogger(__name__)

Decision = Literal["approve", "request_changes", "reject"]

MAX_TEXT_CHARS = 1_000_000
"""A longer text in a message was not typed by a person, nor let through by a form."""


@dataclass(frozen=True)
class Open:
    """Open the review of this row."""

    id: str


@dataclass(frozen=True)
class Pick:
    """Pick these rows, or pick them no more."""

    ids: tuple[str, ...]
    on: bool


@dataclass(frozen=True)
class Draft:
    """What is typed about the review with this key, by now."""

    key: str
    text: str


@dataclass(frozen=True)
class Act:
    """A button of the form was pressed; ``text`` is what stood in the form."""

    key: str
    action: Decision
    text: str


@dataclass(frozen=True)
class Confirm:
    """What was asked back is to be done; ``text`` is what stood in the form."""

    key: str
    action: Decision
    text: str


@dataclass(frozen=True)
class Cancel:
    """What was asked back is not to be done."""

    key: str


@dataclass(frozen=True)
class Login:
    """Log in, with a user name and a password or with a token; what was not chosen is empty."""

    url: str
    username: str
    password: str = field(repr=False)
    token: str = field(repr=False)


@dataclass(frozen=True)
class Help:
    """The list of keys was opened or closed."""

    shown: bool


Post = Callable[[Callable[[], object]], None]

Message = Open | Pick | Draft | Act | Confirm | Cancel | Login | Help


def _at_once(function: Callable[[], object]) -> None:
    function()


class Element(anywidget.AnyWidget):
    """What the four have in common."""

    _module: ClassVar[str]
    _readers: ClassVar[Mapping[str, Callable[[Mapping[str, Any]], Message]]]

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
        message = _read(self._readers, content) if isinstance(content, Mapping) else None
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
    _readers: ClassVar = {
        "open": lambda m: Open(_text(m, "id")),
        "pick": lambda m: Pick(_texts(m, "ids"), _flag(m, "on")),
    }

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
    _readers: ClassVar = {
        "draft": lambda m: Draft(_text(m, "key"), _text(m, "text")),
        "act": lambda m: Act(_text(m, "key"), _decision(m), _text(m, "text")),
        "confirm": lambda m: Confirm(_text(m, "key"), _decision(m), _text(m, "text")),
        "cancel": lambda m: Cancel(_text(m, "key")),
    }

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
    _readers: ClassVar = {
        "login": lambda m: Login(_text(m, "url"), _text(m, "username"), _text(m, "password"), _text(m, "token")),
    }

    state: Any = Dict().tag(sync=True)


class Keyboard(Element):
    """Shortcuts of the panel around it, and the list of them.

    Attributes:
        shown: whether that list is shown.
    """

    _module = "keyboard.js"
    _readers: ClassVar = {"help": lambda m: Help(_flag(m, "shown"))}

    shown: Any = Bool(False).tag(sync=True)


def _source(module: str) -> str:
    folder = resources.files("hitl_notebook") / "front_end"
    parts = [(folder / name).read_text(encoding="utf-8") for name in ("shared.js", module)]
    return "\n".join(parts)


def _read(
    readers: Mapping[str, Callable[[Mapping[str, Any]], Message]], content: Mapping[str, Any]
) -> Message | None:
    kind = content.get("do")
    reader = readers.get(kind) if isinstance(kind, str) else None
    if reader is None:
        return None
    try:
        return reader(content)
    except _WrongShapeError:
        return None


class _WrongShapeError(Exception):
    pass


def _text(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name)
    if not isinstance(value, str) or len(value) > MAX_TEXT_CHARS:
        raise _WrongShapeError
    return value


def _texts(content: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = content.get(name)
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise _WrongShapeError
    return tuple(value)


def _flag(content: Mapping[str, Any], name: str) -> bool:
    value = content.get(name)
    if not isinstance(value, bool):
        raise _WrongShapeError
    return value


def _decision(content: Mapping[str, Any]) -> Decision:
    action: Any = content.get("action")
    if action not in ("approve", "request_changes", "reject"):
        raise _WrongShapeError
    decision: Decision = action
    return decision
