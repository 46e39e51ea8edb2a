"""``HITLReviewMixin``: pause a task until a person has reviewed its output."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow_hitl_review.core.schema import AgentSession
from airflow_hitl_review.core.states import SessionStatus
from airflow_hitl_review.core.texts import storable
from airflow_hitl_review.core.webhook_endpoints import Webhook, as_webhooks, usable_webhooks
from airflow_hitl_review.task import review_loop, review_options
from airflow_hitl_review.task.callbacks import Callbacks, GivenCallbacks
from airflow_hitl_review.task.json_values import are_messages, as_text, dump_messages, load_messages, stored_form
from airflow_hitl_review.task.operator_link import push_links
from airflow_hitl_review.task.review_session import ReviewSession

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


class HITLReviewMixin:
    """Gives an operator a review by a person: approve, reject, or ask for changes and look again.

    Put it before the operator class, set the attributes, implement ``regenerate_with_feedback``, and call
    ``run_hitl_review`` at the end of ``execute``::

        class MyOperator(HITLReviewMixin, BaseOperator):
            def execute(self, context):
                output, history = ask_the_model(self.prompt)
                return self.run_hitl_review(context, output, message_history=history)

    Names are the same as in the mixin of Airflow's AI provider.

    With ``hitl_wait="park"`` the call does not return: the task is parked in the state ``awaiting_input``
    (``deferred`` before Airflow 3.3), where it holds no worker slot, and its process ends. Another process
    resumes it at ``resume_hitl_review``, which returns the task's result. What ``execute`` would do with the
    approved output belongs in ``hitl_review_result``, which is called in both ways of waiting.

    Attributes:
        enable_hitl_review: for operators that offer the review as an option; not read here.
        prompt: tells the reviewer what the output is for.
        max_hitl_iterations: outputs that may be shown in all, at least 1.
        hitl_timeout: time for the whole review, including all rounds; None for no limit.
        hitl_poll_interval: seconds between two looks, when polling.
        hitl_wait: ``"park"`` or ``"poll"`` (holds the worker slot).
        reviewers: ids, from Airflow's auth manager, of the only people who may decide; they also need the right to
            decide reviews of the DAG. If empty, everybody with that right may decide. Needs ``hitl_wait="park"``:
            the API server tells only a resumed task who has decided. A template field of our operators: a list, or
            a template that gives one, or one id.
        display_as: how reviewers see the outputs: ``"markdown"``, ``"code"``, ``"code:python"`` (or another
            language), ``"json"``, ``"table"`` (a list of objects), ``"html"`` (its source) or ``"text"``; None for
            what an output looks like. Reviewers can choose another view.
        webhooks: endpoints that hear of the review: URLs, connection ids and ``Webhook`` objects.
        webhook_url: one more endpoint, given as a plain URL.
        on_output_ready_callback: a function of the context, a ``BaseNotifier``, or a list of them; called when
            an output waits for a review, in each round. The context then has ``hitl_review``, see ``Callbacks``.
        on_finalized_callback: as above, called by the worker when the review has ended; not called if the task was
            killed or cleared.
        notifiers: as ``on_output_ready_callback``; Airflow's ``HITLOperator`` uses this name.
        on_regenerate_error: ``"return"`` gives the review back to the reviewer with the error;
            ``"fail"`` fails the task.
    """

    enable_hitl_review: bool = True
    prompt: str = ""
    max_hitl_iterations: int = 5
    hitl_timeout: timedelta | None = None
    hitl_poll_interval: float = 10.0
    hitl_wait: Literal["park", "poll"] = "park"
    reviewers: Sequence[str] | str = ()
    display_as: str | None = None
    webhooks: Sequence[str | Webhook] | str | Webhook = ()
    webhook_url: str | None = None
    on_output_ready_callback: GivenCallbacks = None
    on_finalized_callback: GivenCallbacks = None
    notifiers: GivenCallbacks = None
    on_regenerate_error: Literal["return", "fail"] = "return"

    def run_hitl_review(self, context: Context, output: Any, *, message_history: Any = None) -> Any:
        """Get ``output`` reviewed, and return the approved output.

        Args:
            context: the task's context.
            output: text, or anything that pydantic can write as JSON.
            message_history: what ``regenerate_with_feedback`` needs; JSON values if the task parks.

        Returns:
            The result of ``hitl_review_result`` for the approved output.

        Raises:
            HITLRejectError: the reviewer rejected it.
            HITLTimeoutError: nobody decided in time.
            HITLMaxIterationsError: changes were requested once too often.
            HITLRegenerationError: regenerating failed and ``on_regenerate_error="fail"``.
            TaskAwaitingInput: Airflow's signal to park the task (``TaskDeferred`` before Airflow 3.3); do not
                catch it.
            TypeError: the output or the history cannot be stored.
        """
        self._take_what_the_provider_takes()
        self.check_rendered_hitl_settings()
        # Everything that may be refused comes first: once something is stored, a reviewer may see it.
        shown = as_text(output)
        history = self._stored_history(message_history)
        ti = _task_instance(context)
        review = ReviewSession.start(
            ti,
            shown,
            history=history,
            prompt=HITLReviewMixin._to_string(self.prompt),  # a template may render to another task's result
            max_iterations=self.max_hitl_iterations,
            timeout=self.hitl_timeout,
            reviewers=self.reviewers,
            webhooks=usable_webhooks(self.webhooks, self.webhook_url),
            callbacks=self._callbacks(context),
            display_as=self.display_as,
        )
        push_links(self, ti)
        return review_loop.run(self, review, message_history)

    def resume_hitl_review(self, context: Context, event: dict[str, Any] | None = None) -> Any:
        """Resume a parked review. Airflow calls this.

        ``event`` says why. The decision is in XCom; the event must confirm that it was taken, and by one of
        ``reviewers`` if there are any.
        """
        self.reviewers = review_options.check_reviewers(self.reviewers, self.hitl_wait, rendered=True)
        with review_loop.parks_again(self):
            review = ReviewSession.load(
                _task_instance(context),
                usable_webhooks(self.webhooks, self.webhook_url),
                self._callbacks(context),
                reviewers=self.reviewers,
                event=event,
            )
            stored_history = review.load_history()
            review.announcer.output_ready_if_untold(review.session)
        if event and "chosen_options" in event and review.session.status is SessionStatus.PENDING_REVIEW:
            log.warning(
                "Somebody answered in Airflow's Required Actions, but the answer did not become a decision, and "
                "the review goes on. Install hitl-notebook where the API server runs, or set [hitl_review] "
                "required_actions to False."
            )
        return review_loop.run(self, review, self.load_message_history(stored_history))

    def regenerate_with_feedback(self, *, feedback: str, message_history: Any) -> tuple[Any, Any]:
        """Generate the next output; the operator must implement this.

        Args:
            feedback: what the reviewer wants changed.
            message_history: as given to ``run_hitl_review``, or as returned the last time.

        Returns:
            The next output, and the message history for the next call.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement regenerate_with_feedback().")

    def dump_message_history(self, message_history: Any) -> Any:
        """Convert a history to JSON values, stored while the task is parked; override if yours is not JSON.

        pydantic-ai's messages, which the AI provider's operators have, are converted by its own adapter.

        Args:
            message_history: as given to ``run_hitl_review``, or as ``regenerate_with_feedback`` returned it.
        """
        return dump_messages(message_history)

    def load_message_history(self, stored: Any) -> Any:
        """Restore a history from the result of ``dump_message_history``."""
        return load_messages(stored)

    def hitl_review_result(self, output: str, output_format: Literal["text", "json"]) -> Any:
        """Make the task's result from the approved output; override to change it.

        Args:
            output: the approved output as the reviewer saw it.
            output_format: ``"json"`` if the output was not text and ``output`` is its JSON.
        """
        return output

    @staticmethod
    def _to_string(output: Any) -> str:
        """An output as the reviewer sees it; operators that were written for the AI provider's mixin call this."""
        try:
            return as_text(output)[0]
        except TypeError:
            return storable(str(output))

    def check_hitl_settings(self) -> None:
        """Check the attributes above, before templates are rendered; call it in the operator's ``__init__``.

        Raises:
            ValueError: says which one is wrong and what it accepts.
        """
        review_options.check(self)
        rendered = "reviewers" not in getattr(self, "template_fields", ())  # else Airflow renders them later
        review_options.check_reviewers(self.reviewers, self.hitl_wait, rendered=rendered)
        as_webhooks(self.webhooks, self.webhook_url, rendered=False)
        self._callbacks({})

    def check_rendered_hitl_settings(self) -> None:
        """Check them again after templates are rendered; call it before generating the first output costs money.

        Raises:
            ValueError: as above.
        """
        review_options.check(self)
        self.reviewers = review_options.check_reviewers(self.reviewers, self.hitl_wait, rendered=True)

    def _take_what_the_provider_takes(self) -> None:
        """Accept zeros as the AI provider does; operators may skip ``check_hitl_settings``, which refuses them."""
        self.hitl_timeout = self.hitl_timeout or None
        if self.max_hitl_iterations == 0:
            self.max_hitl_iterations = 1
        if self.hitl_poll_interval == 0:
            self.hitl_poll_interval = 0.1

    def _stored_history(self, message_history: Any) -> Any:
        """The history in its stored form; None when polling, which does not need it.

        If pydantic-ai's messages cannot be stored, the task polls, as with the AI provider's mixin.

        Raises:
            TypeError: it cannot be stored; the message says where the first such value is.
        """
        if self.hitl_wait != "park":
            return None
        try:
            return stored_form(self.dump_message_history(message_history), "The message history")
        except (TypeError, ValueError) as error:
            if are_messages(message_history) and not self.reviewers:
                log.warning("%s The review goes on with a worker slot (hitl_wait='poll').", error)
                self.hitl_wait = "poll"
                return None
            raise TypeError(f"{error} Or set hitl_wait='poll', which keeps it in memory.") from error

    def _callbacks(self, context: Any) -> Callbacks:
        return Callbacks(
            context,
            on_output_ready=self.on_output_ready_callback,
            on_finalized=self.on_finalized_callback,
            notifiers=self.notifiers,
        )

    def _approved(self, session: AgentSession, history: Any) -> Any:
        """The task's result; ``history`` belongs to the approved output."""
        return self.hitl_review_result(session.current_output, session.output_format)


def _task_instance(context: Context) -> Any:
    return context["ti"] if "ti" in context else context["task_instance"]
