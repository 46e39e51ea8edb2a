"""The editor of the open review's output."""

from __future__ import annotations

from typing import Any

from hitl_notebook.errors import HITLNotebookError
from hitl_notebook.panel.background import Background
from hitl_notebook.panel.elements import DiscardEdit, Edit, EditForm, Message, PreviewEdit, StartEdit
from hitl_notebook.panel.messages import MAX_TEXT_CHARS, id_of, key_of_id
from hitl_notebook.panel.review.edit import about
from hitl_notebook.panel.review.model import ReviewModel
from hitl_rendering.display import display_of
from hitl_rendering.output_box import preview_of
from hitl_rendering.render import encodable


class EditView:
    """Shows the edit of the open review, and passes on what is typed.

    Args:
        model: model of the open review.
        background: runs what is slow: previews.
        store: key under which the browser stores edits.
    """

    def __init__(self, model: ReviewModel, background: Background, store: str) -> None:
        self._model, self._background, self._store = model, background, store
        self.form = EditForm(state=edit_state(model, store), output=edited_output(model))
        self.form.on_message(self._on_message, background.post)
        model.observe(lambda _: self.update(), ["selected", "choice"])
        model.edits.observe(lambda _: self.update(), ["edit", "review", "version"])

    def update(self) -> None:
        """Show the edit."""
        with self.form.hold_sync():  # the browser opens the editor with both
            self.form.output = edited_output(self._model)
            self.form.state = edit_state(self._model, self._store)

    def _on_message(self, message: Message) -> None:
        if not isinstance(message, (StartEdit, Edit, PreviewEdit, DiscardEdit)):
            return
        key, edits = key_of_id(message.key), self._model.edits
        if key is None:
            return
        if isinstance(message, Edit):
            edits.type(key, message.edit.about, message.edit.text, message.edit.problem)
        elif isinstance(message, DiscardEdit):
            edits.discard(key, message.about)
        elif isinstance(message, PreviewEdit):
            self._preview(message)
        elif key == self._model.selected and self._model.may_decide:
            edits.start(again=message.again)

    def _preview(self, message: PreviewEdit) -> None:
        """Render an edit in a thread: a long one is slow."""
        review, display = self._model.review, self._model.choice[0]
        if review is None or (message.key, message.about) != (id_of(review.key), about(review)):
            self.form.answer(message.id, problem="another output is shown now.")
            return

        def done(shown: tuple[str, str]) -> None:
            html, changes = shown
            self.form.answer(message.id, html=html, changes=changes)

        def failed(error: HITLNotebookError) -> None:
            self.form.answer(message.id, problem=str(error))

        self._background.run(lambda: preview_of(review, message.text, display), done, failed)


def edited_output(model: ReviewModel) -> dict[str, Any]:
    """Return what is edited, in the format of ``front_end/edit_form.js``; empty while nothing is.

    Apart from the state, which changes whenever somebody types: an output and its schema can be long.
    """
    review = model.edits.review
    if model.edits.edit is None or review is None:
        return {}
    return {
        "text": encodable(review.current_output),
        "format": review.output_format,
        "schema": review.output_schema,
        "display": display_of(review.current_output, review.output_format, model.choice[0] or review.display_as),
    }


def edit_state(model: ReviewModel, store: str) -> dict[str, Any]:
    """Return the editor's state, in the format of ``front_end/edit_form.js``.

    Args:
        model: model of the open review.
        store: key under which the browser stores edits.
    """
    edit, review = model.edits.edit, model.edits.review
    state: dict[str, Any] = {
        "key": id_of(model.selected) if model.selected is not None else "",
        "store": store,
        "max_length": MAX_TEXT_CHARS,
        "version": model.edits.version,
        "shown": edit is not None and review is not None,
    }
    if edit is None or review is None:
        return state
    stale = model.edits.stale
    now = "the new output" if edit.iteration == str(review.iteration) else f"output {review.iteration}"
    again = f"Edit {now} instead" if review.is_pending and review.allow_modifications else ""
    answers = review.request is not None and not stale
    errors = [{"path": list(error.path), "message": encodable(error.message)} for error in edit.errors]
    return {
        **state,
        "about": edit.about,
        "label": f"Your answers to request {edit.iteration}" if answers else f"Your edit of {model.edits.subject}",
        "text": encodable(edit.text),
        "errors": errors,
        "stale": {"words": encodable(stale), "again": again} if stale else None,
    }
