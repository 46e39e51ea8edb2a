"""``AgentOperator`` of Airflow's AI provider, with this project's review: no worker slot, webhooks, callbacks.

Needs ``apache-airflow-providers-common-ai``, whose operator it extends; this module only adds the review.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

try:
    from airflow.providers.common.ai.decorators.agent import _AgentDecoratedOperator
    from airflow.providers.common.ai.observability import build_run_identity_attributes
    from airflow.providers.common.ai.operators.agent import AgentOperator as ProviderAgentOperator
    from airflow.providers.common.ai.utils.usage import coerce_usage_limits
except ModuleNotFoundError as error:
    if not (error.name or "").startswith(("airflow.providers", "pydantic_ai")):
        raise
    raise ImportError(
        "airflow_hitl_review.agent needs Airflow's AI provider (Python 3.11 or newer). "
        'Install it with: pip install "hitl-notebook[agent]"'
    ) from error

from airflow.sdk.bases.decorator import TaskDecorator, task_decorator_factory
from pydantic import BaseModel, TypeAdapter
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter
from pydantic_ai.usage import RunUsage

from airflow_hitl_review.core.airflow_sdk import iter_pydantic_models
from airflow_hitl_review.core.schema import AgentSession, OutputFormat
from airflow_hitl_review.core.texts import storable
from airflow_hitl_review.core.trace import Trace
from airflow_hitl_review.task import agent_trace, tracing, typed_outputs
from airflow_hitl_review.task.agent_turn import AgentTurn
from airflow_hitl_review.task.json_values import Shown, as_text, stored_form, stored_json
from airflow_hitl_review.task.operators import REVIEW_TEMPLATE_FIELDS, HITLReviewBaseOperator
from airflow_hitl_review.task.output_edits import SWITCHED_OFF, Editing, check_edit
from airflow_hitl_review.task.remembered import Parked

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

_USAGE: TypeAdapter[RunUsage] = TypeAdapter(RunUsage)


class _AgentReview(HITLReviewBaseOperator):
    """The review of an agent's output, for the operator and for the task decorator.

    The provider's operator calls ``run_hitl_review`` with the first output, and returns ``_output_under_review``
    once that is approved. After a resume, in a new process, this class does both itself.
    """

    output_type: Any
    usage_limits: Any

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.enable_hitl_review:
            self.check_hitl_settings()

    def run_hitl_review(self, context: Context, output: Any, *, message_history: Any = None) -> Any:
        """Get an output of the agent reviewed; see ``HITLReviewMixin``."""
        turn = self._turn(message_history or [], output)
        return super().run_hitl_review(context, turn.shown, message_history=turn)

    def execute(self, context: Context) -> Any:
        """Run the agent; check the review's settings first, before that costs anything."""
        if self.enable_hitl_review:
            self._take_what_the_provider_takes()
            self.check_rendered_hitl_settings()
        return super().execute(context)

    def resume_hitl_review(
        self, context: Context, event: dict[str, Any] | None = None, *, parked: Parked | None = None
    ) -> Any:
        """Resume a parked review: restore the state that ``execute`` had, and return its result."""
        limits = coerce_usage_limits(self.usage_limits)
        self._usage_budget = self._build_usage_budget(context, limits, ti=context["ti"])
        self._run_usage = self._usage_budget.load() if self._usage_budget else None
        self._run_identity_attrs = build_run_identity_attributes(context["ti"])
        output = super().resume_hitl_review(context, event, parked=parked)
        if isinstance(output, BaseModel) and not self._travels_as_a_model(output):
            output = output.model_dump()
        self._clear_usage_budget(context)
        return output

    def regenerate_with_feedback(self, *, feedback: str, message_history: Any) -> tuple[Any, Any]:
        """Generate the next output: run the agent with the conversation so far and the feedback."""
        _, messages = ProviderAgentOperator.regenerate_with_feedback(
            self, feedback=feedback, message_history=list(message_history.messages)
        )
        turn = self._turn(messages, self._output_under_review)
        return turn.shown, turn

    @staticmethod
    def _to_string(output: Any) -> str:
        # The provider's text of the next output is not needed, and making it may consume a one-time iterator.
        return ""

    def dump_message_history(self, message_history: Any) -> Any:
        """The conversation, the output, and the usage counted against ``usage_limits``, as JSON values."""
        return {
            "messages": ModelMessagesTypeAdapter.dump_python(list(message_history.messages), mode="json"),
            "output": message_history.kept,
            "usage": _USAGE.dump_python(self._run_usage, mode="json") if self._run_usage is not None else None,
        }

    def load_message_history(self, stored: Any) -> AgentTurn:
        """Restore what ``dump_message_history`` returned."""
        if self._run_usage is None and stored["usage"] is not None:
            self._run_usage = _USAGE.validate_python(stored["usage"])
        messages = ModelMessagesTypeAdapter.validate_python(stored["messages"])
        turn = AgentTurn(messages, None, stored["output"], self.output_type)
        self._output_under_review = turn.output  # fails before a reviewer is asked, if it cannot be read back
        return turn

    def _trace(self, history: Any, before: Any) -> Trace | None:
        seen = len(before.messages) if before is not None else 0
        # What the agent's tools reported is within its own calls and time.
        reported = [one.model_copy(update={"tool_calls": 0, "seconds": None}) for one in tracing.take()]
        return tracing.merged([agent_trace.trace_of(history.messages[seen:]), *reported])

    def _editing(self, shown: Shown, history: Any) -> Editing:
        editing: Editing = history.editing(shown) if self.allow_modifications else SWITCHED_OFF
        return editing

    def _typed_output(self, shown: Shown, history: Any) -> Any:
        return history.output

    def _check_edit(self, edited_output: str, output_format: OutputFormat, history: Any) -> None:
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
        return output

    def _turn(self, messages: Sequence[ModelMessage], output: Any) -> AgentTurn:
        """A turn of the agent. If parking would lose it, poll instead: it is worth more than a worker slot."""
        given = storable(output) if isinstance(output, str) else output
        kept = typed_outputs.keep(given, self.output_type)
        if kept is not None:
            kept = {**kept, "json": stored_json(kept["json"])}
        turn = AgentTurn(messages, given, kept, self.output_type)
        as_text(turn.shown)  # fails if it cannot be shown, before a slot is held
        if self.hitl_wait == "park" and (reason := self._why_not_kept(turn)) is not None:
            if self.reviewers:
                raise TypeError(f"{reason} So the task cannot park, but reviewers=... needs that.")
            log.warning("%s The review goes on with a worker slot (hitl_wait='poll').", reason)
            self.hitl_wait = "poll"
        return turn

    def _why_not_kept(self, turn: AgentTurn) -> str | None:
        """Why parking would lose a turn, as text; None if it would not."""
        if turn.kept is None:
            return (
                f"This {type(turn.given).__name__} cannot be stored as JSON and read back unchanged as "
                f"output_type {self.output_type!r}. Choose an output_type that pydantic can write and read."
            )
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
        _output_under_review: Any
        _run_usage: RunUsage | None
        _run_identity_attrs: Any
        _usage_budget: Any
        _serialize_model_output: bool
        _build_usage_budget: Callable[..., Any]
        _clear_usage_budget: Callable[[Any], None]


