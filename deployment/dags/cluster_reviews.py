"""Reviews whose tasks run on any of the workers."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, task

from airflow_hitl_review import HITLReviewOperator


def generate(context: Any) -> str:
    return f"Draft of item {context['ti'].map_index}."


def regenerate(feedback: str, history: list[dict[str, str]]) -> str:
    return f"Draft after: {feedback}"


with DAG("cluster_reviews", schedule=None, catchup=False, max_active_tasks=200):

    @task
    def items(**context: Any) -> list[str]:
        return [f"Item {number}" for number in range(context["dag_run"].conf.get("count", 1))]

    HITLReviewOperator.partial(
        task_id="review", generate=generate, regenerate=regenerate, webhooks=["cluster_webhook"], retries=2
    ).expand(prompt=items())
