"""``HITLReviewOperator``, which gets the output of any function reviewed, and the base of all our operators."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseOperator

from airflow_hitl_review.core.schema import OnReject, OnTimeout
from airflow_hitl_review.core.webhook_endpoints import Webhook
from airflow_hitl_review.task.callbacks import GivenCallbacks
from airflow_hitl_review.task.json_values import as_json_value
from airflow_hitl_review.task.mixin import HITLReviewMixin
from airflow_hitl_review.task.operator_link import HITLReviewLink
from airflow_hitl_review.task.output_edits import checked_type

if TYPE_CHECKING:
    from airflow.sdk import Context


REVIEW_TEMPLATE_FIELDS = ("reviewers", "webhooks", "webhook_url")
"""The arguments that are templates; operators add them to their ``template_fields``."""


class HITLReviewBaseOperator(HITLReviewMixin, BaseOperator):
    """Arguments for how a review waits and who is notified; operators must inherit from it first.

    Args:
        hitl_wait: ``"park"`` waits without a worker slot, ``"poll"`` with one.
        reviewers: ids of the only people who may decide, see ``HITLReviewMixin``; a template, or a list of them.
        display_as: how reviewers see the outputs, see ``HITLReviewMixin``.
        allow_modifications: whether reviewers may edit the output.
        review_when: a function of the first output; False approves it without a review.
        on_reject: ``"fail"`` or ``"skip"``.
        on_hitl_timeout: ``"fail"``, ``"approve"`` or ``"reject"``.
        webhooks: URLs, connection ids, and ``Webhook`` objects; the texts among them are templates.
        webhook_url: one more endpoint, given as a plain URL; a template.
        on_output_ready_callback: called when an output waits for a review, see ``HITLReviewMixin``.
        on_finalized_callback: called when the review has ended.
        notifiers: called when an output waits for a review.
        on_regenerate_error: ``"return"`` or ``"fail"``, see ``HITLReviewMixin``.
    """

    operator_extra_links = (HITLReviewLink(),)

    def __init__(
        self,
        *,
        hitl_wait: Literal["park", "poll"] = "park",
        reviewers: Sequence[str] | str = (),
        display_as: str | None = None,
        allow_modifications: bool = True,
        review_when: Callable[[Any], bool] | None = None,
        on_reject: OnReject = "fail",
        on_hitl_timeout: OnTimeout = "fail",
        webhooks: Sequence[str | Webhook] | str | Webhook = (),
        webhook_url: str | None = None,
        on_output_ready_callback: GivenCallbacks = None,
        on_finalized_callback: GivenCallbacks = None,
        notifiers: GivenCallbacks = None,
        on_regenerate_error: Literal["return", "fail"] = "return",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hitl_wait = hitl_wait
        self.reviewers = reviewers
        self.display_as = display_as
        self.allow_modifications = allow_modifications
        self.review_when = review_when
        self.on_reject = on_reject
        self.on_hitl_timeout = on_hitl_timeout
        self.webhooks = webhooks
        self.webhook_url = webhook_url
        self.on_output_ready_callback = on_output_ready_callback
        self.on_finalized_callback = on_finalized_callback
        self.notifiers = notifiers
        self.on_regenerate_error = on_regenerate_error


class FunctionReviewOperator(HITLReviewBaseOperator):
    """Base of the operators that call a function for each output; it is called again with the rounds so far."""

    def regenerate_from_edit(self, *, edited_output: str, feedback: str, message_history: Any) -> tuple[Any, Any]:
        """Generate the next output; our own history gets the edited output in place of the last one."""
        history = edited_turns(message_history, edited_output)
        if history is None:
            return super().regenerate_from_edit(
                edited_output=edited_output, feedback=feedback, message_history=message_history
            )
        return self.regenerate_with_feedback(feedback=feedback, message_history=history)


class HITLReviewOperator(FunctionReviewOperator):
    """Call a function, have its output reviewed by a person, and return the approved output.

    Args:
        task_id: as for every operator.
        prompt: tells the reviewer what the output is for; a template.
        generate: ``generate(context) -> output``. Text, or anything that pydantic can write as JSON;
            if it is not text, the task's result is the parsed JSON of the approved output.
        regenerate: ``regenerate(feedback, history) -> output``, or a 2-tuple ``(output, history)``.
            ``history`` is what it returned the last time. The first time, and if it returns only an output,
            it is a list of ``{"role": "assistant" | "human", "content": ...}``: the outputs and the
            feedback so far, without the current feedback. It must be JSON values if the task parks.
        output_type: type of the output, such as a pydantic model: reviewers then edit it in a form, and an edit
            that does not fit it is refused. The task's result is its JSON values.
        enable_hitl_review: False returns the first output without a review.
        max_hitl_iterations: outputs that may be shown in all, at least 1.
        hitl_timeout: time for the whole review; None for no limit.
        hitl_poll_interval: seconds between two looks with ``hitl_wait="poll"``.
        **kwargs: those of ``HITLReviewBaseOperator`` and of every operator.

    Raises:
        ValueError: a setting is wrong; raised when the DAG file is read.
    """

    template_fields: Sequence[str] = ("prompt", *REVIEW_TEMPLATE_FIELDS)
    template_fields_renderers = {"prompt": "md"}  # noqa: RUF012 - as BaseOperator declares it
    ui_color = "#e8f0e4"

    def __init__(
        self,
        *,
        prompt: str,
        generate: Callable[[Context], Any],
        regenerate: Callable[[str, Any], Any],
        output_type: Any = None,
        enable_hitl_review: bool = True,
        max_hitl_iterations: int = 5,
        hitl_timeout: timedelta | None = None,
        hitl_poll_interval: float = 10.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        _check_function("generate", generate, "context")
        _check_function("regenerate", regenerate, "feedback", "history")
        self.prompt = prompt
        self.generate = generate
        self.regenerate = regenerate
        self.output_type = checked_type(output_type)
        self.enable_hitl_review = enable_hitl_review
        self.max_hitl_iterations = max_hitl_iterations
        self.hitl_timeout = hitl_timeout
        self.hitl_poll_interval = hitl_poll_interval
        self.check_hitl_settings()

    def execute(self, context: Context) -> Any:
        """Generate the first output, and get it reviewed."""
        if not self.enable_hitl_review:
            return self.generate(context)
        self.check_rendered_hitl_settings()
        output = as_json_value(self.generate(context))
        return self.run_hitl_review(context, output, message_history=first_turn(output))

    def regenerate_with_feedback(self, *, feedback: str, message_history: Any) -> tuple[Any, Any]:
        """Generate the next output with the ``regenerate`` function."""
        result = self.regenerate(feedback, message_history)
        if type(result) is tuple and len(result) == 2:  # a named tuple is an output
            return result
        output = as_json_value(result)
        return output, next_turns(message_history, feedback, output)

    def hitl_review_result(self, output: str, output_format: Literal["text", "json"]) -> Any:
        """The approved output: text unchanged, anything else as JSON values."""
        return json.loads(output) if output_format == "json" else output


def _check_function(name: str, function: Any, *arguments: str) -> None:
    """Check a function's signature now: a wrong one would fail only once a reviewer requests changes.

    Raises:
        ValueError: it cannot be called; the message says how it is called.
    """
    if not callable(function):
        raise ValueError(f"{name} must be a function, not {function!r}.")
    try:
        parameters = inspect.signature(function)
    except (TypeError, ValueError):  # some functions written in C have no signature
        return
    try:
        parameters.bind(*arguments)
    except TypeError:
        given = f"{getattr(function, '__name__', type(function).__name__)}{parameters}"
        raise ValueError(
            f"{name} is called as {name}({', '.join(arguments)}), which {given} does not take."
        ) from None


def first_turn(output: Any) -> list[dict[str, Any]]:
    """A history that starts with an output, given as JSON values."""
    return [{"role": "assistant", "content": output}]


def next_turns(history: Any, feedback: str, output: Any) -> list[dict[str, Any]]:
    """Add a round to a history; a history in another format cannot be continued, and is left out."""
    turns = history if isinstance(history, list) else []
    return [*turns, {"role": "human", "content": feedback}, *first_turn(output)]


def edited_turns(history: Any, edited_output: str) -> list[dict[str, Any]] | None:
    """A history of ours with the edited output in place of the last one; None if it is not ours."""
    last = history[-1] if isinstance(history, list) and history else None
    if not isinstance(last, dict) or set(last) != {"role", "content"} or last["role"] != "assistant":
        return None
    try:
        content = edited_output if isinstance(last["content"], str) else json.loads(edited_output)
    except ValueError:  # a model's own parts of a text
        return None
    return [*history[:-1], *first_turn(content)]
