"""Worker side of one review: its state in XCom, and the steps that the worker takes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow_hitl_review.core.airflow_sdk import FAILURES
from airflow_hitl_review.core.audit_record import confirms
from airflow_hitl_review.core.schema import SESSION_KEY, AgentSession, Decision, FailedRegeneration
from airflow_hitl_review.core.states import ReviewState, SessionStatus, Step, advance
from airflow_hitl_review.core.texts import storable
from airflow_hitl_review.core.webhook_endpoints import Webhook
from airflow_hitl_review.task import parking
from airflow_hitl_review.task.announcer import Announcer
from airflow_hitl_review.task.callbacks import Callbacks
from airflow_hitl_review.task.json_values import Shown
from airflow_hitl_review.task.task_xcoms import TaskXComs, utcnow

log = logging.getLogger(__name__)


class ReviewSession:
    """One review, seen from its task. Create with ``start`` or ``load``."""

    def __init__(
        self,
        ti: Any,
        session: AgentSession,
        announcer: Announcer,
        *,
        reviewers: Sequence[str] = (),
        is_resumed: bool = False,
        event: Mapping[str, Any] | None = None,
    ) -> None:
        self._ti = ti
        self._xcoms = TaskXComs(ti)
        self._reviewers = reviewers
        self._is_resumed = is_resumed
        self._event = event
        self.is_unconfirmed = False
        self.announcer = announcer
        self.session = session

    @classmethod
    def start(
        cls,
        ti: Any,
        shown: Shown,
        *,
        history: Any,
        prompt: str,
        max_iterations: int,
        timeout: timedelta | None,
        reviewers: Sequence[str],
        webhooks: Sequence[Webhook],
        callbacks: Callbacks,
        display_as: str | None = None,
    ) -> ReviewSession:
        """Store the first output and a new session, and announce it.

        Args:
            ti: the running task instance.
            shown: the output, as returned by ``as_text``.
            history: what regenerating needs after a pause, in its stored form; None stores none.
            prompt: tells the reviewer what the output is for.
            max_iterations: total number of outputs that may be shown.
            timeout: time for the whole review; None for no limit.
            reviewers: ids of the only people who may decide.
            webhooks: endpoints that get the events.
            callbacks: the DAG's callbacks.
            display_as: how reviewers see the outputs, if the author says so.

        Raises:
            XComsAwayError: XComs cannot be written.
        """
        now = utcnow()
        session = AgentSession(
            max_iterations=max_iterations,
            prompt=prompt,
            current_output=shown[0],
            output_format=shown[1],
            display_as=display_as,
            task_instance_id=str(ti.id),
            try_number=ti.try_number,
            reviewers=list(reviewers),
            created_at=now,
            updated_at=now,
            deadline_at=now + timeout if timeout is not None else None,
        )
        announcer = Announcer(ti, webhooks, callbacks, ti.try_number)
        review = cls(ti, session, announcer, reviewers=reviewers)
        announcer.open()
        review._xcoms.store_round(session, history)
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
    ) -> ReviewSession:
        """Load the review of a resumed task.

        Args:
            ti: the running task instance.
            webhooks: endpoints that get the events.
            callbacks: the DAG's callbacks.
            reviewers: ids of the only people who may decide, if any; from the DAG, not from XCom.
            event: the event that resumed the task.

        Raises:
            LookupError: the session is gone from XCom.
            XComsAwayError: it cannot be read just now.
        """
        session = TaskXComs(ti).read_session()
        if session is None:
            raise LookupError(
                f"The task was resumed, but its review is gone: somebody deleted the XCom {SESSION_KEY!r}. "
                "Clear the task to start over."
            )
        announcer = Announcer(ti, webhooks, callbacks, session.try_number or ti.try_number)
        return cls(ti, session, announcer, reviewers=reviewers, is_resumed=True, event=event)

    # --- what the reviewer did

    def decision(self) -> Decision | None:
        """Read XCom; return the decision to carry out, None while the review is pending.

        The session's status shows whether there is one. The action alone proves nothing: after a failed
        regeneration the last action has the current iteration, but is already handled.

        After a resume, and always if the review has reviewers, a decision counts only if the API server has
        confirmed it: anybody who may edit XComs could have written it. ``is_unconfirmed`` is True while a decision
        waits for that.

        Raises:
            XComsAwayError: XComs cannot be read just now.
            pydantic.ValidationError: somebody overwrote the session with something else.
        """
        self.is_unconfirmed = False
        stored = self._xcoms.read_session()
        if stored is None or stored.status is SessionStatus.PENDING_REVIEW:
            return None
        decision = self._xcoms.read_decision()
        must_be_confirmed = bool(self._reviewers) or self._is_resumed
        if decision is None and not must_be_confirmed:
            return None  # a session without its action: that may still arrive
        # The provider's API rewrites the session with the fields it knows; keep our own.
        ours = self.session.model_dump(exclude_unset=True)
        self.session = AgentSession.model_validate({**ours, **stored.model_dump(exclude_unset=True)})
        event, self._event = self._event, None  # it confirms one decision
        if not must_be_confirmed:
            return decision
        if decision is not None and confirms(event, decision, self.session.current_output, self._reviewers):
            self._is_resumed = False
            return decision
        if decision is not None and event is not None and "decided" in event:
            self._refuse()  # XCom has changed since, or an API without reviewers decided
        else:
            self.is_unconfirmed = True
        return None

    def _refuse(self) -> None:
        """Make the review pending again: none of the reviewers took the decision in XCom."""
        log.error(
            "XCom says %s, but the API server has no record of that decision%s. The review is pending again.",
            self.session.status.value,
            f" by one of the reviewers {list(self._reviewers)}" if self._reviewers else "",
        )
        again = {"status": SessionStatus.PENDING_REVIEW, "reviewers": list(self._reviewers), "updated_at": utcnow()}
        self._store(self.session.model_copy(update=again))

    # --- what the worker does

    def next_output(self, shown: Shown, history: Any) -> None:
        """Show the next output; arguments as for ``start``.

        Raises:
            RuntimeError: it could not be stored. The review is unchanged: nobody has seen that output, and nobody
                will.
            XComsAwayError: it is unknown whether it is stored; the review must be loaded again.
        """
        state = advance(self.session.state, Step.REGENERATE)
        session = self._moved(state, current_output=shown[0], output_format=shown[1], last_error=None)
        try:
            self._xcoms.store_round(session, history)
        except FAILURES as error:
            # The last write may have succeeded even though its response was lost: then this output is visible, and
            # perhaps already decided. Going back to the previous output would undo that.
            if not self._xcoms.has_session(session):
                raise RuntimeError(f"The next output could not be stored: {error}") from error
        self.session = session
        self.announcer.output_ready(session)

    def regeneration_failed(self, decision: Decision, error: str) -> None:
        """Make the current output pending again, and record the error."""
        at = utcnow()
        failure = FailedRegeneration(
            iteration=self.session.iteration,
            at=at,
            feedback=decision.feedback,
            error=storable(error),
            user=decision.user,
            asked_at=decision.at,
        )
        state = advance(self.session.state, Step.FAIL_TO_REGENERATE)
        failures = [*self.session.failures, failure]
        self._store(self._moved(state, last_error=failure.error, failures=failures))

    def end(self, step: Step | None, decision: Decision | None = None, *, status: str | None = None) -> None:
        """End the review, by a step of the worker or as the reviewer decided, and announce it.

        Args:
            step: how the worker ends it; None if the session is final already, or stays unchanged.
            decision: the reviewer's decision, if there is one.
            status: the event's status, if it differs from the session's.
        """
        if step is not None:
            self._store(self._moved(advance(self.session.state, step)))
        self.announcer.finalized(self.session, decision, status)

    def require_action(self) -> None:
        """Show the review as pending in Airflow's Required Actions."""
        parking.require_action(self._ti, self._xcoms.key, self.session, self._reviewers)

    def time_left(self) -> timedelta | None:
        """Time until the deadline, negative after it; None without one."""
        return self.session.deadline_at - utcnow() if self.session.deadline_at else None

    def load_history(self) -> Any:
        """The history up to the session's current output; None if none was stored.

        Raises:
            XComsAwayError: it cannot be read just now.
        """
        return self._xcoms.read_history(self.session.iteration)

    def _store(self, session: AgentSession) -> None:
        self._xcoms.store_session(session)
        self.session = session

    def _moved(self, state: ReviewState, **changes: Any) -> AgentSession:
        return self.session.moved_to(state, utcnow(), **changes)
