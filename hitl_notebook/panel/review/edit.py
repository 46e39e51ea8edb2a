"""Edits of outputs that were not sent yet: what is kept, and which of them a decision can be about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from traitlets import HasTraits, Instance, Int

from hitl_notebook.client.edits import NOT_SUPPORTED
from hitl_notebook.errors import FieldError
from hitl_notebook.panel.actions import Action, Notice
from hitl_notebook.records import Review, ReviewKey
from hitl_rendering.conversation import refusal_of


def about(review: Review | None) -> str:
    """Return a name for a review's current output, which the browser sends back with a decision or an edit."""
    return f"{review.iteration} {review.output_sha256}" if review is not None else ""


@dataclass(frozen=True)
class Edit:
    """An edit of an output.

    Attributes:
        about: the edited output, as ``about`` names it.
        text: the edited text.
        start: the output's text; None if it is not known: the edit came back from the browser.
        problem: why the text cannot be sent yet, as the editor says it; empty if it can.
        errors: what the server said of it.
    """

    about: str
    text: str
    start: str | None = None
    problem: str = ""
    errors: tuple[FieldError, ...] = ()

    @property
    def iteration(self) -> str:
        """Number of the edited output."""
        return self.about.partition(" ")[0]

    @property
    def is_changed(self) -> bool:
        """Whether there is anything in it that could be lost or sent."""
        return self.text != self.start or bool(self.problem)


