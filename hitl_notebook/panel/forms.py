"""Builds the state of decision forms from the models."""

from __future__ import annotations

from typing import Any

from hitl_notebook.client.records import Review
from hitl_notebook.panel.bulk.model import BulkModel
from hitl_notebook.panel.inbox.rows import id_of
from hitl_notebook.panel.review.model import Action, Confirmation, ReviewModel
from hitl_rendering.render import encodable

BULK_KEY = "several"
"""Key of the bulk form."""

_LAST_ROUND = "This is the last round: requesting changes now ends the review without approval, and the task fails."

MAX_FEEDBACK_LENGTH = 100_000
"""Characters; the server's limit."""


def session_form(model: ReviewModel, store: str) -> dict[str, Any]:
    """Return the open review's form, in the format of ``elements.DecisionForm.state``.

    Args:
        model: model of the open review.
        store: key under which the browser stores drafts.
    """
    last, reserved = model.is_last_round, encodable(model.reserved)
    return {
        "shown": model.wants_form,
        "key": id_of(model.selected) if model.selected is not None else "",
        "about": about(model.review),
        "label": "Your feedback",
        "placeholder": "What should change? Also the place for a reason when you reject.",
        "draft": encodable(model.draft),
        "draft_version": model.draft_version,
        "max_length": MAX_FEEDBACK_LENGTH,
        "buttons": [
            _button(
                Action.APPROVE,
                "Approve",
                "good",
                model.may_decide,
                reserved or "The task goes on with this output",
            ),
            _button(
                Action.REQUEST_CHANGES,
                "Request changes",
                "plain",
                model.may_decide,
                reserved
                or ("Ends the review: this was the last round" if last else "The task makes the next output"),
            ),
            _button(
                Action.REJECT,
                "Reject",
                "bad",
                model.may_decide,
                reserved or "The task fails and is not retried",
            ),
        ],
        "confirm": _confirm(model.confirming),
        "busy": encodable(model.busy),
        "hint": reserved or (_LAST_ROUND if last else ""),
        "store": store,
    }


def about(review: Review | None) -> str:
    """Return a name for a review's current output, which the browser sends back with a decision."""
    return f"{review.iteration} {review.output_sha256}" if review is not None else ""


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
            _button(Action.APPROVE, f"Approve {len(bulk.picks)}", "good", enabled, "Their tasks go on"),
            _button(Action.REJECT, f"Reject {len(bulk.picks)}", "bad", enabled, "Their tasks fail"),
        ],
        "confirm": _confirm(bulk.confirming),
        "busy": _progress(bulk),
        "hint": "",
        "store": "",
    }


def _button(action: Action, label: str, kind: str, enabled: bool, title: str) -> dict[str, Any]:
    return {"action": action.value, "label": label, "kind": kind, "enabled": enabled, "title": title}


def _confirm(asked: Confirmation | None) -> dict[str, str] | None:
    return None if asked is None else {"action": asked.action.value, "text": asked.text, "label": asked.label}


def _progress(bulk: BulkModel) -> str:
    run = bulk.run
    if run is None or run.ended:
        return ""
    word = "Approving" if run.action is Action.APPROVE else "Rejecting"
    return f"{word}… {len(run.outcomes)} of {len(run.picks)}"
