"""The same review four times: ours parked and polling, the AI provider's, and Airflow's own approval."""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, BaseOperator, task

from airflow_hitl_review import HITLReviewOperator

try:
    from airflow.providers.common.ai.mixins.hitl_review import HITLReviewMixin as ProviderMixin
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

    with DAG("provider", **SETTINGS):
        ProviderReview.partial(task_id="review").expand(prompt=items())

with DAG("other_work", **SETTINGS):

    @task
    def work() -> str:
        return "done"

    work()