class AgentOperator(_AgentReview, ProviderAgentOperator):
    """Run a pydantic-ai agent, and get its output reviewed without holding a worker slot.

    With ``enable_hitl_review=True`` the task is parked while it waits. The conversation is kept in XCom, so that
    the agent makes changes within it. The approved output is the agent's own, of ``output_type``. An output that
    cannot be kept, such as one of a class that pydantic cannot serialize, is reviewed with a worker slot.

    Args:
        on_regenerate_error: ``"return"`` gives the review back to the reviewer if the agent fails; the provider's
            own operator fails the task.
        **kwargs: the others of ``HITLReviewBaseOperator``: ``hitl_wait``, ``reviewers``, ``webhooks``, ...; and
            those of the provider's ``AgentOperator``: ``prompt``, ``llm_conn_id``, ``output_type``, ...

    Raises:
        ValueError: a setting is wrong; raised when the DAG file is read.
    """

    template_fields: Sequence[str] = (*ProviderAgentOperator.template_fields, *REVIEW_TEMPLATE_FIELDS)


class AgentDecoratedOperator(_AgentReview, _AgentDecoratedOperator):
    """Like ``AgentOperator``, for the provider's ``@task.agent``, whose function returns the prompt."""

    template_fields: Sequence[str] = (*_AgentDecoratedOperator.template_fields, *REVIEW_TEMPLATE_FIELDS)


class HITLReviewAgentDecoratedOperator(AgentDecoratedOperator):
    """Calls a function for the agent's prompt; see ``hitl_review_agent_task``."""

    custom_operator_name = "@task.hitl_review_agent"

    def __init__(self, *, enable_hitl_review: bool = True, **kwargs: Any) -> None:
        super().__init__(enable_hitl_review=enable_hitl_review, **kwargs)


def hitl_review_agent_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Decorator ``@task.hitl_review_agent``: the function returns a prompt, and the agent's output is reviewed.

    Like the provider's ``@task.agent``, with ``enable_hitl_review=True`` and the review of this project::

        @task.hitl_review_agent(llm_conn_id="pydanticai_default", output_type=Report)
        def report(week: int):
            return f"Write the report of week {week}."

    Args:
        python_callable: the function; passed by Airflow if the decorator is used without parentheses.
        **kwargs: those of ``AgentOperator``.

    Raises:
        ValueError: a setting is wrong; raised when the DAG file is read.
    """
    return task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=HITLReviewAgentDecoratedOperator, **kwargs
    )
