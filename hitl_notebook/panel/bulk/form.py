"""The decision form of the picked reviews."""

from __future__ import annotations

from typing import Any

from hitl_notebook.panel.actions import Action
from hitl_notebook.panel.bulk.model import BulkModel
from hitl_notebook.panel.forms import MAX_FEEDBACK_LENGTH, button, confirmation, message
from hitl_rendering.decision_words import REJECTED_TASKS, form_words
from hitl_rendering.render import encodable

BULK_KEY = "several"
"""Key of the bulk form."""

_BUSY = {
    Action.APPROVE: "Approving",
    Action.REJECT: "Rejecting",
    Action.REQUEST_CHANGES: "Requesting changes",
}


def bulk_form(bulk: BulkModel) -> dict[str, Any]:
    """Return the form of the picked reviews."""
    enabled, count = bool(bulk.picks) and not bulk.running, len(bulk.picks)
    return {
        "shown": bool(bulk.picks),
        "key": BULK_KEY,
        "about": "",
        "label": "Your feedback, the same for all",
        "placeholder": form_words().placeholder,
        "draft": encodable(bulk.draft),
        "draft_version": bulk.draft_version,
        "max_length": MAX_FEEDBACK_LENGTH,
        "buttons": [
            button(Action.APPROVE, f"Approve {count}", "good", enabled, "Their tasks go on"),
            button(
                Action.REQUEST_CHANGES, f"Request changes to {count}", "plain", enabled, "Their tasks go on working"
            ),
            button(Action.REJECT, f"Reject {count}", "bad", enabled, REJECTED_TASKS),
        ],
        "confirm": confirmation(bulk.confirming),
        "busy": _progress(bulk),
        "notice": message(bulk.notice),
        "hint": "",
        "store": "",
    }


def _progress(bulk: BulkModel) -> str:
    run = bulk.run
    if run is None or run.ended:
        return ""
    return f"{_BUSY[run.action]}… {len(run.outcomes)} of {len(run.picks)}"
