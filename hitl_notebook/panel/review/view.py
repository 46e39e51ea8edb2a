"""The open review: prompt, conversation, output, and decision form."""

from __future__ import annotations

import ipywidgets as widgets

from hitl_notebook.panel.actions import Action
from hitl_notebook.panel.bulk.model import BulkModel
from hitl_notebook.panel.elements import (
    Act,
    Cancel,
    Choose,
    Confirm,
    DecisionForm,
    Draft,
    Message,
    OpenNext,
    OutputTools,
    Post,
)
from hitl_notebook.panel.messages import key_of_id
from hitl_notebook.panel.review import review_html
from hitl_notebook.panel.review.changes import NOT_YET
from hitl_notebook.panel.review.edit import about
from hitl_notebook.panel.review.form import session_form
from hitl_notebook.panel.review.links import links_html
from hitl_notebook.panel.review.model import ReviewModel
from hitl_notebook.panel.views import html_view
from hitl_rendering import render
from hitl_rendering.progress_box import progress_html


class SessionView:
    """One review with its form.

    Args:
        model: model of the open review.
        bulk: model of the picks; while there are any, their form is shown instead.
        post: calls a function on the kernel's loop.
        editor: the editor of outputs.
        store: key under which the browser stores drafts.
        url: URL of Airflow's API server.

    Attributes:
        widget: what there is to read.
        form: the decision form.
    """

    def __init__(
        self, model: ReviewModel, bulk: BulkModel, post: Post, editor: widgets.Widget, store: str, url: str
    ) -> None:
        self._model, self._bulk, self._store, self._url = model, bulk, store, url
        self._head = html_view()
        self._conversation = html_view()
        self._output = html_view()
        self._progress = html_view()
        self.form = DecisionForm(state=session_form(model, store, hidden=bool(bulk.picks)))
        self.form.on_message(self._on_message, post)
        self._tools = OutputTools()
        self._tools.on_message(self._on_choice, post)
        self._unsent = html_view()
        self.widget = widgets.VBox(
            [self._head, self._conversation, self._output, self._progress, editor, self._unsent, self._tools]
        )
        model.observe(lambda _: self.update(), ["review", "selected", "problem", "not_yet", "user_id", "choice"])
        model.observe(lambda _: self._show_progress(), "progress")
        model.observe(
            lambda _: self.update_form(),
            [
                "review",
                "selected",
                "sending",
                "confirming",
                "notice",
                "not_yet",
                "draft",
                "draft_version",
                "user_id",
                "opens_next",
            ],
        )
        model.edits.observe(lambda _: self.update_form(), ["edit", "review"])
        bulk.observe(lambda _: self._on_picks(), "picks")
        self.update()
        self.update_form()

    def update(self) -> None:
        """Show the open review."""
        review = self._model.review
        if review is None:
            self._head.value = f'<div class="hitl-empty">{self._nothing()}</div>'
            self._conversation.value = self._output.value = ""
            return
        links = links_html(review.key, self._url)
        self._head.value = review_html.head_html(review, self._model.user_id, links)
        self._conversation.value = review_html.conversation_html(review)
        self._output.value = review_html.output_html(review, *self._model.choice)

    def update_form(self) -> None:
        """Update the form."""
        self.form.state = session_form(self._model, self._store, hidden=bool(self._bulk.picks))
        self._unsent.value = unsent_html(self._model.unsent) if self._model.unsent.strip() else ""

    def _show_progress(self) -> None:
        told = self._model.progress
        self._progress.value = progress_html(told) if told is not None else ""

    def _on_picks(self) -> None:
        if self._bulk.picks:
            self._model.send_now()  # otherwise nobody could undo it: its form is hidden
        self.update_form()

    def _nothing(self) -> str:
        if self._model.selected is None:
            return "Choose a review to read it. In the list, j or ↓ opens the first; ? shows all keys."
        if self._model.not_yet:
            return render.inline(NOT_YET)
        if self._model.problem:
            return f"This review could not be fetched. {render.inline(self._model.problem)}"
        return "Loading…"

    def _on_choice(self, message: Message) -> None:
        if isinstance(message, Choose):
            self._model.choice = (message.display_as, message.changes)

    def _on_message(self, message: Message) -> None:
        if isinstance(message, OpenNext):
            self._model.opens_next = message.on
        if not isinstance(message, (Draft, Act, Confirm, Cancel)):
            return
        key = key_of_id(message.key)
        if key is None:
            return
        if isinstance(message, (Draft, Act, Confirm)):
            self._model.type(key, message.text)
        if isinstance(message, (Act, Confirm)) and (edit := message.edit) is not None:
            self._model.edits.type(key, edit.about, edit.text, edit.problem)
        if key != self._model.selected or isinstance(message, Draft):
            return  # ignore a click on something no longer shown
        if isinstance(message, Cancel):
            self._model.cancel()
        elif message.about and message.about != about(self._model.review):
            self._model.outdated()
        elif isinstance(message, Act):
            self._model.act(Action(message.action))
        elif self._model.confirming is not None and self._model.confirming.action == message.action:
            self._model.confirm()


def unsent_html(text: str) -> str:
    """Return a draft that can't be sent any more, for copying."""
    label = '<div class="hitl-label">What you typed was not sent</div>'
    return f'{label}<div class="hitl-prompt">{render.inline(text)}</div>'
