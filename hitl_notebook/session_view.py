"""The open review: what was asked, what was said, the output, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets as widgets

from hitl_notebook import render
from hitl_notebook.model import Action, ReviewModel, words_for
from hitl_notebook.records import CHANGES_REQUESTED, PENDING, Review, Turn
from hitl_notebook.views import Post, html_view

_PILLS = {PENDING: "wait", CHANGES_REQUESTED: "busy", "approved": "good"}


class SessionView:
    """One review: what was asked, what was said, the output, and what to do about it."""

    def __init__(self, model: ReviewModel, post: Post, decide: Callable[[Action], object]) -> None:
        self._model = model
        self._post = post
        self._updating = False
        self._head = html_view()
        self._conversation = html_view()
        self._output = html_view()
        self.feedback = widgets.Textarea(
            placeholder="What should change? Also the place for a reason when you reject.", rows=3
        )
        self.feedback.add_class("hitl-feedback")
        self.feedback.observe(self._on_type, "value")
        self.approve = self._button("Approve", Action.APPROVE, decide, "hitl-approve")
        self.request_changes = self._button("Request changes", Action.REQUEST_CHANGES, decide)
        self.reject = self._button("Reject", Action.REJECT, decide, "hitl-reject")
        buttons = widgets.HBox([self.approve, self.request_changes, self.reject])
        buttons.add_class("hitl-buttons")
        self._hint = html_view()
        self._form = widgets.VBox([self.feedback, buttons, self._hint])
        self.widget = widgets.VBox([self._head, self._conversation, self._output, self._form])
        model.observe(lambda _: self.update(), ["review", "selected"])
        model.observe(lambda _: self.update_form(), ["review", "selected", "busy"])
        model.observe(lambda _: self._update_draft(), "draft")
        self.update()
        self.update_form()

    def update(self) -> None:
        """Show the open review."""
        review = self._model.review
        if review is None:
            text = "Loading…" if self._model.selected is not None else "Choose a review to read it."
            empty = self._model.selected is not None or bool(self._model.inbox and len(self._model.inbox))
            self._head.value = f'<div class="hitl-empty">{text}</div>' if empty else ""
            self._conversation.value = self._output.value = ""
            return
        self._head.value = head_html(review)
        self._conversation.value = conversation_html(review)
        self._output.value = output_html(review)

    def update_form(self) -> None:
        """Show the form while there is something to decide, the hint where there is a catch."""
        review, busy = self._model.review, bool(self._model.busy)
        self._form.layout.display = None if review is not None and review.is_pending else "none"
        for button in (self.approve, self.request_changes, self.reject):
            button.disabled = not self._model.may_decide
        self.feedback.disabled = busy
        last = review is not None and review.iteration >= review.max_iterations
        self._hint.value = (
            '<div class="hitl-meta">This is the last output: requesting changes now ends the review '
            "without approval, and the task fails.</div>"
            if last
            else ""
        )

    def _button(
        self, label: str, action: Action, decide: Callable[[Action], object], *classes: str
    ) -> widgets.Button:
        button = widgets.Button(description=label)
        for name in classes:
            button.add_class(name)
        button.on_click(lambda _: self._post(lambda: decide(action)))
        return button

    def _on_type(self, change: dict[str, Any]) -> None:
        if not self._updating:
            self._post(lambda: self._model.set_trait("draft", change["new"]))

    def _update_draft(self) -> None:
        # Only what the reviewer did changes the draft (another review opened, a decision taken): nothing
        # that comes from the background ever writes into the box.
        if self.feedback.value != self._model.draft:
            self._updating = True
            try:
                self.feedback.value = self._model.draft
            finally:
                self._updating = False


def head_html(review: Review) -> str:
    """Name, state and prompt."""
    key = review.key
    mapped = f" [{key.map_index}]" if key.map_index >= 0 else ""
    pill = _PILLS.get(review.status, "bad")
    facts = [f"output {review.iteration} of at most {review.max_iterations}", f"run {escape(key.run_id)}"]
    if review.deadline_at is not None and review.is_pending:
        facts.append(f"decide before {render.moment(review.deadline_at)}")
    if review.decided_by is not None and review.decided_at is not None:
        facts.append(f"decided by {escape(review.decided_by.name)}, {render.moment(review.decided_at)}")
    return (
        f'<div class="hitl-name">{escape(key.dag_id)} › {escape(key.task_id)}{mapped}</div>'
        f'<div class="hitl-meta"><span class="hitl-pill {"bad" if _lost(review) else pill}">'
        f"{escape(words_for(review))}</span>{' · '.join(facts)}</div>"
        f'<div class="hitl-label">Task</div><div class="hitl-prompt">{escape(review.prompt)}</div>'
    )


def conversation_html(review: Review) -> str:
    """What came before the current output, oldest first; earlier outputs folded."""
    turns = [t for t in review.conversation if not (t.kind == "output" and t.iteration == review.iteration)]
    if not turns:
        return ""
    return '<div class="hitl-label">Conversation</div>' + "".join(_turn_html(t, review) for t in turns)


def output_html(review: Review) -> str:
    """The output to decide about."""
    label = "Current output" if review.is_pending else f"Output {review.iteration}"
    working = (
        '<div class="hitl-meta">The next output is being made. It appears here when it is ready.</div>'
        if review.status == CHANGES_REQUESTED and not review.task_completed
        else ""
    )
    shown = render.output(review.current_output, review.output_format)
    return f'<div class="hitl-label">{label}</div><div class="hitl-output" tabindex="0">{shown}</div>{working}'


def _turn_html(turn: Turn, review: Review) -> str:
    when = render.moment(turn.timestamp)
    if turn.kind == "output":
        shown = render.output(turn.content, review.output_format)
        return (
            f'<div class="hitl-turn"><details><summary>Output {turn.iteration}, {when}</summary>'
            f"<div>{shown}</div></details></div>"
        )
    name = "Task" if turn.kind == "error" else (turn.user.name if turn.user else "Reviewer")
    css = "error" if turn.kind == "error" else "human"
    about = f" on output {turn.iteration}" if turn.kind == "feedback" else ""
    return (
        f'<div class="hitl-turn {css}"><div class="hitl-meta">{escape(name)}{about}, {when}</div>'
        f'<div class="hitl-said">{escape(turn.content)}</div></div>'
    )


def _lost(review: Review) -> bool:
    return review.task_completed and review.status in (PENDING, CHANGES_REQUESTED)
