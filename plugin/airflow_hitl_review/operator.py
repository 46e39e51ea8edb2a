"""``HITLReviewOperator``: review the output of any function."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseOperator

from airflow_hitl_review.callbacks import GivenCallbacks
from airflow_hitl_review.endpoints import Webhook
from airflow_hitl_review.mixin import HITLReviewMixin
from airflow_hitl_review.operator_link import HITLReviewLink
from airflow_hitl_review.worker import as_json_value

if TYPE_CHECKING:
    from airflow.sdk import Context


class HITLReviewOperator(HITLReviewMixin, BaseOperator):
    """Call a function, have its output reviewed by a person, and return the approved output.

    Args:
        task_id: as for every operator.
        prompt: what the reviewer is told the output is for; a template.
        generate: ``generate(context) -> output``. Text, or anything that pydantic can write as JSON;
            if it is no text, the task's result is the approved output's JSON, parsed.
        regenerate: ``regenerate(feedback, history) -> output``, or a 2-tuple ``(output, history)``.
            ``history`` is what it returned the last time. Where it returns an output alone, and the first
            time, it is a list of ``{"role": "assistant" | "human", "content": ...}``: the outputs and the
            feedback so far, without the feedback at hand. JSON values only if the task parks.
        enable_hitl_review: False returns the first output without a review.
        max_hitl_iterations: outputs that may be shown in all, at least 1.
        hitl_timeout: time for the whole review; None for no limit.
        hitl_poll_interval: seconds between two looks with ``hitl_wait="poll"``.
        hitl_wait: ``"park"`` waits without a worker slot, ``"poll"`` with one.
        webhooks: URLs, connection ids, and ``Webhook`` objects; a template for the texts among them.
        webhook_url: one more endpoint, given as a plain URL; a template.
        on_output_ready_callback: called when an output waits for a review, see ``HITLReviewMixin``.
        on_finalized_callback: called when the review has ended.
        notifiers: called when an output waits for a review.
        on_regenerate_error: ``"return"`` or ``"fail"``, see ``HITLReviewMixin``.

    Raises:
        ValueError: a setting is wrong; raised when the DAG file is read.
    """

    template_fields: Sequence[str] = ("prompt", "webhooks", "webhook_url")
    template_fields_renderers = {"prompt": "md"}  # noqa: RUF012 - as BaseOperator declares it
    ui_color = "#e8f0e4"
    operator_extra_links = (HITLReviewLink(),)

    def __init__(
        self,
        *,
        prompt: str,
        generate: Callable[[Context], Any],
        regenerate: Callable[[str, Any], Any],
        enable_hitl_review: bool = True,
        max_hitl_iterations: int = 5,
        hitl_timeout: timedelta | None = None,
        hitl_poll_interval: float = 10.0,
        hitl_wait: Literal["park", "poll"] = "park",
        webhooks: Sequence[str | Webhook] | str | Webhook = (),
        webhook_url: str | None = None,
        on_output_ready_callback: GivenCallbacks = None,
        on_finalized_callback: GivenCallbacks = None,
        notifiers: GivenCallbacks = None,
        on_regenerate_error: Literal["return", "fail"] = "return",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, function in (("generate", generate), ("regenerate", regenerate)):
            if not callable(function):
                raise ValueError(f"{name} must be a function, not {function!r}.")
        self.prompt = prompt
        self.generate = generate
        self.regenerate = regenerate
        self.enable_hitl_review = enable_hitl_review
        self.max_hitl_iterations = max_hitl_iterations
        self.hitl_timeout = hitl_timeout
        self.hitl_poll_interval = hitl_poll_interval
        self.hitl_wait = hitl_wait
        self.webhooks = webhooks
        self.webhook_url = webhook_url
        self.on_output_ready_callback = on_output_ready_callback
        self.on_finalized_callback = on_finalized_callback
        self.notifiers = notifiers
        self.on_regenerate_error = on_regenerate_error
        self.check_hitl_settings()

    def execute(self, context: Context) -> Any:
        """Make the first output, and have it reviewed."""
        output = self.generate(context)
        if not self.enable_hitl_review:
            return output
        history = [{"role": "assistant", "content": as_json_value(output)}]
        return self.run_hitl_review(context, output, message_history=history)

    def regenerate_with_feedback(self, *, feedback: str, message_history: Any) -> tuple[Any, Any]:
        """Make the next output with the ``regenerate`` function."""
        result = self.regenerate(feedback, message_history)
        if isinstance(result, tuple) and len(result) == 2:
            return result
        turns = message_history if isinstance(message_history, list) else []
        return result, [
            *turns,
            {"role": "human", "content": feedback},
            {"role": "assistant", "content": as_json_value(result)},
        ]

    def hitl_review_result(self, output: str, output_format: Literal["text", "json"]) -> Any:
        """The approved output: text as it is, all else as JSON values."""
        return json.loads(output) if output_format == "json" else output
