"""The decision form of the picked reviews."""

from __future__ import annotations

from typing import Any

from hitl_notebook.panel.actions import Action
from hitl_notebook.panel.bulk.model import BulkModel
from hitl_notebook.panel.forms import MAX_FEEDBACK_LENGTH, button, confirmation
from hitl_rendering.render import encodable

BULK_KEY = "several"
"""Key of the bulk form."""


def bulk_form(bulk: BulkModel) -> dict[str, Any]:
    """Return the form of the picked reviews."""
    enabled = bool(bulk.picks) and not bulk.running
    return {
        "shown": bool(bulk.picks),
        "key": BULK_KEY,
        "about": "",
        "label": "Reason, if you reject them",
        "placeholder": "A reason, if you reject them",
        "draft": encodable(bulk.draft),
        "draft_version": bulk.draft_version,
        "max_length": MAX_FEEDBACK_LENGTH,
        "buttons": [
            button(Action.APPROVE, f"Approve {len(bulk.picks)}", "good", enabled, "Their tasks go on"),
            button(Action.REJECT, f"Reject {len(bulk.picks)}", "bad", enabled, "Their tasks fail"),
        ],
        "confirm": confirmation(bulk.confirming),
        "busy": _progress(bulk),
        "hint": "",
        "store": "",
    }


def _progress(bulk: BulkModel) -> str:
    run = bulk.run
    if run is None or run.ended:
        return ""
    word = "Approving" if run.action is Action.APPROVE else "Rejecting"
    return f"{word}… {len(run.outcomes)} of {len(run.picks)}"
