"""The demo DAG: drafts a report, waits for a person, goes on with what was approved."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, task

from airflow_hitl_review import HITLReviewOperator
from demo import report


def draft(context: Any) -> str:
    return report.write(report.read())


def redraft(feedback: str, history: list[dict[str, str]]) -> str:
    asked = [turn["content"] for turn in history if turn["role"] == "human"]
    return report.write(report.read(), report.understand([*asked, feedback]))


with DAG("report_review", schedule=None, tags=["demo"], catchup=False):
    review = HITLReviewOperator(
        task_id="review",
        prompt="Draft the sales report for the first quarter.",
        generate=draft,
        regenerate=redraft,
        webhooks=["demo_webhook"],
    )

    @task
    def publish(text: str) -> str:
        return f"Published {len(text.split())} words."

    publish(review.output)  # type: ignore[arg-type]
