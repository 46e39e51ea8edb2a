"""Worker side of one review: the steps that the worker takes, each stored and announced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

from airflow_hitl_review.core.airflow_sdk import FAILURES
from airflow_hitl_review.core.schema import SESSION_KEY, AgentSession, Decision
from airflow_hitl_review.core.states import Action, SessionStatus, Step, advance
from airflow_hitl_review.core.texts import storable
from airflow_hitl_review.core.tool_calls import ToolRequest
from airflow_hitl_review.core.trace import Trace
from airflow_hitl_review.core.webhook_endpoints import Webhook
from airflow_hitl_review.task import parking
from airflow_hitl_review.task.announcer import Announcer
from airflow_hitl_review.task.callbacks import Callbacks
from airflow_hitl_review.task.confirmation import Confirmation
from airflow_hitl_review.task.new_session import decided, failure_of
from airflow_hitl_review.task.progress import end_progress, making
from airflow_hitl_review.task.remembered import Parked, Remembered
from airflow_hitl_review.task.stored_review import StoredReview
from airflow_hitl_review.task.task_xcoms import TaskXComs
from airflow_hitl_review.task.tool_requests import begun, settled, with_earlier


class ReviewSession(StoredReview):
    """One review, and the steps that its task takes. Create with ``start`` or ``load``."""

    @classmethod
    def start(
        cls,
        ti: Any,
        session: AgentSession,
        history: Any,
        trace: Trace | None,
        *,
        webhooks: Sequence[Webhook],
        callbacks: Callbacks,
    ) -> ReviewSession:
        """Store the first output and its session, and announce it unless it is approved already.

        Args:
            ti: the running task instance.
            session: the new session, see ``new_session``.
            history: what regenerating needs after a pause, in its stored form, if anything.
            trace: what the task did, if it says so.
            webhooks: endpoints that get the events.
            callbacks: the DAG's callbacks.

        Raises:
            XComsAwayError: XComs cannot be written.
        """
        announcer = Announcer(ti, webhooks, callbacks, ti.try_number)
        review = cls(ti, session, announcer, Confirmation(session.reviewers, is_resumed=False, event=None))
        announcer.open()
        session = review.session = review._with_earlier(session)
        review._xcoms.store_round(session, history, trace)
        end_progress(ti)
        review.remembered = review.remembered.after(session, session, history)
        if session.status is SessionStatus.PENDING_REVIEW:
            announcer.output_ready(session)
        return review

    @classmethod
    def load(
        cls,
        ti: Any,
        webhooks: Sequence[Webhook],
        callbacks: Callbacks,
        *,
        reviewers: Sequence[str] = (),
        event: Mapping[str, Any] | None = None,
        parked: Parked | None = None,
    ) -> ReviewSession:
        """Load the review of a resumed task.

        Args:
            ti: the running task instance.
            webhooks, callbacks: as for ``start``.
            reviewers: ids of the only people who may decide, if any; from the DAG, not from XCom.
            event: the event that resumed the task.
            parked: what the task was given when it parked.

        Raises:
            LookupError: the session is gone from XCom.
            XComsAwayError: it cannot be read just now.
        """
        session = TaskXComs(ti).read_session()
        if session is None:
            why = f"The task was resumed, but its review is gone: somebody deleted the XCom {SESSION_KEY!r}."
            raise LookupError(f"{why} Clear the task to start over.")
        announcer = Announcer(ti, webhooks, callbacks, session.try_number or ti.try_number)
        review = cls(ti, session, announcer, Confirmation(reviewers, is_resumed=True, event=event))
        review.remembered = Remembered.read(parked, session)
        return review

    def decide_itself(self, action: Action, channel: Literal["timeout"], feedback: str = "") -> Decision | None:
        """Decide as the task's settings say, without a person; None if a person was faster at the last moment."""
        session, decision = decided(self.session, action, channel)
        decision = decision.model_copy(update={"feedback": feedback})
        stored = self._xcoms.read_session()
        if stored is None or stored.status is not SessionStatus.PENDING_REVIEW:
            return None
        self._xcoms.store_decision(decision)
        self._xcoms.store_session(session)
        stored = self._xcoms.read_session()
        if stored is None or stored.updated_at != session.updated_at:
            return None  # the API server has kept what was decided there
        self.session = session
        return decision

    def settle(self, asked: ToolRequest | None, decision: Decision) -> None:
        """Take what was asked from the task, see ``tool_requests.settled``."""
        self.session = settled(self.session, self.remembered, asked, decision)

    def begin_calls(self, answer: str) -> None:
        """Note that approved calls are being made, see ``tool_requests.begun``; raises ``XComsAwayError`` also."""
        session, calls = begun(self.session, answer, self._ti.try_number)
        if calls.calls:
            self._xcoms.add_begun_calls(calls)
        self._store(session)

    def making_next(self) -> AbstractContextManager[None]:
        """The block makes the next output, and tells what it does meanwhile."""
        return making(self._ti, self.session.iteration + 1)

    def show(self, session: AgentSession, history: Any, trace: Trace | None) -> None:
        """Show the next output, and announce it unless it is approved already.

        Args:
            session: as ``next_session`` has made it.
            history: as for ``start``.
            trace: as for ``start``.

        Raises:
            RuntimeError: it could not be stored. The review is unchanged, and nobody will see that output.
            XComsAwayError: it is unknown whether it is stored; the review must be loaded again.
        """
        session = self._with_earlier(session)
        try:
            self._xcoms.store_round(session, history, trace)
        except FAILURES as error:
            # The last write may have succeeded, with its response lost: then this output is visible, and perhaps
            # already decided. Going back to the previous output would undo that.
            if not self._xcoms.has_session(session):
                raise RuntimeError(f"The next output could not be stored: {error}") from error
        self.remembered = self.remembered.after(self.session, session, history)
        self.session, self.edited_output = session, None
        if session.status is SessionStatus.PENDING_REVIEW:
            self.announcer.output_ready(session)

    def give_back(self, decision: Decision, step: Step, error: str) -> None:
        """Make the current output pending again, and record the error.

        Args:
            decision: what could not be carried out.
            step: ``FAIL_TO_REGENERATE`` or ``REFUSE_EDIT``.
            error: the reason.
        """
        failure = failure_of(decision, step, storable(error))
        moved = self._moved(advance(self.session.state, step), last_error=failure.error)
        self._store(moved.model_copy(update={"failures": [*self.session.failures, failure]}))

    def end(self, step: Step | None, decision: Decision | None = None, *, status: str | None = None) -> None:
        """End the review, by a step of the worker or as the reviewer decided, and announce it.

        Args:
            step: how the worker ends it; None if the session is final already, or stays unchanged.
            decision: what was decided, if anything.
            status: the event's status, if it differs from the session's.
        """
        if step is not None:
            self._store(self._moved(advance(self.session.state, step)))
        self.announcer.finalized(self.session, decision, self.edited_output if decision else None, status)

    def require_action(self) -> None:
        """Show the review as pending in Airflow's Required Actions."""
        parking.require_action(self._ti, self._xcoms.key, self.session, self._confirmation.reviewers)

    def _with_earlier(self, session: AgentSession) -> AgentSession:
        return with_earlier(session, self._xcoms.read_begun_calls()) if session.request is not None else session
