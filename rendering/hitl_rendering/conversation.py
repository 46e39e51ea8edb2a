"""A review's conversation, as the client and the server have it, and the words of a decision that failed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from hitl_rendering.calls_box import Request
from hitl_rendering.trace_box import Trace

_EDIT_REFUSED = "The edit was refused: "


class Person(Protocol):
    """Who said or decided something."""

    @property
    def name(self) -> str:
        """The name that others know them by."""


class Turn(Protocol):
    """An entry of a review's conversation; other attributes are the caller's."""

    @property
    def kind(self) -> str:
        """``"output"``, ``"edit"``, ``"feedback"`` or ``"error"``; any other counts as feedback."""

    @property
    def content(self) -> str:
        """Text of the output, the edited output, the reviewer or the error."""

    @property
    def iteration(self) -> int:
        """Number of the output that it is, or is about."""

    @property
    def timestamp(self) -> datetime:
        """When it was written."""

    @property
    def user(self) -> Person | None:
        """Who said it; None for the task."""

    @property
    def acting_for(self) -> Person | None:
        """For whom they said it, if for somebody else."""

    @property
    def trace(self) -> Trace | None:
        """What the task did to make the output, if it says so."""

    @property
    def is_request(self) -> bool:
        """Whether the output is what an agent asks, or the edit is the answer."""


T_co = TypeVar("T_co", bound=Turn, covariant=True)


class Review(Protocol[T_co]):
    """A review with its conversation, as the client and the server have it."""

    @property
    def conversation(self) -> Sequence[T_co]:
        """Turns, oldest first."""

    @property
    def iteration(self) -> int:
        """Number of the current output."""

    @property
    def current_output(self) -> str:
        """Text of the current output."""

    @property
    def output_format(self) -> str:
        """``"text"`` or ``"json"``."""

    @property
    def display_as(self) -> str | None:
        """How the operator wants its output shown, if it says so."""

    @property
    def request(self) -> Request | None:
        """What the agent asks, if the current output is that."""

    @property
    def updated_at(self) -> datetime:
        """When the review changed last."""


def failure_words(reason: str, *, of_edit: bool) -> str:
    """Text of an ``"error"`` turn: the task did not carry out a decision.

    Args:
        reason: why not.
        of_edit: whether the task refused the edited output; else it could not make the next one.
    """
    return (_EDIT_REFUSED if of_edit else "Regenerating failed: ") + reason


def refusal_of(conversation: Sequence[Turn]) -> str:
    """Text of the last turn if it says that the task refused an edit, else empty."""
    last = conversation[-1] if conversation else None
    if last is None or last.kind != "error" or not last.content.startswith(_EDIT_REFUSED):
        return ""
    return last.content
