"""The open review: the panel's state and its rules, without widgets and without HTTP.

Views observe the traits. Controllers pass results in through ``apply_*`` and ``*_failed``; everything here
is set only from the thread that runs the views.
"""

from __future__ import annotations

from traitlets import Bool, Float, Instance, Tuple, Unicode

from hitl_notebook.client.review_page import ReviewPage
from hitl_notebook.errors import ConflictError, HITLNotebookError, InvalidEditError, ReviewNotFoundError
from hitl_notebook.panel.actions import Action, Confirmation, Notice, is_unknown
from hitl_notebook.panel.review.changes import (
    GONE,
    OUTDATED,
    is_decidable_as,
    is_older,
    is_unseen,
    notice_of,
    reserved_words,
)
from hitl_notebook.panel.review.decision import Decision
from hitl_notebook.panel.review.drafts import DraftModel
from hitl_notebook.panel.review.edit import EditModel
from hitl_notebook.records import CHANGES_REQUESTED, Review, ReviewKey
from hitl_notebook.traces import Progress, ReviewProgress
from hitl_rendering.decision_words import HOLD_SECONDS


class ReviewModel(DraftModel):
    """State of the open review in the panel; further attributes are those of ``DraftModel``.

    Attributes:
        review: the open review, as last fetched; None while it loads.
        notice: the latest message.
        confirming: what is asked before a decision is sent, or how long it is held back; None if nothing is.
        sending: the decision that is being sent; None if none is. Who sets it expects that it is sent.
        not_yet: whether the open review's task has not made its first output.
        progress: what the task does for the next output, if it says so.
        problem: message why the open review could not be fetched; empty if it could.
        user_id: Airflow's auth manager's id of the reviewer; None if it is not known.
        choice: how the reader wants to see the output and its changes, as for ``rounds_of``; empty: as usual.
        opens_next: whether the next waiting review opens after a decision.
        hold_seconds: how long a decision is held back, so that it can be undone.
        edits: the edits of outputs.
    """

    review = Instance(Review, allow_none=True)
    notice = Instance(Notice, allow_none=True)
    confirming = Instance(Confirmation, allow_none=True)
    sending = Instance(Decision, allow_none=True)
    problem = Unicode("")
    not_yet = Bool(False)
    progress = Instance(Progress, allow_none=True)
    user_id = Unicode(None, allow_none=True)
    choice = Tuple(Unicode(), Unicode(), default_value=("", ""))
    opens_next = Bool(True)
    hold_seconds = Float(HOLD_SECONDS)

    def __init__(self) -> None:
        super().__init__()
        self.edits = EditModel()
        self._asked: Decision | None = None
        self._unknown: Decision | None = None
        self._kept = False

    # --- actions of the reviewer

    def select(self, key: ReviewKey | None) -> None:
        """Open another review; the draft of the previous one is kept until it is reopened.

        A decision that is held back is sent now.
        """
        if key == self.selected:
            return
        held = self._asked if self.is_held else None
        self._keep_draft()
        self._kept = self.wants_form
        self.confirming = self.review = self.notice = self.progress = None
        self.problem, self.not_yet = "", False
        with self.hold_trait_notifications():
            self._reopen_draft(key)
            self.choice = ("", "")
            self.edits.select(key)
            self.selected = key
        if held is not None:
            self.sending = held

    @property
    def may_decide(self) -> bool:
        """Whether the buttons are enabled."""
        return self.review is not None and self.review.is_pending and self.sending is None and not self.reserved

    @property
    def reserved(self) -> str:
        """Message why this reviewer may not decide; empty if they may, or if it is not known."""
        return reserved_words(self.review, self.user_id) if self.review is not None else ""

    @property
    def wants_form(self) -> bool:
        """Whether to show the form. Unchanged while a review loads, so that the text keeps the focus."""
        if self.review is None:
            return self.selected is not None and self._kept and not self.problem and not self.not_yet
        return self.review.is_pending

    @property
    def unsent(self) -> str:
        """Draft of a review that is no longer pending: somebody else decided, or it timed out."""
        return self.draft if self.review is not None and not self.review.is_pending and self.sending is None else ""

    @property
    def is_held(self) -> bool:
        """Whether a decision is held back, so that it can be undone."""
        return self.confirming is not None and self.confirming.seconds > 0

    @property
    def waits_for_output(self) -> bool:
        """Whether the open review's next output, or the first, is being made, so that it should be polled often."""
        if self.review is None:
            return self.not_yet
        return self.review.status == CHANGES_REQUESTED and not self.review.task_completed

    def act(self, action: Action) -> None:
        """Decide about the output that is shown; the decision is held back, or asked about, before it is sent.

        The same action again sends what is held back.
        """
        if not self.may_decide or self.review is None:
            return
        if self.is_held:
            if self._asked is not None and self._asked.action is action:
                self.confirm()
            return
        self._asked = Decision(action, self.review, self.draft, self.edits.to_send)
        self.notice = self._obstacle(self._asked)
        if self.notice is None:
            self.confirming = self._asked.held(self.hold_seconds)

    def cancel(self) -> None:
        """Cancel the question, or undo what is held back."""
        self.confirming = None

    def confirm(self) -> None:
        """Send what is held back, or was asked about."""
        asked, self.confirming = self.confirming, None
        if asked is None or self._asked is None or not self.may_decide or self.review is None:
            return
        decision = self._asked
        if not asked.seconds:  # a question is answered with the text as it is by then
            decision = Decision(asked.action, self.review, self.draft, self.edits.to_send)
            self.notice = self._obstacle(decision)
            if self.notice is not None:
                return
        self.notice = None
        self.sending = decision

    def send_now(self) -> None:
        """Send what is held back."""
        if self.is_held:
            self.confirm()

    def outdated(self) -> None:
        """Handle a decision about an output that is no longer shown."""
        self.confirming = None
        self.notice = Notice("warning", OUTDATED)

    def needs_fetch(self, page: ReviewPage | None) -> bool:
        """Whether the list has a change in the open review that is not shown yet."""
        if self.selected is None:
            return False
        return not self.not_yet if self.review is None else is_unseen(self.review, page)

    def apply_review(self, review: Review) -> None:
        """Show a fetched review, unless another one is open now or a newer state is already shown."""
        if review.key != self.selected:
            return
        self.problem, self.not_yet = "", False
        shown = self.review
        if shown is not None and is_older(review, shown):
            return
        asked = self.confirming is not None
        self._show(review)
        if shown is None or self._has_arrived(review):
            return
        if self.sending is None:  # otherwise its result says it
            dropped = asked and self.confirming is None
            self.notice = notice_of(review, shown, dropped=dropped, user_id=self.user_id) or self.notice

    def apply_progress(self, key: ReviewKey, told: ReviewProgress | None) -> None:
        """Show what the task does for the next output."""
        if key == self.selected and self.waits_for_output:
            self.progress = told.progress if told is not None else None

    def decided(self, review: Review) -> None:
        """Handle the recorded decision."""
        decision, self.sending = self.sending, None
        assert decision is not None
        self.edits.sent(decision.review, decision.edited)
        is_open = review.key == self.selected
        self._clear_draft(review.key, decision.text)
        if is_open:
            self._show(review)
        self.notice = decision.done(is_open=is_open, edited=review.edited)

    def decision_failed(self, error: HITLNotebookError) -> None:
        """Handle a failed decision, or one with unknown outcome; the draft is kept."""
        decision, self.sending = self.sending, None
        if decision is None:
            return
        if isinstance(error, ConflictError) and error.review.key == self.selected:
            self._show(error.review)
        elif isinstance(error, InvalidEditError):
            self.edits.refused(decision.review, error.errors)
        elif is_unknown(error) and decision.action is Action.REQUEST_CHANGES:
            self._unknown = decision
        self.notice = decision.failed(error, is_open=decision.review.key == self.selected)

    def fetch_failed(self, key: ReviewKey, error: HITLNotebookError) -> None:
        """Handle a fetch error; what is shown is kept."""
        if key != self.selected:
            return
        if isinstance(error, ReviewNotFoundError):
            self.not_yet, self.problem = error.task_active and self.review is None, ""
            if not self.not_yet:
                self.notice, self.problem = Notice("warning", GONE), GONE if self.review is None else ""
        else:
            self.not_yet, self.problem = False, str(error)
        self.progress = self.progress if self.waits_for_output else None

    def _show(self, review: Review) -> None:
        if self.review is not None and not is_decidable_as(review, self.review):
            self.confirming = None  # it was about another state
        self.edits.show(review)
        self.review = review
        self.progress = self.progress if self.waits_for_output else None

    def _obstacle(self, decision: Decision) -> Notice | None:
        """Return why a decision cannot be sent; the browser must not lose what it is about."""
        return decision.text_missing if decision.lacks_text else self.edits.obstacle(decision.action)

    def _has_arrived(self, review: Review) -> bool:
        """Whether feedback arrived although its response was lost; if so, sets the notice and clears the draft."""
        sent = self._unknown
        if sent is None or not sent.arrived(review):
            return False
        self._unknown = None
        self._clear_draft(review.key, sent.text)
        self.notice = Notice("success", f"Your feedback on output {sent.review.iteration} had arrived.")
        return True
