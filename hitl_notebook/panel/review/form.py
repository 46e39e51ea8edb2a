"""The open review's decision form."""

from __future__ import annotations

from typing import Any

from hitl_notebook.panel.actions import Action
from hitl_notebook.panel.forms import MAX_FEEDBACK_LENGTH, button, confirmation
from hitl_notebook.panel.messages import id_of
from hitl_notebook.panel.review.model import ReviewModel
from hitl_notebook.records import Review
from hitl_rendering.render import encodable

_LAST_ROUND = "This is the last round: requesting changes now ends the review without approval, and the task fails."


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
            button(
                Action.APPROVE,
                "Approve",
                "good",
                model.may_decide,
                reserved or "The task goes on with this output",
            ),
            button(
                Action.REQUEST_CHANGES,
                "Request changes",
                "plain",
                model.may_decide,
                reserved
                or ("Ends the review: this was the last round" if last else "The task makes the next output"),
            ),
            button(
                Action.REJECT,
                "Reject",
                "bad",
                model.may_decide,
                reserved or "The task fails and is not retried",
            ),
        ],
        "confirm": confirmation(model.confirming),
        "busy": encodable(model.busy),
        "hint": reserved or (_LAST_ROUND if last else ""),
        "store": store,
    }


def about(review: Review | None) -> str:
    """Return a name for a review's current output, which the browser sends back with a decision."""
    return f"{review.iteration} {review.output_sha256}" if review is not None else ""
