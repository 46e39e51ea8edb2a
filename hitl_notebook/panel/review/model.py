"""The open review: the panel's state and its rules, without widgets and without HTTP.

Views observe the traits. Controllers pass results in through ``apply_*`` and ``*_failed``; everything here
is set only from the thread that runs the views.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from traitlets import HasTraits, Instance, Int, Tuple, Unicode

from hitl_notebook.client.review_page import ReviewPage
from hitl_notebook.errors import (
    ConflictError,
    HITLNotebookError,
    ReviewNotFoundError,
)
from hitl_notebook.panel.actions import Action, Confirmation, Notice, is_unknown
from hitl_notebook.records import CHANGES_REQUESTED, PENDING, Review, ReviewKey
from hitl_rendering.review_words import ACTION_WORDS, state_of, task_name


class ReviewModel(HasTraits):
    """State of the open review in the panel.

    Attributes:
        selected: key of the open review.
        review: the open review, as last fetched; None while it loads.
        notice: the latest message.
        busy: description of what is being sent; empty if nothing is.
        confirming: the confirmation prompt; None if there is none.
        problem: message why the open review could not be fetched; empty if it could.
        user_id: Airflow's auth manager's id of the reviewer; None if it is not known.
        draft: text that the reviewer has typed about the open review.
        choice: how the reader wants to see the output and its changes, as for ``rounds_of``; empty: as usual.
        draft_version: increases when ``draft`` is set other than by typing, so that it must be shown.
    """

    selected: Any = Instance(ReviewKey, allow_none=True)
    review = Instance(Review, allow_none=True)
    notice = Instance(Notice, allow_none=True)
    busy = Unicode("")
    confirming = Instance(Confirmation, allow_none=True)
    problem = Unicode("")
    user_id = Unicode(None, allow_none=True)
    draft = Unicode("")
    draft_version = Int(0)
    choice = Tuple(Unicode(), Unicode(), default_value=("", ""))

    def __init__(self) -> None:
        super().__init__()
        self._drafts: dict[ReviewKey, str] = {}
        self._sending: Review | None = None
        self._sent_text = ""
        self._unknown: tuple[Review, str] | None = None
        self._action = Action.APPROVE
        self._kept = False

    # --- actions of the reviewer

    def select(self, key: ReviewKey | None) -> None:
        """Open another review; the draft of the previous one is kept until it is reopened."""
        if key == self.selected:
            return
        if self.selected is not None:
            self._drafts[self.selected] = self.draft
        self._kept = self.wants_form
        self.confirming = None
        self.review = None
        self.notice = None
        self.problem = ""
        with self.hold_trait_notifications():
            self._set_draft(self._drafts.pop(key, "") if key is not None else "")
            self.choice = ("", "")
            self.selected = key

    def type(self, key: ReviewKey, text: str) -> None:
        """Store a review's draft; the review may be closed by the time the message arrives."""
        if key == self.selected:
            self.draft = text
        else:
            self._drafts[key] = text

    @property
    def may_decide(self) -> bool:
        """Whether the buttons are enabled."""
        return self.review is not None and self.review.is_pending and not self.busy and not self.reserved

    @property
    def reserved(self) -> str:
        """Message why this reviewer may not decide; empty if they may, or if it is not known."""
        if self.review is None or not self.review.leaves_out(self.user_id):
            return ""
        return f"Only {', '.join(self.review.reviewers)} may decide this review."

    @property
    def wants_form(self) -> bool:
        """Whether to show the form. Unchanged while a review loads, so that the text keeps the focus."""
        if self.review is None:
            return self.selected is not None and self._kept and not self.problem
        return self.review.is_pending

    @property
    def unsent(self) -> str:
        """Draft of a review that is no longer pending: somebody else decided, or it timed out."""
        return self.draft if self.review is not None and not self.review.is_pending and not self.busy else ""

    @property
    def is_last_round(self) -> bool:
        """Whether requesting changes ends the review instead of starting another iteration."""
        return self.review is not None and self.review.iteration >= self.review.max_iterations

    @property
    def waits_for_output(self) -> bool:
        """Whether the open review's next output is being made, so that it should be polled often."""
        return (
            self.review is not None and self.review.status == CHANGES_REQUESTED and not self.review.task_completed
        )

    def act(self, action: Action) -> Review | None:
        """Start a decision.

        Returns:
            The review as shown, which the decision is about; None if the decision is not to be sent (yet):
            then ``confirming`` is set, or the notice says why.
        """
        if not self.may_decide or self.review is None:
            return None
        if action is Action.REQUEST_CHANGES and not self.draft.strip():
            self.notice = Notice("warning", "Write what should change, then request changes.")
            return None
        number = self.review.iteration
        if action is Action.APPROVE:
            unsent = " What you typed is not sent with it." if self.draft.strip() else ""
            text = ACTION_WORDS["approve"].question.format(number) + unsent
            label = f"Approve output {number}"
        elif action is Action.REJECT:
            reason = "What you typed is the reason." if self.draft.strip() else "No reason is given."
            text = f"{ACTION_WORDS['reject'].question.format(number)} {reason}"
            label = f"Reject output {number}"
        elif self.is_last_round:
            text = ACTION_WORDS["feedback"].question
            label = "End the review"
        else:
            return self._begin(action)
        self.notice = None
        self.confirming = Confirmation(action, f"{text} This can't be undone.", label)
        return None

    def cancel(self) -> None:
        """Cancel the confirmation."""
        self.confirming = None

    def confirm(self) -> tuple[Action, Review] | None:
        """Confirm the decision.

        Returns:
            The action and its review; None if there is nothing to confirm any more.
        """
        asked, self.confirming = self.confirming, None
        if asked is None or not self.may_decide:
            return None
        if asked.action is Action.REQUEST_CHANGES and not self.draft.strip():
            self.notice = Notice("warning", "Write what should change, then request changes.")
            return None
        review = self._begin(asked.action)
        return None if review is None else (asked.action, review)

    def outdated(self) -> None:
        """Handle a decision about an output that is no longer shown."""
        self.confirming = None
        self.notice = Notice("warning", _OUTDATED)

    def _begin(self, action: Action) -> Review | None:
        self.notice = None
        self._action = action
        self.busy = {
            Action.APPROVE: "Approving…",
            Action.REJECT: "Rejecting…",
            Action.REQUEST_CHANGES: "Sending your feedback…",
        }[action]
        self._sending, self._sent_text = self.review, self.draft
        return self.review

    # --- results

    def needs_fetch(self, page: ReviewPage | None) -> bool:
        """Whether the list has a change in the open review that is not shown yet."""
        if self.selected is None:
            return False
        if self.review is None:
            return True
        row = next((row for row in page or () if row.key == self.selected), None)
        if row is None:
            return not self.review.task_completed  # it is not listed: it may have ended
        return row.updated_at != self.review.updated_at or row.task_state != self.review.task_state

    def apply_review(self, review: Review) -> None:
        """Show a fetched review, unless another one is open now or a newer state is already shown."""
        if review.key != self.selected:
            return
        self.problem = ""
        shown = self.review
        if shown is not None and _age(review) < _age(shown):
            return
        asked = self.confirming
        self._show(review)
        if shown is None:
            if self.notice is not None and self.notice.text == _NOT_YET:
                self.notice = None
            return
        if self._has_arrived(review):
            return
        if _is_anew(review, shown):
            text = f"The task was started anew: this is its new output {review.iteration}."
            self.notice = Notice("warning", f"{text} Nothing was sent." if asked is not None else text)
        elif asked is not None and self.confirming is None:
            self.notice = Notice("warning", _OUTDATED)
        elif review.iteration > shown.iteration:
            self.notice = Notice("info", f"Output {review.iteration} is ready.")
        elif shown.status == CHANGES_REQUESTED and review.status == PENDING and review.last_error:
            self.notice = Notice(
                "error",
                f"The next output could not be made: {review.last_error}. "
                "You can ask again, approve the output there is, or reject it.",
            )
        elif shown.is_pending and review.status != PENDING and review.decided_by is not None:
            _, words = state_of(review.status, task_completed=False)
            self.notice = Notice("info", f"{review.decided_by.name} has decided: {words.lower()}.")
        elif shown.is_pending and review.task_completed:
            self.notice = Notice(
                "warning", "The task has ended without a decision: nothing can be decided any more."
            )

    def decided(self, action: Action, review: Review) -> None:
        """Handle a recorded decision."""
        self.busy = ""
        if review.key != self.selected:
            if self._drafts.get(review.key) == self._sent_text:  # otherwise the user has typed more
                del self._drafts[review.key]
            self.notice = Notice("success", f"{task_name(review.key)}: {_DONE[action].format(review.iteration)}")
            return
        if self.draft == self._sent_text:
            self._set_draft("")
        self._show(review)
        self.notice = Notice("success", _DONE[action].format(review.iteration))

    def decision_failed(self, error: HITLNotebookError) -> None:
        """Handle a failed decision, or one with unknown outcome; the draft is kept."""
        self.busy = ""
        sent = self._sending
        elsewhere = f"{task_name(sent.key)}: " if sent is not None and sent.key != self.selected else ""
        if isinstance(error, ConflictError):
            text = f"{elsewhere}Your decision was not taken. {error}"
            if error.review.key == self.selected:
                self._show(error.review)
                if sent is not None and error.review.is_pending and error.review.iteration > sent.iteration:
                    text += f" What changed since output {sent.iteration} is marked below. Please decide again."
            self.notice = Notice("warning", text)
        elif is_unknown(error):
            if sent is not None and self._action is Action.REQUEST_CHANGES:
                self._unknown = (sent, self._sent_text)
            self.notice = Notice(
                "error",
                f"{elsewhere}{error} It is not known whether your decision arrived: refresh before you repeat it.",
            )
        else:
            self.notice = Notice("error", f"{elsewhere}Your decision was not taken. {error}")

    def fetch_failed(self, key: ReviewKey, error: HITLNotebookError) -> None:
        """Handle a fetch error; what is shown is kept."""
        if key != self.selected:
            return
        if isinstance(error, ReviewNotFoundError):
            text = _NOT_YET if error.task_active and self.review is None else _GONE
            self.notice = Notice("info" if text == _NOT_YET else "warning", text)
            if self.review is None:
                self.problem = text
            return
        self.problem = str(error)

    def _show(self, review: Review) -> None:
        shown = self.review
        if shown is not None and (not review.is_pending or _output(review) != _output(shown)):
            self.confirming = None  # it was about another state
        self.review = review

    def _has_arrived(self, review: Review) -> bool:
        """Whether feedback arrived although its response was lost; if so, sets the notice and clears the draft."""
        if self._unknown is None or self._unknown[0].key != review.key:
            return False
        sent, text = self._unknown
        turns = (
            turn for turn in review.conversation if turn.kind == "feedback" and turn.iteration == sent.iteration
        )
        if text.strip() not in {turn.content.strip() for turn in turns}:
            return False
        self._unknown = None
        if self.draft == text:
            self._set_draft("")
        self.notice = Notice("success", f"Your feedback on output {sent.iteration} had arrived.")
        return True

    def _set_draft(self, text: str) -> None:
        self.draft = text
        self.draft_version += 1


_OUTDATED = "The review has changed meanwhile, so nothing was sent. Look again."

_GONE = "This review is gone: its task was cleared, or its run deleted."
_NOT_YET = "There is no output to review yet. It appears here when the task has made it."

_DONE = {
    Action.APPROVE: "Approved output {}. The task goes on.",
    Action.REJECT: "Rejected output {}. The task fails and is not retried.",
    Action.REQUEST_CHANGES: "Changes requested. The next output appears here when it is ready.",
}


def _age(review: Review) -> tuple[datetime, int, datetime]:
    return review.created_at, review.iteration, review.updated_at


def _is_anew(review: Review, shown: Review) -> bool:
    """Whether the review is of a new try of the task, which counts outputs from 1 again."""
    another = review.output_sha256 != shown.output_sha256 or review.iteration < shown.iteration
    return another and review.created_at > shown.created_at and review.iteration <= shown.iteration


def _output(review: Review) -> tuple[int, str]:
    return review.iteration, review.output_sha256
