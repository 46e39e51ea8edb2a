"""The open review's decision form."""

from __future__ import annotations

from typing import Any

from hitl_notebook.panel.actions import Action
from hitl_notebook.panel.forms import MAX_FEEDBACK_LENGTH, button, confirmation, message
from hitl_notebook.panel.messages import id_of
from hitl_notebook.panel.review.edit import about
from hitl_notebook.panel.review.model import ReviewModel
from hitl_rendering.decision_words import (
    FEEDBACK_LABEL,
    LAST_ROUND,
    OPEN_NEXT,
    action_words,
    form_words,
    impossible,
    is_last_round,
    is_one_question,
)
from hitl_rendering.render import encodable

RESUME_EDIT = "Go on with the edit"
RESUME_EDIT_EFFECT = "The task did not go on with the last edit of this output"

NO_EDITS_HERE = "The output cannot be edited: its task does not support edits."
"""The plugin's words for a task that knows no edits: nobody has switched them off, so nobody is told."""

_DECISIONS = (
    (Action.APPROVE, "approve", "good"),
    (Action.REQUEST_CHANGES, "feedback", "plain"),
    (Action.REJECT, "reject", "bad"),
)


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
    asks = review.request_kind if review is not None else None
    words = action_words(review.on_reject if review is not None else "fail", edited=edited, request_kind=asks)
    told, cannot = form_words(asks), impossible(asks, edited=edited)
    is_last = review is not None and is_last_round(review.iteration, review.max_iterations, asks)
    last = LAST_ROUND if is_last else ""

    notes = {"feedback": last}
    decisions = [
        button(action, words[name].label, kind, may, reserved or notes.get(name) or words[name].effect)
        for action, name, kind in _DECISIONS
        if name not in cannot
    ]
    return {
        "shown": model.wants_form and not hidden,
        "key": id_of(model.selected) if model.selected is not None else "",
        "about": about(review),
        "label": FEEDBACK_LABEL,
        "placeholder": told.placeholder,
        "draft": encodable(model.draft),
        "draft_version": model.draft_version,
        "max_length": MAX_FEEDBACK_LENGTH,
        # The editor's come last, so that no other button is where they were once the editor is open.
        "buttons": [*decisions, *_edit_buttons(model)],
        "confirm": confirmation(model.confirming),
        "busy": model.sending.busy if model.sending is not None else "",
        "notice": None if hidden else message(model.notice),
        "next": {"label": OPEN_NEXT, "on": model.opens_next},
        "hint": reserved or last or (told.edit_hint if edited else ""),
        "store": store,
    }


def _edit_buttons(model: ReviewModel) -> list[dict[str, Any]]:
    """Return the buttons that open the editor; none while it is open, or where the task knows no edits."""
    review, edits = model.review, model.edits
    if review is None or edits.edit is not None:
        return []
    if is_one_question(review.request):
        return []
    refused = "" if review.allow_modifications else review.modifications_refused or NO_EDITS_HERE
    if refused == NO_EDITS_HERE:
        return []
    refused = encodable(model.reserved or refused)
    told = form_words(review.request_kind)
    offered = {"edit": (told.edit_label, told.edit_effect)}
    if edits.resumable:
        offered["resume"] = (RESUME_EDIT, RESUME_EDIT_EFFECT)
    enabled = model.may_decide and not refused
    return [
        {
            "action": action,
            "label": label,
            "kind": "plain",
            "enabled": enabled,
            "title": refused or effect,
            "refused": refused,
        }
        for action, (label, effect) in offered.items()
    ]
