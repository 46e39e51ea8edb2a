"""A decision of the reviewer, and what the panel says about it."""

from __future__ import annotations

from dataclasses import dataclass

from hitl_notebook.errors import ConflictError, HITLNotebookError
from hitl_notebook.panel.actions import Action, Confirmation, Notice, is_unknown
from hitl_notebook.records import Review
from hitl_rendering.decision_words import (
    LAST_ROUND_QUESTION,
    ActionWords,
    action_words,
    form_words,
    is_last_round,
)
from hitl_rendering.review_words import task_name

_PATHS = {Action.APPROVE: "approve", Action.REJECT: "reject", Action.REQUEST_CHANGES: "feedback"}

_BUSY = {
    Action.APPROVE: "Approving…",
    Action.REJECT: "Rejecting…",
    Action.REQUEST_CHANGES: "Sending your feedback…",
}


@dataclass(frozen=True)
class Decision:
    """What the reviewer decided.

    Attributes:
        review: the review as it was shown: the decision is about that output and no other.
        text: what the reviewer had typed: what to change, a comment, or a reason.
        edited: the output as the reviewer edited it, if they did; rejecting drops it.
    """

    action: Action
    review: Review
    text: str
    edited: str | None = None

    @property
    def _words(self) -> ActionWords:
        return self._words_if(edited=self.edited is not None)

    def _words_if(self, *, edited: bool) -> ActionWords:
        asks = self.review.request_kind
        return action_words(self.review.on_reject, edited=edited, request_kind=asks)[_PATHS[self.action]]

    @property
    def busy(self) -> str:
        """What to say while it is sent."""
        return _BUSY[self.action]

    @property
    def lacks_text(self) -> bool:
        """Whether it asks for changes, but does not say for which."""
        return self.action is Action.REQUEST_CHANGES and not self.text.strip()

    @property
    def ends_last_round(self) -> bool:
        """Whether it asks for changes that no round is left for, so that the review ends."""
        is_last = is_last_round(self.review.iteration, self.review.max_iterations, self.review.request_kind)
        return self.action is Action.REQUEST_CHANGES and is_last

    @property
    def text_missing(self) -> Notice:
        """What to say if it lacks its text."""
        return Notice("warning", form_words(self.review.request_kind).text_missing)

    def held(self, seconds: float) -> Confirmation:
        """Return the prompt while the decision is held back; or the question, for the one that needs an answer."""
        if self.ends_last_round:
            return Confirmation(self.action, LAST_ROUND_QUESTION, "End the review")
        text = self._words.held_with_text if self.text.strip() else self._words.held
        if self.action is Action.REJECT and self.edited is not None:
            text += "; your edit is dropped"
        return Confirmation(self.action, text.format(self.review.iteration), "Send now", seconds)

    def done(self, *, is_open: bool, edited: bool = False) -> Notice:
        """Say that it was recorded.

        Args:
            is_open: whether its review is still the open one; otherwise the task's name is said, too.
            edited: whether the server says that it changed the output.
        """
        text = self._words_if(edited=edited).done.format(self.review.iteration)
        if self.action is Action.REJECT:
            text += f" {self._words.effect}."
        if not is_open:
            return Notice("success", f"{task_name(self.review.key)}: {text}")
        goes_on = self.action is Action.REQUEST_CHANGES or (
            self.review.request_kind is not None and self.action is Action.APPROVE
        )
        return Notice("success", f"{text} {form_words(self.review.request_kind).comes}" if goes_on else text)

    def failed(self, error: HITLNotebookError, *, is_open: bool) -> Notice:
        """Say why it was not recorded, or that this is not known."""
        elsewhere = "" if is_open else f"{task_name(self.review.key)}: "
        if isinstance(error, ConflictError):
            text = f"{elsewhere}Your decision was not taken. {error}"
            newer = error.review.is_pending and error.review.iteration > self.review.iteration
            if is_open and newer:
                text += f" What changed since output {self.review.iteration} is marked. Please decide again."
            return Notice("warning", text)
        if is_unknown(error):
            return Notice(
                "error",
                f"{elsewhere}{error} It is not known whether your decision arrived: refresh before you repeat it.",
            )
        return Notice("error", f"{elsewhere}Your decision was not taken. {error}")

    def arrived(self, review: Review) -> bool:
        """Whether the review has this feedback, although the response was lost."""
        said = {
            turn.content.strip()
            for turn in review.conversation
            if turn.kind == "feedback" and turn.iteration == self.review.iteration
        }
        return self.review.key == review.key and self.text.strip() in said
