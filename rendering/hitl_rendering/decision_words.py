"""What both user interfaces say about the decisions, in their forms and once they are made."""

from __future__ import annotations

from typing import NamedTuple

from hitl_rendering.calls_box import Request


class ActionWords(NamedTuple):
    """What a reviewer is told about one of the decisions.

    Attributes:
        label: text of its button.
        effect: what it does.
        held: says that it is about to be sent; ``{}`` is the number of the output.
        held_with_text: the same, with what the reviewer typed.
        done: says that it was recorded.
    """

    label: str
    effect: str
    held: str
    held_with_text: str
    done: str


class FormWords(NamedTuple):
    """What a form says beside its buttons.

    Attributes:
        placeholder: in the field for the text.
        text_missing: what to do if that is empty, and must not be.
        edit_label: text of the button that opens the editor.
        edit_effect: what that does.
        edit_hint: what the text does, once the output is edited.
        comes: what comes after a request for changes.
    """

    placeholder: str
    text_missing: str
    edit_label: str
    edit_effect: str
    edit_hint: str
    comes: str


ACTION_WORDS = {
    "approve": ActionWords(
        "Approve",
        "The task goes on with this output",
        "Approving output {}",
        "Approving output {} with your comment",
        "Approved output {}. The task goes on.",
    ),
    "feedback": ActionWords(
        "Request changes",
        "The task makes the next output",
        "Requesting changes to output {}",
        "Requesting changes to output {}",
        "Changes requested to output {}.",
    ),
    "reject": ActionWords(
        "Reject",
        "The task fails and is not retried",
        "Rejecting output {} without a reason",
        "Rejecting output {} with your reason",
        "Rejected output {}.",
    ),
}
"""The decisions by their name in REST paths, in the order of the buttons."""

_APPROVE_EDIT = ActionWords(
    "Approve the edit",
    "The task goes on with your edit",
    "Approving output {} as you edited it",
    "Approving output {} as you edited it, with your comment",
    "Approved output {} as you edited it. The task goes on.",
)
_ASK_FROM_EDIT = ActionWords(
    "Request changes",
    "The task goes on from your edit",
    "Requesting changes to output {} as you edited it",
    "Requesting changes to output {} as you edited it",
    "Changes requested to output {} as you edited it.",
)
_APPROVE_CALLS = ActionWords(
    "Approve",
    "The agent makes these calls, and goes on",
    "Approving all calls of request {}",
    "Approving all calls of request {} with your comment",
    "Approved all calls of request {}. The agent goes on.",
)
_SEND_ANSWERS = ActionWords(
    "Send the answers",
    "The agent makes the calls that you approve, as you edited them, and goes on",
    "Sending your answers to request {}",
    "Sending your answers to request {} with your comment",
    "Answered request {}. The agent goes on.",
)
_DENY_CALLS = ActionWords(
    "Deny",
    "No call is made; the agent reads your text, and goes on",
    "Denying all calls of request {}",
    "Denying all calls of request {}",
    "Denied all calls of request {}. The agent goes on.",
)
_ANSWER = ActionWords(
    "Answer",
    "The agent reads your text as the answer, and goes on",
    "Answering request {}",
    "Answering request {}",
    "Answered request {}. The agent goes on.",
)
_REJECT_REQUEST = ActionWords(
    "Reject",
    "No call is made; the task fails and is not retried",
    "Rejecting request {} without a reason",
    "Rejecting request {} with your reason",
    "Rejected request {}.",
)
_SKIPS = "The task is skipped, and so are tasks that need it"

REJECTED_TASKS = "Their tasks fail and are not retried, or are skipped, if their DAGs say so"
"""What rejecting several reviews does: their list does not say what it does to each."""

_COMES = "What the agent says next appears here."
_ANSWER_EACH = "Answer in detail"
_ANSWER_EACH_EFFECT = "Approve or deny each call, and edit its arguments"

_FORM_WORDS = {
    None: FormWords(
        "What should change? Or a comment to approve with, or why you reject.",
        "Write what should change, then request changes.",
        "Edit",
        "Change the output by hand",
        "If you request changes, the task goes on from your edit.",
        "The next output appears here when it is ready.",
    ),
    "tool_calls": FormWords(
        "Why not? The agent reads it, and goes on. Or a comment to approve with, or why you reject.",
        "Write for the agent why its calls are denied, then deny them.",
        _ANSWER_EACH,
        _ANSWER_EACH_EFFECT,
        "Send your answers; to deny all calls with one text, discard the answers first.",
        _COMES,
    ),
    "question": FormWords(
        "Your answer, which the agent reads. Or why you reject.",
        "Write your answer first.",
        _ANSWER_EACH,
        _ANSWER_EACH_EFFECT,
        "Send your answers; to give one answer to all, discard these first.",
        _COMES,
    ),
}
WORKING = "The next output is being made. It appears here when it is ready."
GOING_ON = f"The agent goes on. {_COMES}"
"""Said instead, after a request."""

FEEDBACK_LABEL = "Your feedback"
LAST_ROUND = "This is the last round: requesting changes now ends the review without approval, and the task fails."
LAST_ROUND_QUESTION = (
    "Request changes in the last round? The review then ends without approval, and the task fails. "
    "This can't be undone."
)

HOLD_SECONDS = 5
"""How long a decision is held back, so that the reviewer can undo it."""

OPEN_NEXT = "Then open the next"
"""Label of the choice to open the next waiting review after a decision."""


def action_words(
    on_reject: str = "fail", *, edited: bool = False, request_kind: str | None = None
) -> dict[str, ActionWords]:
    """The decisions as ``ACTION_WORDS`` has them, for one review.

    Args:
        on_reject: what rejecting does to its task: ``"fail"`` or ``"skip"``.
        edited: whether the reviewer has edited the output.
        request_kind: what the agent asks, if the output is that: ``"tool_calls"`` or ``"question"``.
    """
    words = dict(ACTION_WORDS)
    if request_kind is not None:
        words["approve"] = _SEND_ANSWERS if edited else _APPROVE_CALLS
        words["feedback"] = _ANSWER if request_kind == "question" else _DENY_CALLS
        words["reject"] = _REJECT_REQUEST
    elif edited:
        words["approve"], words["feedback"] = _APPROVE_EDIT, _ASK_FROM_EDIT
    if on_reject == "skip":
        words["reject"] = words["reject"]._replace(effect=_SKIPS)
    if edited:
        words["reject"] = words["reject"]._replace(effect=f"{words['reject'].effect}; your edit is dropped")
    return words


def form_words(request_kind: str | None = None) -> FormWords:
    """What a form says; ``request_kind`` is what the agent asks, if the output is that."""
    return _FORM_WORDS.get(request_kind) or _FORM_WORDS["tool_calls"]


def impossible(request_kind: str | None, *, edited: bool) -> dict[str, str]:
    """Decisions that cannot be made about an agent's request, and why.

    Args:
        request_kind: what the agent asks; None for an output.
        edited: whether the reviewer has answered call by call.
    """
    if request_kind is not None and edited:
        return {"feedback": form_words(request_kind).edit_hint}
    if request_kind == "question":
        return {"approve": "A question needs an answer: write it into the field"}
    return {}


def is_last_round(iteration: int, max_iterations: int, request_kind: str | None) -> bool:
    """Whether requesting changes ends the review."""
    return request_kind is None and iteration >= max_iterations


def is_one_question(request: Request | None) -> bool:
    """Whether an agent asks nothing but one question, so that a text is the whole answer."""
    return request is not None and request.kind == "question" and len(request.calls) == 1
