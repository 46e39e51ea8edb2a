"""Reviews for the tests: how many and of what kind, the run's conf says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task
from pydantic import BaseModel

from airflow_hitl_review import HITLReviewOperator


def generate(context: Any) -> str:
    return f"Draft of item {context['ti'].map_index}."


def regenerate(feedback: str, history: list[dict[str, str]]) -> str:
    if "fail" in feedback:
        raise RuntimeError("the model is not available")
    return f"Draft {len(history)} after: {feedback}"


with DAG("many_reviews", schedule=None, catchup=False, max_active_tasks=100, max_active_runs=50):

    @task
    def items(**context: Any) -> list[str]:
        return [f"Item {n}" for n in range(context["dag_run"].conf.get("count", 1))]

    HITLReviewOperator.partial(
        task_id="review", generate=generate, regenerate=regenerate, webhooks=["test_webhook"]
    ).expand(prompt=items())

with DAG("other_work", schedule=None, catchup=False):

    @task
    def work() -> str:
        return "done"

    work()

with DAG("timed_review", schedule=None, catchup=False):
    HITLReviewOperator(
        task_id="review",
        prompt="Decide soon, {{ dag_run.conf.get('name', 'somebody') }}",
        generate=generate,
        regenerate=regenerate,
        hitl_timeout=timedelta(seconds=8),
        max_hitl_iterations=2,
        retries=0,
    )
    HITLReviewOperator(
        task_id="polled",
        prompt="Polled",
        generate=lambda context: {"total": 3, "items": ["a", "b"]},
        regenerate=lambda feedback, history: ({"total": 4, "feedback": feedback}, ["own history"]),
        hitl_wait="poll",
        hitl_poll_interval=0.5,
        max_hitl_iterations=2,
        retries=0,
    )


for reviewer in ("admin", "ada"):
    with DAG(f"for_{reviewer}", schedule=None, catchup=False):
        HITLReviewOperator(
            task_id="review",
            prompt="Not for everybody",
            generate=generate,
            regenerate=regenerate,
            reviewers=[reviewer],
            retries=0,
        )


class Figures(BaseModel):
    total: int
    note: str = ""


def next_figures(feedback: str, history: list[dict[str, Any]]) -> Any:
    if "tuple" in feedback:
        return Figures(total=0), {"not": {"json"}}  # a set: cannot be kept
    return Figures(total=history[-1]["content"]["total"] + 1, note=feedback)


with DAG("json_review", schedule=None, catchup=False):
    HITLReviewOperator(
        task_id="review", prompt="Figures", generate=lambda context: Figures(total=3), regenerate=next_figures
    )
