"""The open review's decision form."""

from __future__ import annotations

from typing import Any

from hitl_notebook.panel.actions import Action
from hitl_notebook.panel.forms import MAX_FEEDBACK_LENGTH, button, confirmation, message
from hitl_notebook.panel.messages import id_of
from hitl_notebook.panel.review.model import ReviewModel
from hitl_notebook.records import Review
from hitl_rendering.render import encodable
from hitl_rendering.review_words import FEEDBACK_LABEL, FEEDBACK_PLACEHOLDER, LAST_ROUND, OPEN_NEXT, action_words


def session_form(model: ReviewModel, store: str, *, hidden: bool = False) -> dict[str, Any]:
    """Return the open review's form, in the format of ``elements.DecisionForm.state``.

    Args:
        model: model of the open review.
        store: key under which the browser stores drafts.
        hidden: whether another form is shown instead.
    """
    may, reserved = model.may_decide, encodable(model.reserved)
    review = model.review
    words = action_words(review.on_reject if review is not None else "fail")
    approve, changes, reject = (words[name] for name in ("approve", "feedback", "reject"))
    last = LAST_ROUND if review is not None and review.iteration >= review.max_iterations else ""
    return {
        "shown": model.wants_form and not hidden,
        "key": id_of(model.selected) if model.selected is not None else "",
        "about": about(review),
        "label": FEEDBACK_LABEL,
        "placeholder": FEEDBACK_PLACEHOLDER,
        "draft": encodable(model.draft),
        "draft_version": model.draft_version,
        "max_length": MAX_FEEDBACK_LENGTH,
        "buttons": [
            button(Action.APPROVE, approve.label, "good", may, reserved or approve.effect),
            button(Action.REQUEST_CHANGES, changes.label, "plain", may, reserved or last or changes.effect),
            button(Action.REJECT, reject.label, "bad", may, reserved or reject.effect),
        ],
        "confirm": confirmation(model.confirming),
        "busy": model.sending.busy if model.sending is not None else "",
        "notice": None if hidden else message(model.notice),
        "next": {"label": OPEN_NEXT, "on": model.opens_next},
        "hint": reserved or last,
        "store": store,
    }


def about(review: Review | None) -> str:
    """Return a name for a review's current output, which the browser sends back with a decision."""
    return f"{review.iteration} {review.output_sha256}" if review is not None else ""
