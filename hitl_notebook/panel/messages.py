"""Messages of user actions from the browser to the kernel, validated before use."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import msgspec

from hitl_notebook.records import ReviewKey

ActionName = Literal["approve", "request_changes", "reject"]

MAX_TEXT_CHARS = 1_000_000
"""Maximum length of a text in a message; no form accepts a longer one."""

Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT_CHARS)]

_NOT_SHOWN = frozenset({"password", "token", "about", "iterations", "edit"})
"""Fields that no ``repr`` shows: secrets, and what only says which output was on the screen."""


class _Message(msgspec.Struct, frozen=True, tag_field="do", tag=str.lower):
    """A message; its field ``do`` is the name of the class in lower case."""

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in _NOT_SHOWN)
        return f"{type(self).__name__}({', '.join(shown)})"


class Open(_Message, frozen=True):
    """Open the review of this row."""

    id: Text


class Pick(_Message, frozen=True):
    """Pick or unpick these rows; ``iterations`` are the numbers of the outputs on the screen."""

    ids: tuple[str, ...]
    on: bool
    iterations: tuple[int, ...] = ()


class Draft(_Message, frozen=True):
    """The current draft of the review with this key."""

    key: Text
    text: Text


class EditedOutput(msgspec.Struct, frozen=True):
    """What is in the editor of an output.

    Attributes:
        about: name for the output that is edited, as in ``Act``.
        text: the edited text; None if it is too long for a message.
        problem: why it cannot be sent yet; empty if it can.
    """

    about: Text
    text: Text | None
    problem: Annotated[str, msgspec.Meta(max_length=10_000)] = ""


class Act(_Message, frozen=True):
    """A button of the form was clicked.

    Attributes:
        key: key of the form's review.
        action: action of the button.
        text: text in the form.
        about: the form's name for the output on the screen; empty if it has none.
        edit: what is in the editor, if it is open: a decision is about what is on the screen.
    """

    key: Text
    action: ActionName
    text: Text
    about: Text = ""
    edit: EditedOutput | None = None


class Confirm(_Message, frozen=True):
    """The user confirmed; fields as in ``Act``."""

    key: Text
    action: ActionName
    text: Text
    about: Text = ""
    edit: EditedOutput | None = None


class StartEdit(_Message, frozen=True):
    """The user wants to edit the output of the review with this key; ``again``: to go on with its last edit."""

    key: Text
    again: bool = False


class Edit(_Message, frozen=True):
    """What is in the editor of the review with this key."""

    key: Text
    edit: EditedOutput


class PreviewEdit(_Message, frozen=True):
    """The user wants to see what is in the editor as it will be shown; ``id`` is sent back with it."""

    key: Text
    about: Text
    text: Text
    id: Annotated[str, msgspec.Meta(max_length=64)]


class DiscardEdit(_Message, frozen=True):
    """The user gave up the edit of the output ``about``."""

    key: Text
    about: Text


class Choose(_Message, frozen=True):
    """How the reader wants to see the output and its changes; empty for the usual way."""

    display_as: Annotated[str, msgspec.Meta(max_length=64)] = ""
    changes: Annotated[str, msgspec.Meta(max_length=64)] = ""


class Cancel(_Message, frozen=True):
    """The user cancelled the confirmation, or undid the decision that is held back."""

    key: Text


class OpenNext(_Message, frozen=True):
    """The user chose whether the next waiting review opens after a decision."""

    on: bool


class Login(_Message, frozen=True):
    """Log in, with a user name and a password or with a token; unused fields are empty."""

    url: Text
    username: Text
    password: Text
    token: Text


class Help(_Message, frozen=True):
    """The list of keyboard shortcuts was opened or closed."""

    shown: bool


Editing = StartEdit | Edit | PreviewEdit | DiscardEdit
Message = Open | Pick | Draft | Act | Confirm | Cancel | Editing | Choose | OpenNext | Login | Help


def read_message(content: object, kinds: frozenset[str]) -> Message | None:
    """Parse a message from the browser.

    Args:
        content: content of the message, of any shape.
        kinds: expected values of ``do``.

    Returns:
        The message; None if its kind is unexpected or its shape is invalid.
    """
    try:
        message = msgspec.convert(content, Message)
    except msgspec.ValidationError:
        return None
    return message if type(message).__name__.lower() in kinds else None


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
