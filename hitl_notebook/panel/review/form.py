"""The open review's decision form."""

from __future__ import annotations

from typing import Any

from hitl_notebook.panel.actions import Action
from hitl_notebook.panel.forms import MAX_FEEDBACK_LENGTH, button, confirmation, message
from hitl_notebook.panel.messages import id_of
from hitl_notebook.panel.review.edit import about
from hitl_notebook.panel.review.model import ReviewModel
from hitl_rendering.render import encodable
from hitl_rendering.review_words import (
    EDIT_EFFECT,
    EDIT_LABEL,
    FEEDBACK_LABEL,
    FEEDBACK_PLACEHOLDER,
    LAST_ROUND,
    OPEN_NEXT,
    action_words,
)

RESUME_EDIT = "Go on with the edit"


def session_form(model: ReviewModel, store: str, *, hidden: bool = False) -> dict[str, Any]:
    """Return the open review's form, in the format of ``elements.DecisionForm.state``.

    Args:
        model: model of the open review.
        store: key under which the browser stores drafts.
        hidden: whether another form is shown instead.
    """
    may, reserved = model.may_decide, encodable(model.reserved)
    review = model.review
    edited = model.edits.to_send is not None
    words = action_words(review.on_reject if review is not None else "fail", edited=edited)
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
            *_edit_button(model),  # last, so that no other button is where it was once the editor is open
        ],
        "confirm": confirmation(model.confirming),
        "busy": model.sending.busy if model.sending is not None else "",
        "notice": None if hidden else message(model.notice),
        "next": {"label": OPEN_NEXT, "on": model.opens_next},
        "hint": reserved or last,
        "store": store,
    }


def _edit_button(model: ReviewModel) -> list[dict[str, Any]]:
    """Return the button that opens the editor; none while it is open, or where nothing says why it cannot be."""
    review, edits = model.review, model.edits
    if review is None or edits.edit is not None or not (review.allow_modifications or review.modifications_refused):
        return []
    label = RESUME_EDIT if edits.resumable else EDIT_LABEL
    title = model.reserved or review.modifications_refused or EDIT_EFFECT
    enabled = model.may_decide and review.allow_modifications
    return [{"action": "edit", "label": label, "kind": "plain", "enabled": enabled, "title": encodable(title)}]
