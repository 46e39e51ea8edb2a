"""What the decision forms of one review and of several have in common; see ``elements.DecisionForm.state``."""

from __future__ import annotations

from typing import Any

from hitl_notebook.panel.actions import Action, Confirmation, Notice
from hitl_rendering.render import encodable

MAX_FEEDBACK_LENGTH = 100_000
"""Characters; the server's limit."""


def button(action: Action, label: str, kind: str, enabled: bool, title: str) -> dict[str, Any]:
    """Return a button of a form."""
    return {"action": action.value, "label": label, "kind": kind, "enabled": enabled, "title": title}


def confirmation(asked: Confirmation | None) -> dict[str, Any] | None:
    """Return the confirmation prompt of a form, if there is one."""
    if asked is None:
        return None
    return {"action": asked.action.value, "text": asked.text, "label": asked.label, "seconds": asked.seconds}


def message(notice: Notice | None) -> dict[str, str] | None:
    """Return the notice of a form, if there is one."""
    return None if notice is None else {"kind": notice.kind, "text": encodable(notice.text)}
