"""``HITLReviewMixin``: pause a task until a person has reviewed its output."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal

from airflow_hitl_review.core.airflow_sdk import FAILURES
from airflow_hitl_review.core.schema import AgentSession, OutputFormat
from airflow_hitl_review.core.states import Action, SessionStatus
from airflow_hitl_review.core.texts import storable
from airflow_hitl_review.core.tool_calls import ToolRequest
from airflow_hitl_review.core.trace import Trace
from airflow_hitl_review.core.webhook_endpoints import usable_webhooks
from airflow_hitl_review.task import review_loop, tracing
from airflow_hitl_review.task.json_values import Shown, as_text
from airflow_hitl_review.task.message_history import dump_messages, load_messages, stored_history
from airflow_hitl_review.task.new_session import Output, decided, new_session
from airflow_hitl_review.task.operator_link import push_links
from airflow_hitl_review.task.output_edits import SWITCHED_OFF, Editing, EditRefusedError, check_edit, editing_of
from airflow_hitl_review.task.parking import parks_again
from airflow_hitl_review.task.remembered import Parked
from airflow_hitl_review.task.review_session import ReviewSession
from airflow_hitl_review.task.review_settings import ReviewSettings

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


class HITLReviewMixin(ReviewSettings):
    """Gives an operator a review by a person: approve, edit, reject, or ask for changes and look again.

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

    Its settings are those of ``ReviewSettings``.
    """

    _hitl_parked: Parked | None = None
    _hitl_is_open = False
    """Whether there is a review: an agent that is not reviewed may have asked."""

    def run_hitl_review(self, context: Context, output: Any, *, message_history: Any = None) -> Any:
        """Get ``output`` reviewed, and return the approved output.

        Args:
            context: the task's context.
            output: text, or anything that pydantic can write as JSON.
            message_history: what ``regenerate_with_feedback`` needs; JSON values if the task parks.

        Returns:
            The result of ``hitl_review_result`` for the approved output.

        Raises:
            HITLRejectError: the reviewer rejected it (``AirflowSkipException`` with ``on_reject="skip"``).
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
        history = stored_history(self, message_history)
        ti = _task_instance(context)
        prompt = HITLReviewMixin._to_string(self.prompt)  # a template may render to another task's result
        showing = Output(shown, self._editing(shown, message_history), self._request(message_history))
        session = new_session(self, ti, showing, prompt)
        policy = None
        if not self._needs_review(shown, message_history):
            session, policy = decided(session, Action.APPROVE, "policy")
        webhooks = usable_webhooks(self.webhooks, self.webhook_url)
        trace = tracing.traced(self._trace, message_history, None)
        callbacks = self._callbacks(context)
        review = ReviewSession.start(ti, session, history, trace, webhooks=webhooks, callbacks=callbacks)
        self._hitl_is_open = True
        push_links(self, ti)
        if policy is not None:
            return review_loop.end_without_review(self, review, message_history, policy)
        return review_loop.run(self, review, message_history)

    def resume_hitl_review(
        self, context: Context, event: dict[str, Any] | None = None, *, parked: Parked | None = None
    ) -> Any:
        """Resume a parked review. Airflow calls this.

        ``event`` says why. The decision is in XCom; the event must confirm that it was taken, and by one of
        ``reviewers`` if there are any. ``parked`` is what the task was given when it parked.
        """
        self._hitl_parked, self._hitl_is_open = parked, True
        self.check_reviewers()
        with parks_again(self):
            review = ReviewSession.load(
                _task_instance(context),
                usable_webhooks(self.webhooks, self.webhook_url),
                self._callbacks(context),
                reviewers=self.reviewers,
                event=event,
                parked=parked,
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

    def regenerate_from_edit(self, *, edited_output: str, feedback: str, message_history: Any) -> tuple[Any, Any]:
        """Generate the next output from the last one as the reviewer edited it.

        By default, this calls ``regenerate_with_feedback`` with the edited output in the feedback. Override it if
        your history can have the edited output in place of the last one.

        Args:
            edited_output: the text, or the JSON of an output that is not text.
            feedback: what else the reviewer wants changed.
            message_history: as for ``regenerate_with_feedback``, and so is the result.
        """
        asked = f"{feedback}\n\nI have edited your last output. Go on from this version of it:\n\n{edited_output}"
        return self.regenerate_with_feedback(feedback=asked, message_history=message_history)

    def check_edited_output(self, edited_output: str, output_format: OutputFormat) -> None:
        """Check the output as the reviewer edited it; override to check more than ``output_type`` does.

        The reviewer then gets the review back, with the words of the error and with what they typed.

        Args:
            edited_output: the text, or the JSON of an output that is not text.
            output_format: ``"json"`` if the output is not text.

        Raises:
            ValueError: the task cannot take it; the message tells the reviewer why.
        """
        check_edit(edited_output, output_format, self.output_type)

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
            output: the approved output as the reviewer saw it, or as they edited it.
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

    def _trace(self, history: Any, before: Any) -> Trace | None:
        """What the task did for an output, whose history is this; ``before`` is that of the output before it."""
        return tracing.merged(tracing.take())

    def _editing(self, shown: Shown, history: Any) -> Editing:
        """Whether reviewers may edit an output; ``history`` belongs to it."""
        return editing_of(shown, self.output_type) if self.allow_modifications else SWITCHED_OFF

    def _request(self, history: Any) -> ToolRequest | None:
        """What is asked with the output that ``history`` belongs to; None if it is a result."""

    def _go_on(self, answer: str, history: Any) -> tuple[Any, Any]:
        """Generate the next output after a request was approved; ``answer`` is as ``core.tool_calls`` has it."""
        raise NotImplementedError(f"{type(self).__name__} asks, but does not know how to go on.")

    def _needs_review(self, shown: Shown, history: Any) -> bool:
        """Whether ``review_when`` wants the first output reviewed; so it is if that fails, or returns nothing."""
        if self.review_when is None:
            return True
        try:
            answer = self.review_when(self._typed_output(shown, history))
            return answer is None or bool(answer)
        except FAILURES:
            log.exception("review_when failed, so the output is reviewed.")
            return True

    def _typed_output(self, shown: Shown, history: Any) -> Any:
        """An output as its type, for ``review_when``."""
        return check_edit(*shown, self.output_type)

    def _check_edit(self, edited_output: str, output_format: OutputFormat, history: Any) -> None:
        """Raise if the task does not take an edit of the output that ``history`` belongs to."""
        if not self.allow_modifications:  # the session, which says so too, is in XCom
            raise EditRefusedError(SWITCHED_OFF.refused)
        self.check_edited_output(edited_output, output_format)

    def _approved(self, session: AgentSession, history: Any, edited_output: str | None) -> Any:
        """The task's result; ``history`` belongs to the approved output, which the reviewer may have edited."""
        output = session.current_output if edited_output is None else edited_output
        return self.hitl_review_result(output, session.output_format)


def _task_instance(context: Context) -> Any:
    return context["ti"] if "ti" in context else context["task_instance"]
