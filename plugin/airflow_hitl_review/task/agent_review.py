"""The review of a pydantic-ai agent: of its outputs, and of the calls of tools that need an approval."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.providers.common.ai.observability import build_run_identity_attributes
from airflow.providers.common.ai.operators.agent import AgentOperator as ProviderAgentOperator
from airflow.providers.common.ai.utils.usage import coerce_usage_limits
from pydantic import BaseModel
from pydantic_ai import DeferredToolRequests, DeferredToolResults
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter
from pydantic_ai.usage import RunUsage

from airflow_hitl_review.core.airflow_sdk import iter_pydantic_models
from airflow_hitl_review.core.schema import AgentSession, OutputFormat
from airflow_hitl_review.core.texts import storable
from airflow_hitl_review.core.tool_calls import ToolRequest
from airflow_hitl_review.core.trace import Trace
from airflow_hitl_review.task import agent_trace, tracing, typed_outputs
from airflow_hitl_review.task.agent_progress import TellingAgent
from airflow_hitl_review.task.agent_request import AgentRequest
from airflow_hitl_review.task.agent_turn import USAGE, AgentTurn
from airflow_hitl_review.task.asking_agent import AskingAgent, check_toolsets
from airflow_hitl_review.task.errors import HITLRegenerationError
from airflow_hitl_review.task.json_values import Shown, as_text, stored_form, stored_json
from airflow_hitl_review.task.operators import HITLReviewBaseOperator
from airflow_hitl_review.task.output_edits import SWITCHED_OFF, Editing, check_edit
from airflow_hitl_review.task.remembered import Parked

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


class AgentReview(AskingAgent, TellingAgent, HITLReviewBaseOperator):
    """The review of an agent's output, for the operator and for the task decorator.

    The provider's operator calls ``run_hitl_review`` with the first output, and returns ``_output_under_review``
    once that is approved. After a resume, in a new process, this class does both itself.
    """

    output_type: Any
    usage_limits: Any

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self._is_reviewed:
            self.check_hitl_settings()

    def run_hitl_review(self, context: Context, output: Any, *, message_history: Any = None) -> Any:
        """Get an output of the agent reviewed; see ``HITLReviewMixin``."""
        turn = self._turn(message_history or [], output)
        return super().run_hitl_review(context, turn.shown, message_history=turn)

    def execute(self, context: Context) -> Any:
        """Run the agent; check the review's settings first, before that costs anything."""
        self._context = context
        if self._is_reviewed:
            self._take_what_the_provider_takes()
            self._take_approval_settings()
            self.check_rendered_hitl_settings()
        return super().execute(context)

    def resume_hitl_review(
        self, context: Context, event: dict[str, Any] | None = None, *, parked: Parked | None = None
    ) -> Any:
        """Resume a parked review: restore the state that ``execute`` had, and return its result."""
        self._take_approval_settings()
        limits = coerce_usage_limits(self.usage_limits)
        self._usage_budget = self._build_usage_budget(context, limits, ti=context["ti"])
        self._run_usage = self._usage_budget.load() if self._usage_budget else None
        self._run_identity_attrs = build_run_identity_attributes(context["ti"])
        self._context = context
        self._is_bound = bool(parked and parked.get("history_sha256"))
        return self._finished(context, super().resume_hitl_review(context, event, parked=parked))

    def _finished(self, context: Context, output: Any) -> Any:
        if isinstance(output, BaseModel) and not self._travels_as_a_model(output):
            output = output.model_dump()
        self._clear_usage_budget(context)
        return output

    # --- the agent's runs

    def _complete_run(self, context: Context, result: Any, *, attempt_usage: RunUsage) -> Any:
        """Finish a run, or get what the agent asks reviewed; the provider calls this."""
        if not isinstance(result.output, DeferredToolRequests) or not self._asks:
            return super()._complete_run(context, result, attempt_usage=attempt_usage)  # type: ignore[misc]
        self._emit_run_metadata(context, result, usage=attempt_usage)
        output = self.run_hitl_review(context, result.output, message_history=result.all_messages())
        return self._finished(context, output)

    def regenerate_with_feedback(self, *, feedback: str, message_history: Any) -> tuple[Any, Any]:
        """Generate the next output: run the agent with the conversation so far and the feedback."""
        if message_history.asks is not None:
            return self._run_on(feedback, message_history, message_history.asks.declined(feedback))
        return self._run_on(feedback, message_history)

    def _go_on(self, answer: str, history: Any) -> tuple[Any, Any]:
        return self._run_on("", history, history.asks.results(answer))

    def _run_on(
        self, prompt: str, turn: AgentTurn, results: DeferredToolResults | None = None
    ) -> tuple[Any, AgentTurn]:
        self._deferred_results = results
        try:
            _, messages = ProviderAgentOperator.regenerate_with_feedback(
                self, feedback=prompt, message_history=list(turn.messages)
            )
        finally:
            self._deferred_results = None
        again = self._turn(messages, self._output_under_review, turn.requests)
        if turn.requests:  # else the provider has told of the first run
            self._emit_run_metadata(self._context, self._last_result, usage=agent_trace.usage_of(messages))
        return again.shown, again

    # --- what is kept while the task waits

    @staticmethod
    def _to_string(output: Any) -> str:
        # The provider's text of the next output is not needed, and making it may consume a one-time iterator.
        return ""

    def dump_message_history(self, message_history: Any) -> Any:
        """The conversation, the output, and the usage counted against ``usage_limits``, as JSON values."""
        return message_history.dumped(self._toolset_ids, self._run_usage)

    def load_message_history(self, stored: Any) -> AgentTurn:
        """Restore what ``dump_message_history`` returned."""
        if self._run_usage is None and stored["usage"] is not None:
            self._run_usage = USAGE.validate_python(stored["usage"])
        messages = ModelMessagesTypeAdapter.validate_python(stored["messages"])
        turn = AgentTurn(messages, None, stored["output"], self.output_type, requests=stored.get("requests", 0))
        if stored.get("asks") is not None:
            if not self._is_bound:
                raise HITLRegenerationError(
                    "XCom says that the agent asks, but it did not when the task parked. Clear the task to start "
                    "over."
                )
            check_toolsets(stored["toolset_ids"], self._toolset_ids())
            return replace(turn, asks=AgentRequest.load(stored["asks"]))
        self._output_under_review = turn.output  # fails before a reviewer is asked, if it cannot be read back
        return turn

    def _trace(self, history: Any, before: Any) -> Trace | None:
        seen = len(before.messages) if before is not None else 0
        # What the agent's tools reported is within its own calls and time.
        reported = [one.model_copy(update={"tool_calls": 0, "seconds": None}) for one in tracing.take()]
        return tracing.merged([agent_trace.trace_of(history.messages[seen:]), *reported])

    # --- what the review asks of its operator

    def _request(self, history: Any) -> ToolRequest | None:
        return history.asks.request if history.asks is not None else None

    def _needs_review(self, shown: Shown, history: Any) -> bool:
        if history.asks is not None:
            return True
        return self.enable_hitl_review and super()._needs_review(shown, history)

    def _editing(self, shown: Shown, history: Any) -> Editing:
        if history.asks is not None:
            answering: Editing = history.asks.editing(fixed=not self.allow_modifications)
            return answering
        editing: Editing = history.editing(shown) if self.allow_modifications else SWITCHED_OFF
        return editing

    def _typed_output(self, shown: Shown, history: Any) -> Any:
        return history.output

    def _check_edit(self, edited_output: str, output_format: OutputFormat, history: Any) -> None:
        if history.asks is not None:
            history.asks.check(edited_output, fixed=not self.allow_modifications)
            return
        check_edit(edited_output, output_format, history.member)
        super()._check_edit(edited_output, output_format, history)

    def check_edited_output(self, edited_output: str, output_format: OutputFormat) -> None:
        """Check more than the agent's ``output_type`` does; see ``HITLReviewMixin``."""

    def _approved(self, session: AgentSession, history: Any, edited_output: str | None) -> Any:
        # The agent's own is not parsed from the text that the reviewer saw: that may be incomplete.
        output = history.output
        if edited_output is not None:
            output = check_edit(edited_output, session.output_format, history.member)
        self._output_under_review = output
        if history.requests and self.message_history is not None:  # the provider has stored none
            transcript = ModelMessagesTypeAdapter.dump_json(list(history.messages)).decode()
            self._context["ti"].xcom_push(key="message_history", value=transcript)
        return output

    def _turn(self, messages: Sequence[ModelMessage], output: Any, requests: int = 0) -> AgentTurn:
        """A turn of the agent. If parking would lose it, poll instead: it is worth more than a worker slot."""
        if isinstance(output, DeferredToolRequests):
            if requests >= self.max_tool_requests:
                raise HITLRegenerationError(
                    f"The agent asks more often than max_tool_requests={self.max_tool_requests} allows."
                )
            asks = AgentRequest.of(output, self._tools)
            return AgentTurn(messages, None, None, self.output_type, asks, requests + 1)
        given = storable(output) if isinstance(output, str) else output
        kept = typed_outputs.keep(given, self.output_type)
        if kept is not None:
            kept = {**kept, "json": stored_json(kept["json"])}
        turn = AgentTurn(messages, given, kept, self.output_type, requests=requests)
        as_text(turn.shown)  # fails if it cannot be shown, before a slot is held
        if self.hitl_wait == "park" and (reason := self._why_not_kept(turn)) is not None:
            if self.reviewers:
                raise TypeError(f"{reason} So the task cannot park, but reviewers=... needs that.")
            log.warning("%s The review goes on with a worker slot (hitl_wait='poll').", reason)
            self.hitl_wait = "poll"
        return turn

    def _why_not_kept(self, turn: AgentTurn) -> str | None:
        """Why parking would lose a turn, as text; None if it would not."""
        if turn.why_not_kept is not None:
            return turn.why_not_kept
        try:
            stored_form(self.dump_message_history(turn), "The conversation")
        except (TypeError, ValueError) as error:
            return str(error)
        return None

    def _travels_as_a_model(self, output: BaseModel) -> bool:
        """Whether a downstream task gets a model from XCom as a model; the provider's rule."""
        if self._serialize_model_output or iter_pydantic_models is None:
            return False
        return type(output) in iter_pydantic_models(self.output_type)

    if TYPE_CHECKING:  # defined by the provider
        _context: Context
        _emit_run_metadata: Callable[..., None]
        _is_bound: bool
        _output_under_review: Any
        enable_hitl_review: bool
        message_history: Any
        _toolset_ids: Callable[[], list[str]]
        _run_usage: RunUsage | None
        _run_identity_attrs: Any
        _usage_budget: Any
        _serialize_model_output: bool
        _build_usage_budget: Callable[..., Any]
        _clear_usage_budget: Callable[[Any], None]
