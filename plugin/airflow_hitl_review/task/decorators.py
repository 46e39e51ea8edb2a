"""``@task.hitl_review``: TaskFlow decorator that gets the output of a function reviewed."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk.bases.decorator import DecoratedOperator, TaskDecorator, task_decorator_factory

from airflow_hitl_review.core.airflow_sdk import determine_kwargs
from airflow_hitl_review.task.json_values import as_json_value
from airflow_hitl_review.task.operators import (
    REVIEW_TEMPLATE_FIELDS,
    FunctionReviewOperator,
    first_turn,
    next_turns,
)
from airflow_hitl_review.task.output_edits import checked_type
from airflow_hitl_review.task.remembered import Parked

if TYPE_CHECKING:
    from airflow.sdk import Context

_FEEDBACK, _HISTORY = "feedback", "history"


class HITLReviewDecoratedOperator(FunctionReviewOperator, DecoratedOperator):
    """Calls a function for each output; see ``hitl_review_task``."""

    template_fields: Sequence[str] = (*DecoratedOperator.template_fields, "prompt", *REVIEW_TEMPLATE_FIELDS)
    template_fields_renderers = {  # noqa: RUF012 - as BaseOperator declares it
        **DecoratedOperator.template_fields_renderers,
        "prompt": "md",
    }
    custom_operator_name = "@task.hitl_review"
    ui_color = "#e8f0e4"

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        prompt: str = "",
        output_type: Any = None,
        enable_hitl_review: bool = True,
        max_hitl_iterations: int = 5,
        hitl_timeout: timedelta | None = None,
        hitl_poll_interval: float = 10.0,
        **kwargs: Any,
    ) -> None:
        given = inspect.signature(python_callable).parameters.get(_FEEDBACK)
        if given is None or given.default is inspect.Parameter.empty:
            raise ValueError(
                f"@task.hitl_review calls {python_callable.__name__}() again with what the reviewer wants "
                f"changed: give it a parameter {_FEEDBACK}=None (and, if it needs the earlier rounds, "
                f"{_HISTORY}=None)."
            )
        super().__init__(python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, **kwargs)
        self.prompt = prompt or f"Output of {self.task_id}"
        self.output_type = checked_type(output_type)
        self.enable_hitl_review = enable_hitl_review
        self.max_hitl_iterations = max_hitl_iterations
        self.hitl_timeout = hitl_timeout
        self.hitl_poll_interval = hitl_poll_interval
        self.check_hitl_settings()

    def execute(self, context: Context) -> Any:
        """Generate the first output, and get it reviewed."""
        if not self.enable_hitl_review:
            return self._handle_output(self._call(context, None, []))
        self.check_rendered_hitl_settings()
        output = as_json_value(self._call(context, None, []))
        return self.run_hitl_review(context, output, message_history=first_turn(output))

    def resume_hitl_review(
        self, context: Context, event: dict[str, Any] | None = None, *, parked: Parked | None = None
    ) -> Any:
        """Resume a parked review."""
        self._context = context
        return super().resume_hitl_review(context, event, parked=parked)

    def regenerate_with_feedback(self, *, feedback: str, message_history: Any) -> tuple[Any, Any]:
        """Generate the next output: call the function with the reviewer's feedback."""
        output = as_json_value(self._call(self._context, feedback, message_history))
        return output, next_turns(message_history, feedback, output)

    def hitl_review_result(self, output: str, output_format: Literal["text", "json"]) -> Any:
        """The approved output: text unchanged, anything else as JSON values."""
        return self._handle_output(json.loads(output) if output_format == "json" else output)

    def _call(self, context: Context, feedback: str | None, history: Any) -> Any:
        self._context = context
        values = {**context, **self.op_kwargs, _FEEDBACK: feedback, _HISTORY: history}
        return self.python_callable(*self.op_args, **determine_kwargs(self.python_callable, self.op_args, values))


def hitl_review_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Decorator ``@task.hitl_review``: a person reviews the function's output.

    The function is called for the first output, and again for each request for changes::

        @task.hitl_review(prompt="Summary of the week", webhooks=["reviews"])
        def summarize(week: int, feedback=None, history=None):
            return ask_a_model(week, feedback, history)

    ``feedback`` is None the first time, then what the reviewer wants changed. ``history``, an optional parameter,
    contains the previous rounds: a list of ``{"role": "assistant" | "human", "content": ...}``.

    The function returns text, or anything that pydantic can write as JSON; if it is not text, the task's result is
    the parsed JSON of the approved output.

    Args:
        python_callable: the function; passed by Airflow if the decorator is used without parentheses.
        **kwargs: ``prompt`` (a template), ``output_type``, ``enable_hitl_review``, ``max_hitl_iterations``,
            ``hitl_timeout``, ``hitl_poll_interval``, as for ``HITLReviewOperator``; and those of
            ``HITLReviewBaseOperator`` and every task decorator.

    Raises:
        ValueError: the function takes no ``feedback``, or a setting is wrong; raised when the DAG file is read.
    """
    return task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=HITLReviewDecoratedOperator, **kwargs
    )
