"""``HITLReviewMixin``: pause a task until a person has reviewed its output."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from airflow_hitl_review.callbacks import Callbacks, GivenCallbacks
from airflow_hitl_review.endpoints import Webhook, as_webhooks, usable_webhooks
from airflow_hitl_review.errors import (
    HITLMaxIterationsError,
    HITLRegenerationError,
    HITLRejectError,
    HITLTimeoutError,
)
from airflow_hitl_review.operator_link import push_links
from airflow_hitl_review.schema import AgentSession, HumanAction
from airflow_hitl_review.sdk import MAY_READ_AFTER_FORM, park
from airflow_hitl_review.states import Action, SessionStatus, Step
from airflow_hitl_review.worker import WorkerReview, as_text, utcnow

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

MAX_FAILED_READS = 10
"""While polling: so many failed reads of XCom in a row end the task with the last error."""

CONFIRMED_WITHIN = timedelta(minutes=2)
"""Where the review has reviewers: the API server wakes a decided task sooner than that, or makes the review pending
again. Without it (it is down), the task parks anew."""

_LAST_LOOK = 2.0
"""Seconds after the deadline at which polling looks for the last time: a decision may be on its way in."""


class HITLReviewMixin:
    """Gives an operator a review by a person: approve, reject, or ask for changes and look again.

    Put it before the operator class, set the attributes, implement ``regenerate_with_feedback``, and call
    ``run_hitl_review`` at the end of ``execute``::

        class MyOperator(HITLReviewMixin, BaseOperator):
            def execute(self, context):
                output, history = ask_the_model(self.prompt)
                return self.run_hitl_review(context, output, message_history=history)

    Names are those of the mixin in Airflow's AI provider.

    With ``hitl_wait="park"`` the call does not return: the task is parked in the state ``awaiting_input``
    (``deferred`` before Airflow 3.3), where it holds no worker slot, and its process ends. Another process
    resumes it at ``resume_hitl_review``, and what that returns is the task's result. What ``execute`` would do
    with the approved output belongs into ``hitl_review_result``, which is called in both ways of waiting.

    Attributes:
        enable_hitl_review: for operators that offer the review as an option; not read here.
        prompt: what the reviewer is told the output is for.
        max_hitl_iterations: outputs that may be shown in all, at least 1.
        hitl_timeout: time for the whole review, all rounds included; None for no limit.
        hitl_poll_interval: seconds between two looks, when polling.
        hitl_wait: ``"park"`` or ``"poll"`` (holds the worker slot).
        reviewers: ids of the only people who may decide, as Airflow's auth manager has them; they need the right
            to decide reviews of the DAG besides. All who have that if empty. Needs ``hitl_wait="park"``: only a
            task that is woken is told by the API server who has decided.
        webhooks: endpoints that hear of the review: URLs, connection ids and ``Webhook`` objects.
        webhook_url: one more endpoint, given as a plain URL.
        on_output_ready_callback: a function of the context, a ``BaseNotifier``, or a list of them; called when
            an output waits for a review, each round. The context then has ``hitl_review``, see ``Callbacks``.
        on_finalized_callback: as above, when the review has ended, by the worker: not where the task was
            killed or cleared.
        notifiers: as ``on_output_ready_callback``; the name that Airflow's ``HITLOperator`` has for it.
        on_regenerate_error: ``"return"`` gives the review back to the reviewer with the error;
            ``"fail"`` fails the task.
    """

    enable_hitl_review: bool = True
    prompt: str = ""
    max_hitl_iterations: int = 5
    hitl_timeout: timedelta | None = None
    hitl_poll_interval: float = 10.0
    hitl_wait: Literal["park", "poll"] = "park"
    reviewers: Sequence[str] = ()
    webhooks: Sequence[str | Webhook] | str | Webhook = ()
    webhook_url: str | None = None
    on_output_ready_callback: GivenCallbacks = None
    on_finalized_callback: GivenCallbacks = None
    notifiers: GivenCallbacks = None
    on_regenerate_error: Literal["return", "fail"] = "return"

    def run_hitl_review(self, context: Context, output: Any, *, message_history: Any = None) -> Any:
        """Have ``output`` reviewed, and return the approved one.

        Args:
            context: the task's context.
            output: text, or anything that pydantic can write as JSON.
            message_history: what ``regenerate_with_feedback`` needs; JSON values if the task parks.

        Returns:
            What ``hitl_review_result`` makes of the approved output.

        Raises:
            HITLRejectError: the reviewer rejected it.
            HITLTimeoutError: nobody decided in time.
            HITLMaxIterationsError: changes were asked for once too often.
            HITLRegenerationError: regenerating failed and ``on_regenerate_error="fail"``.
            TaskAwaitingInput: Airflow's signal to park the task (``TaskDeferred`` before Airflow 3.3); let it
                through.
            TypeError: the output or the history cannot be stored.
        """
        self._check_review_settings()
        review = WorkerReview.start(
            context["ti"],
            output,
            prompt=self.prompt,
            max_iterations=self.max_hitl_iterations,
            timeout=self.hitl_timeout,
            reviewers=self.reviewers,
            webhooks=usable_webhooks(self.webhooks, self.webhook_url),
            callbacks=self._callbacks(context),
        )
        push_links(self, context["ti"])
        if self.hitl_wait == "park":
            review.store_history(self.dump_message_history(message_history))
        return self._hitl_review(review, message_history)

    def resume_hitl_review(self, context: Context, event: dict[str, Any] | None = None) -> Any:
        """Go on with a parked review. Airflow calls this.

        ``event`` says why. What was decided is in XCom; that it was decided by one of ``reviewers``, the event
        must confirm.
        """
        review = WorkerReview.load(
            context["ti"],
            usable_webhooks(self.webhooks, self.webhook_url),
            self._callbacks(context),
            reviewers=self.reviewers,
            event=event,
        )
        if event and "chosen_options" in event and review.session.status is SessionStatus.PENDING_REVIEW:
            log.warning(
                "Somebody answered in Airflow's Required Actions, but no decision was made of it, and the review "
                "goes on: is hitl-notebook installed where the API server runs? Set [hitl_review] "
                "required_actions to False if it cannot be."
            )
        return self._hitl_review(review, self.load_message_history(review.load_history()))

    def regenerate_with_feedback(self, *, feedback: str, message_history: Any) -> tuple[Any, Any]:
        """Make the next output; to be implemented by the operator.

        Args:
            feedback: what the reviewer wants changed.
            message_history: as given to ``run_hitl_review``, or as returned the last time.

        Returns:
            The next output, and the message history for the time after.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement regenerate_with_feedback().")

    def dump_message_history(self, message_history: Any) -> Any:
        """What is kept of a history while the task is parked: JSON values; override if yours is none.

        Args:
            message_history: as given to ``run_hitl_review``, or as ``regenerate_with_feedback`` returned it.
        """
        return message_history

    def load_message_history(self, stored: Any) -> Any:
        """The history again, of what ``dump_message_history`` made of it."""
        return stored

    def hitl_review_result(self, output: str, output_format: Literal["text", "json"]) -> Any:
        """Make the task's result of the approved output; override to change it.

        Args:
            output: the approved output as the reviewer saw it.
            output_format: ``"json"`` if the output was no text and ``output`` is its JSON.
        """
        return output

    def check_hitl_settings(self) -> None:
        """Check the attributes above, templates not rendered yet; call it where the operator is made.

        Raises:
            ValueError: says which one is wrong and what it takes.
        """
        self._check_review_settings()
        as_webhooks(self.webhooks, self.webhook_url, rendered=False)
        self._callbacks({})

    def _check_review_settings(self) -> None:
        if isinstance(self.max_hitl_iterations, bool) or not (
            isinstance(self.max_hitl_iterations, int) and self.max_hitl_iterations >= 1
        ):
            raise ValueError(
                f"max_hitl_iterations must be a whole number from 1, not {self.max_hitl_iterations!r}."
            )
        if self.hitl_timeout is not None and not (
            isinstance(self.hitl_timeout, timedelta) and self.hitl_timeout > timedelta(0)
        ):
            raise ValueError(f"hitl_timeout must be a positive timedelta or None, not {self.hitl_timeout!r}.")
        if not self.hitl_poll_interval > 0:
            raise ValueError(f"hitl_poll_interval must be positive seconds, not {self.hitl_poll_interval!r}.")
        if self.hitl_wait not in ("park", "poll"):
            raise ValueError(f"hitl_wait must be 'park' or 'poll', not {self.hitl_wait!r}.")
        if isinstance(self.reviewers, str) or not all(isinstance(i, str) and i.strip() for i in self.reviewers):
            raise ValueError(f"reviewers must be a list of user ids, not {self.reviewers!r}.")
        if self.reviewers and self.hitl_wait != "park":
            raise ValueError("reviewers needs hitl_wait='park': a task that polls cannot know who has decided.")
        if self.on_regenerate_error not in ("return", "fail"):
            raise ValueError(f"on_regenerate_error must be 'return' or 'fail', not {self.on_regenerate_error!r}.")

    def _callbacks(self, context: Any) -> Callbacks:
        return Callbacks(
            context,
            on_output_ready=self.on_output_ready_callback,
            on_finalized=self.on_finalized_callback,
            notifiers=self.notifiers,
        )

    def _hitl_review(self, review: WorkerReview, history: Any) -> Any:
        while True:
            action = self._wait_for_decision(review)
            session = review.session
            if action.action is Action.APPROVE:
                review.end(None, action)
                return self._approved(session, history)
            if action.action is Action.REJECT:
                review.end(None, action)
                who = f" by {action.user.name}" if action.user else ""
                why = "; the reason is in the review" if action.feedback else ""
                raise HITLRejectError(
                    f"Output {session.iteration} was rejected{who}{why}.", feedback=action.feedback
                )
            if not session.state.may_regenerate:
                review.end(Step.GIVE_UP, action)
                raise HITLMaxIterationsError(
                    f"Changes were requested for output {session.iteration}, the last that "
                    f"max_hitl_iterations={session.max_iterations} allows."
                )
            review.changes_requested(action)
            history = self._regenerate(review, action, history)

    def _approved(self, session: AgentSession, history: Any) -> Any:
        """The task's result; ``history`` is the one that the approved output came with."""
        return self.hitl_review_result(session.current_output, session.output_format)

    def _regenerate(self, review: WorkerReview, action: HumanAction, history: Any) -> Any:
        try:
            output, new_history = self.regenerate_with_feedback(feedback=action.feedback, message_history=history)
            text, format_ = as_text(output)  # before anything is stored: it may be refused
            if self.hitl_wait == "park":
                review.store_history(self.dump_message_history(new_history))
            review.next_output(text, format_)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            if self.on_regenerate_error == "fail":
                review.end(None, action, status="failed")
                raise HITLRegenerationError(f"Regenerating failed: {reason}") from error
            log.exception("Regenerating failed; the review goes back to the reviewer.")
            review.regeneration_failed(action, reason)
            return history
        return new_history

    def _wait_for_decision(self, review: WorkerReview) -> HumanAction:  # noqa: RET503 - _park() never returns
        if self.hitl_wait == "park":
            review.finish_announcing()
        # This look also sees a decision that came while webhooks were sent.
        if (action := review.decision()) is not None:
            return action
        if review.is_unconfirmed:
            # The form may be answered already, where the event that confirmed the decision was lost with its
            # process. Airflow does not park a task whose form is answered: it resumes it at once, for ever.
            review.require_action()
            _park(review)
        if _is_over(review):
            self._time_out(review)
        if self.hitl_wait == "poll":
            return self._poll(review)
        review.require_action()
        # The last look before parking: from now on it can be decided in Airflow, too.
        if MAY_READ_AFTER_FORM and (action := review.decision()) is not None:
            return action
        _park(review)

    def _poll(self, review: WorkerReview, sleep: Callable[[float], None] = time.sleep) -> HumanAction:
        failed = 0
        while True:
            left = review.time_left()
            pause = self.hitl_poll_interval
            if left is not None and left.total_seconds() <= pause:
                pause = max(left.total_seconds(), 0.0) + _LAST_LOOK
            sleep(pause)
            try:
                action = review.decision()
            except Exception:
                failed += 1
                if failed >= MAX_FAILED_READS:
                    raise
                log.warning("Reading the review failed %d times in a row.", failed, exc_info=True)
                continue
            failed = 0
            if action is not None:
                return action
            review.go_on_announcing()
            if _is_over(review):
                self._time_out(review)

    def _time_out(self, review: WorkerReview) -> NoReturn:
        review.end(Step.TIME_OUT)
        raise HITLTimeoutError(f"Nobody decided about output {review.session.iteration} in time.")


def _park(review: WorkerReview) -> NoReturn:
    now = utcnow()
    park(now + CONFIRMED_WITHIN if review.is_unconfirmed else review.session.deadline_at, now)


def _is_over(review: WorkerReview) -> bool:
    left = review.time_left()
    return left is not None and left <= timedelta(0)