class EditModel(HasTraits):
    """The edit of the open review, and those of other reviews until they are opened again.

    Attributes:
        review: the open review, as last fetched; None while it loads.
        edit: its edit; None if there is none.
        version: increases when ``edit`` is set other than by typing, so that it must be shown.
        unsent: keys of all reviews with an edit that was not sent.
    """

    review = Instance(Review, allow_none=True)
    edit = Instance(Edit, allow_none=True)
    version = Int(0)
    unsent: Any = Instance(frozenset, args=())

    def __init__(self) -> None:
        super().__init__()
        self._selected: ReviewKey | None = None
        self._edits: dict[ReviewKey, Edit] = {}

    # --- which edit there is

    @property
    def stale(self) -> str:
        """Why the edit is of no use for the review as it is now; empty if it is, or if there is none."""
        edit, review = self.edit, self.review
        if edit is None or review is None:
            return ""
        what = f"your edit of {self.subject}"
        if not review.is_pending:
            return f"What you typed was not sent: {what}."
        if edit.about != about(review):
            if edit.iteration == str(review.iteration):
                return f"The task was started again, and this is {what}. It was not sent."
            return f"This is {what}, and output {review.iteration} is here now. It was not sent."
        if not review.allow_modifications:
            return f"What you typed was not sent: {what}. {review.modifications_refused or NOT_SUPPORTED}"
        return ""

    @property
    def subject(self) -> str:
        """What is edited, in words; empty if there is no edit."""
        edit, review = self.edit, self.review
        if edit is None:
            return ""
        if review is not None and edit.iteration == str(review.iteration) and edit.about != about(review):
            return "the earlier output"  # a new try of the task counts from 1 again
        return f"output {edit.iteration}"

    @property
    def to_send(self) -> str | None:
        """The edited text; None if it is the output as it is."""
        edit, review = self.edit, self.review
        if edit is None or review is None or self.stale or edit.text == review.current_output:
            return None
        return edit.text

    @property
    def resumable(self) -> bool:
        """Whether an edit can go on from the last one, which the task refused or could not go on from."""
        review = self.review
        if review is None or not review.is_pending or not review.allow_modifications:
            return False
        return review.edited_output is not None and self.edit is None

    def obstacle(self, action: Action) -> Notice | None:
        """Why this cannot be decided while the edit is there; None if nothing speaks against it.

        Rejecting sends no edit, so none stands in its way.
        """
        if self.edit is None or self.review is None or action is Action.REJECT:
            return None
        if self.stale:
            instead = "Edit the new output instead, or discard" if self.review.allow_modifications else "Discard"
            return Notice(
                "warning",
                f"Nothing was sent: you have an edit of {self.subject}, which cannot be sent. "
                f"{instead} the edit; then decide.",
            )
        if self.edit.problem:
            return Notice("warning", f"The edit cannot be sent yet: {self.edit.problem}")
        return None

    # --- actions of the reviewer

    def start(self, *, again: bool = False) -> None:
        """Edit the current output; replaces an edit of an older output.

        Args:
            again: go on with the last edit of it, if there is one.
        """
        review = self.review
        if review is None or not review.is_pending or not review.allow_modifications:
            return
        if self.edit is not None and not self.stale:
            return
        text, errors = review.current_output, tuple[FieldError, ...]()
        if again and self.resumable:
            refusal = refusal_of(review.conversation)
            text = review.edited_output or ""
            errors = (FieldError((), refusal),) if refusal else ()
        self._set(review.key, Edit(about(review), text, review.current_output, errors=errors))

    def type(self, key: ReviewKey, name: str, text: str | None, problem: str) -> None:
        """Store what is in a review's editor; the review may be closed by the time the message arrives.

        Args:
            key: the review.
            name: the edited output, as ``about`` names it.
            text: the edited text; None if it is too long for a message, which ``problem`` says.
            problem: why it cannot be sent yet.
        """
        known = self._edits.get(key)
        if known is not None and known.about == name:
            new = known.text if text is None else text
            errors = known.errors if new == known.text else ()
            self._set(key, replace(known, text=new, problem=problem, errors=errors), typed=True)
        elif text is not None and known is None:
            # Otherwise it was typed before the edit of another output was begun, which took its place.
            is_open = self.review is not None and self.review.key == key and about(self.review) == name
            start = self.review.current_output if self.review is not None and is_open else None
            edit = Edit(name, text, start, problem)
            if self.review is not None and self.review.key == key and _is_over(edit, self.review):
                self._tell(typed=False)  # the browser kept it, since it did not hear that it had arrived
            else:
                self._set(key, edit)

    def discard(self, key: ReviewKey, name: str) -> None:
        """Give up the edit of this output."""
        edit = self._edits.get(key)
        if edit is not None and edit.about == name:
            self._set(key, None)

    # --- what happens to the review

    def select(self, key: ReviewKey | None) -> None:
        """Open another review; an edit of the previous one is kept if it changes anything."""
        if self.edit is not None and not self.edit.is_changed and self._selected is not None:
            self._edits.pop(self._selected)
        self._selected = key
        with self.hold_trait_notifications():
            self.review = None
            self._tell(typed=False)

    def show(self, review: Review) -> None:
        """Take note of the open review's state: what has arrived, and what was never changed, is no edit."""
        edit = self.edit
        if edit is not None and _is_over(edit, review):
            self._edits.pop(review.key, None)
            edit = None
        with self.hold_trait_notifications():
            self.review = review
            self._tell(typed=edit is not None)

    def sent(self, review: Review, text: str | None) -> None:
        """Handle a recorded decision about ``review`` with this edit; what was typed since is kept."""
        edit = self._edits.get(review.key)
        if edit is not None and edit.about == about(review) and edit.text in (text, review.current_output):
            self._set(review.key, None)

    def refused(self, review: Review, errors: tuple[FieldError, ...]) -> None:
        """Handle what the server says of an edit that was sent."""
        edit = self._edits.get(review.key)
        if edit is not None and edit.about == about(review):
            self._set(review.key, replace(edit, errors=errors), typed=True)

    def _set(self, key: ReviewKey, edit: Edit | None, *, typed: bool = False) -> None:
        if edit is None:
            self._edits.pop(key, None)
        else:
            self._edits[key] = edit
        self._tell(typed=typed or key != self._selected)

    def _tell(self, *, typed: bool) -> None:
        with self.hold_trait_notifications():
            self.edit = self._edits.get(self._selected) if self._selected is not None else None
            self.unsent = frozenset(key for key, edit in self._edits.items() if edit.is_changed)
            if not typed:
                self.version += 1


def _is_over(edit: Edit, review: Review) -> bool:
    """Whether an edit is not of the output as it waits now, and nothing is lost without it."""
    if review.is_pending and edit.about == about(review):
        return False
    return _has_arrived(edit, review) or not edit.is_changed


def _has_arrived(edit: Edit, review: Review) -> bool:
    """Whether the review has this edit: its response was lost, or is on its way."""
    return any(
        (turn.kind, str(turn.iteration), turn.content) == ("edit", edit.iteration, edit.text)
        for turn in review.conversation
    )
