"""Bulk decisions: state and rules, without widgets and without HTTP.

Each pick keeps the row as it was when picked, so a decision is about that output and no later one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from traitlets import HasTraits, Instance, Int, Unicode

from hitl_notebook.client.review_page import ReviewPage
from hitl_notebook.errors import (
    AuthenticationError,
    ConflictError,
    ConnectionFailedError,
    HITLNotebookError,
    ServerError,
)
from hitl_notebook.panel.actions import TEXT_MISSING, Action, Confirmation, Notice, is_unknown
from hitl_notebook.records import ReviewKey, ReviewSummary
from hitl_rendering.decision_words import REJECTED_TASKS


@dataclass(frozen=True)
class Outcome:
    """Result of one decision; ``problem`` is empty if it was recorded."""

    key: ReviewKey
    iteration: int
    problem: str = ""


@dataclass(frozen=True)
class BulkRun:
    """A bulk run of decisions of one kind."""

    action: Action
    picks: tuple[ReviewSummary, ...]
    outcomes: tuple[Outcome, ...] = ()
    ended: bool = False

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """Decisions that failed, or whose outcome is unknown."""
        return tuple(outcome for outcome in self.outcomes if outcome.problem)


class BulkModel(HasTraits):
    """State of the picks and of the last run.

    Attributes:
        picks: the picked reviews, as listed when picked.
        changed: keys of picks that now have another output or are decided.
        edited: keys of the reviews that have an edit which was not sent.
        listed: keys of the reviews that the list shows; None before it was fetched.
        confirming: the confirmation prompt.
        notice: why nothing was asked or sent.
        run: the current run, or the last one.
        draft: the text that is being typed, for all of them.
        draft_version: increases when ``draft`` is set other than by typing.
    """

    picks: Any = Instance(tuple, args=())
    changed: Any = Instance(frozenset, args=())
    edited: Any = Instance(frozenset, args=())
    listed: Any = Instance(frozenset, allow_none=True)
    confirming = Instance(Confirmation, allow_none=True)
    notice = Instance(Notice, allow_none=True)
    run = Instance(BulkRun, allow_none=True)
    draft = Unicode("")
    draft_version = Int(0)

    def __init__(self) -> None:
        super().__init__()
        self._stopping = False

    @property
    def running(self) -> bool:
        """Whether decisions are being sent."""
        return self.run is not None and not self.run.ended

    @property
    def goes_on(self) -> bool:
        """Whether to send the next decision of the run."""
        return self.running and not self._stopping

    @property
    def unlisted(self) -> tuple[ReviewSummary, ...]:
        """Picks that the list does not show, because of its filters or on another page."""
        return tuple(pick for pick in self.picks if self.listed is not None and pick.key not in self.listed)

    @property
    def edits(self) -> int:
        """How many picks have an edit: bulk decisions do not send any."""
        return sum(pick.key in self.edited for pick in self.picks)

    # --- picking

    def pick(self, rows: Iterable[ReviewSummary], on: bool = True) -> None:
        """Add reviews to the picks, or remove them. Only pending reviews can be picked."""
        if self.running:
            return
        chosen = {row.key: row for row in rows}
        rest = tuple(row for row in self.picks if row.key not in chosen)
        self._set_picks((*rest, *(row for row in chosen.values() if row.is_pending)) if on else rest)

    def clear(self) -> None:
        """Clear the picks and the last run."""
        if self.running:
            return
        self._set_picks(())
        self.run = None

    def look(self, page: ReviewPage) -> None:
        """Mark the picks that are outdated according to a fetched page, or not on it."""
        now = {row.key: row for row in page}
        self.listed = frozenset(now)
        self.changed = frozenset(
            pick.key
            for pick in self.picks
            if (row := now.get(pick.key)) is not None
            and (row.is_pending, row.iteration, row.output_sha256) != (True, pick.iteration, pick.output_sha256)
        ) | (self.changed & {pick.key for pick in self.picks} - now.keys())

    # --- deciding

    def act(self, action: Action) -> None:
        """Ask for confirmation, once, before anything is sent."""
        if not self.picks or self.running:
            return
        self.notice = None
        if action is Action.REQUEST_CHANGES and not self.draft.strip():
            self.notice = TEXT_MISSING
            return
        count = len(self.picks)
        what = f"{count} reviews" if count != 1 else "1 review"
        if action is Action.APPROVE:
            comment = " with your comment" if self.draft.strip() else ""
            text, label = f"Approve {what}{comment}? Their tasks go on.", f"Approve {count}"
        elif action is Action.REJECT:
            reason = "with your reason" if self.draft.strip() else "without a reason"
            text, label = f"Reject {what} {reason}? {REJECTED_TASKS}.", f"Reject {count}"
        else:
            text = f"Request these changes to {what}? Their tasks make the next outputs.{self._last_rounds()}"
            label = f"Request changes to {count}"
        self.confirming = Confirmation(action, f"{text}{self._edits_left()} This can't be undone.", label)

    def cancel(self) -> None:
        """Cancel the confirmation."""
        self.confirming = None

    def confirm(self) -> BulkRun | None:
        """Start the run.

        Returns:
            The run to send; None if there was nothing to confirm.
        """
        asked, self.confirming = self.confirming, None
        if asked is None or self.running or not self.picks:
            return None
        if asked.action is Action.REQUEST_CHANGES and not self.draft.strip():
            self.notice = TEXT_MISSING
            return None
        self._stopping = False
        self.run = BulkRun(asked.action, self.picks)
        return self.run

    def stop(self) -> None:
        """Stop the run; reviews whose decision was not sent stay picked."""
        if self.running:
            self._stopping = True

    # --- results

    def taken(self, pick: ReviewSummary) -> None:
        """Handle a recorded decision."""
        self._add(Outcome(pick.key, pick.iteration))
        self._set_picks(tuple(row for row in self.picks if row.key != pick.key))

    def failed(self, pick: ReviewSummary, error: HITLNotebookError) -> None:
        """Handle a failed decision, or one with unknown outcome. It stays picked only if a retry can help."""
        self._add(Outcome(pick.key, pick.iteration, _problem(error)))
        if isinstance(error, (ConnectionFailedError, AuthenticationError)):
            self._stopping = True  # the others would fail in the same way
        elif not isinstance(error, ServerError):
            self._set_picks(tuple(row for row in self.picks if row.key != pick.key))

    def ended(self) -> None:
        """Handle the end of the run."""
        if self.run is None:
            return
        self.run = replace(self.run, ended=True)
        if not self.picks and not self.run.failures:
            self.draft = ""
            self.draft_version += 1

    def _last_rounds(self) -> str:
        last = sum(pick.iteration >= pick.max_iterations for pick in self.picks)
        if not last:
            return ""
        which = (
            "1 is in its last round: that review ends" if last == 1 else f"{last} are in their last round: they end"
        )
        return f" {which} without approval, and the task fails."

    def _edits_left(self) -> str:
        if not self.edits:
            return ""
        return f" {self.edits} of them {'has' if self.edits == 1 else 'have'} an edit of yours, which is not sent."

    def _add(self, outcome: Outcome) -> None:
        assert self.run is not None
        self.run = replace(self.run, outcomes=(*self.run.outcomes, outcome))

    def _set_picks(self, picks: tuple[ReviewSummary, ...]) -> None:
        if picks and self.run is not None and self.run.ended and len(picks) > len(self.picks):
            self.run = None  # a new selection replaces the last summary
        self.confirming = self.notice = None
        self.changed = self.changed & {pick.key for pick in picks}
        self.picks = picks


def _problem(error: HITLNotebookError) -> str:
    if isinstance(error, ConflictError):
        if error.review.is_pending:
            return f"output {error.review.iteration} has arrived in the meantime: open it and read it"
        return str(error)
    if is_unknown(error):
        return f"{error} It is not known whether this decision arrived: refresh before you repeat it."
    return str(error)
