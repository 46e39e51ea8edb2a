"""Messages of user actions from the browser to the kernel, validated before use."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hitl_notebook.records import ReviewKey

ActionName = Literal["approve", "request_changes", "reject"]

MAX_TEXT_CHARS = 1_000_000
"""Maximum length of a text in a message; no form accepts a longer one."""


@dataclass(frozen=True)
class Open:
    """Open the review of this row."""

    id: str


@dataclass(frozen=True)
class Pick:
    """Pick or unpick these rows; ``iterations`` are the numbers of the outputs on the screen."""

    ids: tuple[str, ...]
    on: bool
    iterations: tuple[int, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Draft:
    """The current draft of the review with this key."""

    key: str
    text: str


@dataclass(frozen=True)
class Act:
    """A button of the form was clicked.

    Attributes:
        key: key of the form's review.
        action: action of the button.
        text: text in the form.
        about: the form's name for the output on the screen; empty if it has none.
    """

    key: str
    action: ActionName
    text: str
    about: str = field(default="", repr=False)


@dataclass(frozen=True)
class Confirm:
    """The user confirmed; fields as in ``Act``."""

    key: str
    action: ActionName
    text: str
    about: str = field(default="", repr=False)


@dataclass(frozen=True)
class Cancel:
    """The user cancelled the confirmation."""

    key: str


@dataclass(frozen=True)
class Login:
    """Log in, with a user name and a password or with a token; unused fields are empty."""

    url: str
    username: str
    password: str = field(repr=False)
    token: str = field(repr=False)


@dataclass(frozen=True)
class Help:
    """The list of keyboard shortcuts was opened or closed."""

    shown: bool


Message = Open | Pick | Draft | Act | Confirm | Cancel | Login | Help


def read_message(content: object, kinds: frozenset[str]) -> Message | None:
    """Parse a message from the browser.

    Args:
        content: content of the message, of any shape.
        kinds: expected values of ``do``.

    Returns:
        The message; None if its kind is unexpected or its shape is invalid.
    """
    kind = content.get("do") if isinstance(content, Mapping) else None
    if not isinstance(content, Mapping) or not isinstance(kind, str) or kind not in kinds:
        return None
    try:
        return _READERS[kind](content)
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


def _numbers(content: Mapping[str, Any], name: str) -> tuple[int, ...]:
    value = content.get(name, ())
    if not isinstance(value, (list, tuple)) or not all(type(item) is int for item in value):
        raise _WrongShapeError
    return tuple(value)


def _flag(content: Mapping[str, Any], name: str) -> bool:
    value = content.get(name)
    if not isinstance(value, bool):
        raise _WrongShapeError
    return value


def _decision(content: Mapping[str, Any]) -> ActionName:
    action: Any = content.get("action")
    if action not in ("approve", "request_changes", "reject"):
        raise _WrongShapeError
    decision: ActionName = action
    return decision


_READERS: dict[str, Callable[[Mapping[str, Any]], Message]] = {
    "open": lambda m: Open(_text(m, "id")),
    "pick": lambda m: Pick(_texts(m, "ids"), _flag(m, "on"), _numbers(m, "iterations")),
    "draft": lambda m: Draft(_text(m, "key"), _text(m, "text")),
    "act": lambda m: Act(_text(m, "key"), _decision(m), _text(m, "text"), _text({"about": "", **m}, "about")),
    "confirm": lambda m: Confirm(
        _text(m, "key"), _decision(m), _text(m, "text"), _text({"about": "", **m}, "about")
    ),
    "cancel": lambda m: Cancel(_text(m, "key")),
    "login": lambda m: Login(_text(m, "url"), _text(m, "username"), _text(m, "password"), _text(m, "token")),
    "help": lambda m: Help(_flag(m, "shown")),
}


def id_of(key: ReviewKey) -> str:
    """Return a row id for a review, which the browser sends back unchanged."""
    return json.dumps(key)


def key_of_id(row_id: str) -> ReviewKey | None:
    """Return the review key of a row id; None if the id is invalid."""
    try:
        dag_id, run_id, task_id, map_index = json.loads(row_id)
        return ReviewKey(str(dag_id), str(run_id), str(task_id), int(map_index))
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
