"""Worker side of one review: its state in XCom, and what was decided."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from airflow_hitl_review.core.schema import AgentSession, Decision
from airflow_hitl_review.core.states import ReviewState, SessionStatus
from airflow_hitl_review.task.announcer import Announcer
from airflow_hitl_review.task.confirmation import Confirmation
from airflow_hitl_review.task.new_session import is_nobodys
from airflow_hitl_review.task.remembered import Remembered
from airflow_hitl_review.task.task_xcoms import TaskXComs, utcnow
from airflow_hitl_review.task.tool_requests import check_history

log = logging.getLogger(__name__)


class StoredReview:
    """One review, as its task reads it: what XCom has, as far as the API server has confirmed it.

    Attributes:
        session: the review as it is stored.
        remembered: what the task knows without XCom.
        edited_output: the output as the reviewer edited it with the decision that was read last, if they did.
        is_unconfirmed: whether a decision waits for the API server's confirmation.
    """

    def __init__(self, ti: Any, session: AgentSession, announcer: Announcer, confirmation: Confirmation) -> None:
        self._ti = ti
        self._xcoms = TaskXComs(ti)
        self._confirmation = confirmation
        self.is_unconfirmed = False
        self.announcer = announcer
        self.session = session
        self.edited_output: str | None = None
        self.remembered = Remembered.of(session)

    @property
    def is_undisputed(self) -> bool:
        """Whether the clock may approve: the output has waited in vain, and nobody has decided about it."""
        waited = self.session.request is None and self.remembered.waited(self.session)
        return waited and not self._confirmation.tells_of_a_decision

    # --- what was decided

    def decision(self) -> Decision | None:
        """Read XCom; return the decision to carry out, None while the review is pending.

        The session's status shows it. The action alone proves nothing: after a failed regeneration, the last one
        has the current iteration, but is already handled.

        Raises:
            XComsAwayError: XComs cannot be read just now.
            pydantic.ValidationError: somebody overwrote the session.
        """
        self.is_unconfirmed, self.edited_output = False, None
        stored = self._xcoms.read_session()
        if stored is None or stored.status is SessionStatus.PENDING_REVIEW:
            return None
        decision = self._xcoms.read_decision()
        if decision is None and not self._confirmation.is_needed:
            return None  # a session without its action: that may still arrive
        edited = self._xcoms.read_edit(decision) if decision is not None else None
        # The provider's API rewrites the session with the fields it knows; keep our own.
        ours = self.session.model_dump(exclude_unset=True)
        self.session = AgentSession.model_validate({**ours, **stored.model_dump(exclude_unset=True)})
        deadline = self.remembered.deadline
        verdict = self._confirmation.of(decision, self.session.current_output, edited)
        if verdict == "unconfirmed" and is_nobodys(self.session):
            # An earlier process of this task could not end the review, or somebody wrote so; nobody confirms it.
            log.warning("XCom says that nobody decided; the task, whose deadline is %s, looks itself.", deadline)
            self._reopen(self.session.decisions[:-1], deadline or utcnow())
            return None
        self.is_unconfirmed = verdict == "unconfirmed"
        if verdict == "refused":
            self._refuse()
        if verdict != "confirmed":
            return None
        self.edited_output = edited
        return decision

    def _refuse(self) -> None:
        """Make the review pending again: none of the reviewers took the decision in XCom."""
        reviewers = list(self._confirmation.reviewers)
        log.error(
            "XCom says %s, but the API server has no record of that decision%s. The review is pending again.",
            self.session.status.value,
            f" by one of the reviewers {reviewers}" if reviewers else "",
        )
        self._reopen(self.session.decisions, utcnow())

    def _reopen(self, decisions: list[Decision], at: datetime) -> None:
        again = {"status": SessionStatus.PENDING_REVIEW, "decisions": decisions, "updated_at": at}
        own = {"reviewers": list(self._confirmation.reviewers), "deadline_at": self.remembered.deadline}
        self._store(self.session.model_copy(update={**again, **own}))

    def time_left(self) -> timedelta | None:
        """Time until the deadline, negative after it; None without one."""
        return self.remembered.deadline - utcnow() if self.remembered.deadline else None

    def load_history(self) -> Any:
        """The history up to the session's current output, if one was stored.

        Raises:
            XComsAwayError: it cannot be read just now.
            HITLRegenerationError: it led to a request, and somebody has overwritten it.
        """
        history = self._xcoms.read_history(self.session.iteration)
        check_history(self.remembered, history)
        return history

    def _store(self, session: AgentSession) -> None:
        self._xcoms.store_session(session)
        self.session = session

    def _moved(self, state: ReviewState, **changes: Any) -> AgentSession:
        return self.session.moved_to(state, utcnow(), **changes)
