"""The panel's state and its rules, without widgets and without HTTP.

Views observe the traits. Whoever fetches hands results in through ``apply_*`` and ``*_failed``; nothing
here is ever set from another thread than the one that runs the views.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from traitlets import Bool, HasTraits, Instance, Unicode

from hitl_notebook.errors import (
    ConflictError,
    ConnectionFailedError,
    HITLNotebookError,
    ReviewNotFoundError,
)
from hitl_notebook.records import CHANGES_REQUESTED, PENDING, Review, ReviewKey, ReviewPage


class Action(str, Enum):
    """What a reviewer can do."""

    APPROVE = "approve"
    REJECT = "reject"
    REQUEST_CHANGES = "request changes"


@dataclass(frozen=True)
class Notice:
    """A sentence for the reviewer; ``kind`` is ``"info"``, ``"success"``, ``"warning"`` or ``"error"``."""

    kind: str
    text: str


class ReviewModel(HasTraits):
    """What the panel shows.

    Attributes:
        inbox: the reviews listed; None before the first answer.
        selected: which one is open.
        review: the open one, as last fetched; None while it loads.
        notice: the last thing to tell.
        busy: what is being sent, in words; empty if nothing is.
        offline: why refreshing fails, in words; empty if it works.
        draft: what the reviewer is typing about the open review.
        show_ended: whether reviews whose task has ended are listed too.
    """

    inbox = Instance(ReviewPage, allow_none=True)
    selected: Any = Instance(ReviewKey, allow_none=True)
    review = Instance(Review, allow_none=True)
    notice = Instance(Notice, allow_none=True)
    busy = Unicode("")
    offline = Unicode("")
    draft = Unicode("")
    show_ended = Bool(False)

    def __init__(self) -> None:
        super().__init__()
        self._drafts: dict[ReviewKey, str] = {}

    # --- what the reviewer does

    def select(self, key: ReviewKey | None) -> None:
        """Open another review; what was typed about the last one is kept for when it is opened again."""
        if key == self.selected:
            return
        if self.selected is not None:
            self._drafts[self.selected] = self.draft
        self.review = None
        self.notice = None
        self.selected = key
        self.draft = self._drafts.get(key, "") if key is not None else ""

    @property
    def may_decide(self) -> bool:
        """Whether the buttons are of use now."""
        return self.review is not None and self.review.is_pending and not self.busy

    @property
    def waits_for_output(self) -> bool:
        """Whether the open review's next output is being made, so that looking often is worth it."""
        return (
            self.review is not None and self.review.status == CHANGES_REQUESTED and not self.review.task_completed
        )

    def begin(self, action: Action) -> Review | None:
        """Start a decision.

        Returns:
            The review as shown, which is what the decision is about; None if it cannot be sent, and then
            the notice says why.
        """
        if not self.may_decide:
            return None
        if action is Action.REQUEST_CHANGES and not self.draft.strip():
            self.notice = Notice("warning", "Write what should change, then request changes.")
            return None
        self.notice = None
        self.busy = {
            Action.APPROVE: "Approving…",
            Action.REJECT: "Rejecting…",
            Action.REQUEST_CHANGES: "Sending your feedback…",
        }[action]
        return self.review

    # --- what came back

    def apply_inbox(self, page: ReviewPage) -> None:
        """Show a fresh list; opens the first waiting review if none is open yet."""
        self.offline = ""
        self.inbox = page
        if self.selected is None:
            waiting = [row.key for row in page if row.is_pending]
            if waiting:
                self.select(waiting[0])

    def needs_fetch(self) -> bool:
        """Whether the list tells of a change in the open review that is not shown yet."""
        if self.selected is None:
            return False
        if self.review is None:
            return True
        row = next((row for row in self.inbox or () if row.key == self.selected), None)
        if row is None:
            return not self.review.task_completed  # it has left the list: it must have ended
        return row.updated_at != self.review.updated_at or row.task_state != self.review.task_state

    def apply_review(self, review: Review) -> None:
        """Show a fresh review, unless another one is open by now or a newer state is shown already."""
        if review.key != self.selected:
            return
        shown = self.review
        if shown is not None and (review.iteration, review.updated_at) < (shown.iteration, shown.updated_at):
            return
        self.review = review
        if shown is None:
            return
        if review.iteration > shown.iteration:
            self.notice = Notice("info", f"Output {review.iteration} is ready.")
        elif shown.status == CHANGES_REQUESTED and review.status == PENDING and review.last_error:
            self.notice = Notice(
                "error",
                f"The next output could not be made: {review.last_error}. "
                "You can ask again, approve the output there is, or reject it.",
            )
        elif shown.is_pending and review.status != PENDING and review.decided_by is not None:
            self.notice = Notice("info", f"{review.decided_by.name} has decided: {words_for(review)}.")

    def decided(self, action: Action, review: Review) -> None:
        """A decision was taken."""
        self.busy = ""
        self._drafts.pop(review.key, None)
        self._show_decided(review)
        if review.key == self.selected:
            self.draft = ""
        text = {
            Action.APPROVE: f"Approved output {review.iteration}. The task goes on.",
            Action.REJECT: f"Rejected output {review.iteration}. The task fails and is not retried.",
            Action.REQUEST_CHANGES: "Changes requested. The next output appears here when it is ready.",
        }[action]
        self.notice = Notice("success", text)

    def decision_failed(self, error: HITLNotebookError) -> None:
        """A decision was not taken, or nobody knows; what was typed stays."""
        self.busy = ""
        if isinstance(error, ConflictError):
            self._show_decided(error.review)
            self.notice = Notice("warning", f"Your decision was not taken. {error}")
        elif isinstance(error, ConnectionFailedError):
            self.notice = Notice(
                "error",
                f"{error} It is not known whether your decision arrived: refresh before you repeat it.",
            )
        else:
            self.notice = Notice("error", f"Your decision was not taken. {error}")

    def refresh_failed(self, error: HITLNotebookError) -> None:
        """Refreshing did not work; what is shown stays."""
        if isinstance(error, ReviewNotFoundError):
            self.notice = Notice("warning", "This review is gone: its task was cleared, or its run deleted.")
            return
        self.offline = str(error)

    def _show_decided(self, review: Review) -> None:
        if review.key == self.selected:
            self.review = review


def words_for(review: Review) -> str:
    """A review's state in words, for people."""
    if review.status == PENDING:
        return "no longer waiting" if review.task_completed else "waiting for you"
    return {
        CHANGES_REQUESTED: "changes requested",
        "approved": "approved",
        "rejected": "rejected",
        "timeout_exceeded": "timed out",
        "max_iterations_exceeded": "ended without approval",
    }.get(review.status, review.status)
