"""The same review four times: ours parked and polling, the AI provider's, and Airflow's own approval."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, BaseOperator, task

from airflow_hitl_review import HITLReviewOperator

try:
    from airflow.providers.common.ai.mixins.hitl_review import HITLReviewMixin as ProviderMixin
    from pydantic_ai import Agent
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
    from pydantic_ai.models.function import FunctionModel
    from pydantic_ai.toolsets import FunctionToolset

    from airflow_hitl_review.agent import AgentOperator
except ImportError:  # it needs Python 3.11
    ProviderMixin = None

SETTINGS: dict[str, Any] = {"schedule": None, "catchup": False, "max_active_tasks": 2000, "max_active_runs": 50}


@task
def items(**context: Any) -> list[str]:
    """As many as the run's conf says."""
    return [f"Item {number}" for number in range(context["dag_run"].conf.get("count", 1))]


def generate(context: Any) -> str:
    return "Draft."


def regenerate(feedback: str, history: list[dict[str, str]]) -> str:
    return f"Draft after {feedback}."


with DAG("parked", **SETTINGS):
    HITLReviewOperator.partial(task_id="review", generate=generate, regenerate=regenerate).expand(prompt=items())

with DAG("polled", **SETTINGS):
    HITLReviewOperator.partial(task_id="review", generate=generate, regenerate=regenerate, hitl_wait="poll").expand(
        prompt=items()
    )

with DAG("approval", **SETTINGS):
    ApprovalOperator.partial(task_id="review").expand(subject=items())

if ProviderMixin is not None:

    class ProviderReview(ProviderMixin, BaseOperator):  # type: ignore[misc]
        """The provider's mixin, with its defaults, on an operator that makes the same output."""

        enable_hitl_review = True
        max_hitl_iterations = 5
        hitl_timeout = None
        hitl_poll_interval = 10.0

        def __init__(self, *, prompt: str, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.prompt = prompt

        def execute(self, context: Any) -> Any:
            return self.run_hitl_review(context, "Draft.")

        def regenerate_with_feedback(self, *, feedback: str, message_history: Any) -> tuple[str, Any]:
            return f"Draft after {feedback}.", message_history

    class AskingOperator(AgentOperator):
        """An agent that wants to call a tool, and then says what the tool returned; scripted."""

        @cached_property
        def llm_hook(self) -> Any:
            return Scripted()

    class Scripted:
        """Makes the agent as Airflow's connection to a model would."""

        def create_agent(self, *, output_type: Any, instructions: str, **more: Any) -> Any:
            return Agent(FunctionModel(say), output_type=output_type, instructions=instructions, **more)

    def say(messages: Any, info: Any) -> ModelResponse:
        return ModelResponse(
            parts=[TextPart("Done.") if len(messages) > 1 else ToolCallPart("refund", {"order": 7}, "a")]
        )

    def refund(order: int) -> str:
        """Pay money back."""
        return f"paid {order}"

    shop: FunctionToolset[Any] = FunctionToolset(id="shop")
    shop.add_function(refund, requires_approval=True)

    with DAG("asking", **SETTINGS):
        AskingOperator.partial(
            task_id="review",
            llm_conn_id="none",
            toolsets=[shop],
            enable_hitl_review=True,
        ).expand(prompt=items())

    with DAG("provider", **SETTINGS):
        ProviderReview.partial(task_id="review").expand(prompt=items())

with DAG("other_work", **SETTINGS):

    @task
    def work() -> str:
        return "done"

    work()
