"""What a reviewer can do, and what the panel says about it; for one review and for several."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hitl_notebook.errors import ConnectionFailedError, HITLNotebookError, ServerError
from hitl_rendering.decision_words import form_words


class Action(str, Enum):
    """Actions of a reviewer."""

    APPROVE = "approve"
    REJECT = "reject"
    REQUEST_CHANGES = "request_changes"


@dataclass(frozen=True)
class Notice:
    """A message for the reviewer; ``kind`` is ``"info"``, ``"success"``, ``"warning"`` or ``"error"``."""

    kind: str
    text: str


TEXT_MISSING = Notice("warning", form_words().text_missing)


@dataclass(frozen=True)
class Confirmation:
    """What a form asks before a decision is sent.

    Attributes:
        label: text of the confirm button.
        seconds: after these the decision is sent without an answer; 0 if it needs one.
    """

    action: Action
    text: str
    label: str
    seconds: float = 0.0


def is_unknown(error: HITLNotebookError) -> bool:
    """Whether a decision may still have been recorded: there was no response, or not one of ours."""
    if isinstance(error, ServerError):
        return error.status_code is None or error.status_code >= 500
    return isinstance(error, ConnectionFailedError)
