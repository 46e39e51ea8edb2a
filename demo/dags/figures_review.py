"""The demo DAG whose output is JSON: a quarter's figures, checked against the data before they are published."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, task

from airflow_hitl_review import HITLReviewOperator
from demo import figures


def compute(context: Any) -> dict[str, Any]:
    return figures.write(figures.read())


def recompute(feedback: str, history: list[dict[str, Any]]) -> dict[str, Any]:
    asked = [turn["content"] for turn in history if turn["role"] == "human"]
    return figures.write(figures.read(), [*asked, feedback])


with DAG("figures_review", schedule=None, tags=["demo"], catchup=False):
    review = HITLReviewOperator(
        task_id="review",
        prompt=f"Revenue by region in {figures.QUARTER}, and how it grew.",
        generate=compute,
        regenerate=recompute,
        webhooks=["demo_webhook"],
    )

    @task
    def publish(approved: dict[str, Any]) -> str:
        return f"Published for {approved['quarter']}: €{approved['total']:,}."

    publish(review.output)  # type: ignore[arg-type]
