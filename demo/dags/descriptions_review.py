"""The demo DAG with many reviews in one run: a mapped task drafts a description of each product."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task

from airflow_hitl_review import HITLReviewOperator
from demo import descriptions


def draft(context: Any) -> str:
    return descriptions.write(descriptions.read()[context["ti"].map_index])


def redraft(feedback: str, history: list[dict[str, str]]) -> str:
    product = descriptions.described_in(history[0]["content"], descriptions.read())
    asked = [turn["content"] for turn in history if turn["role"] == "human"]
    return descriptions.write(product, [*asked, feedback])


with DAG("descriptions_review", schedule=None, tags=["demo"], catchup=False):

    @task
    def list_products() -> list[str]:
        return [descriptions.task_for(product) for product in descriptions.read()]

    review = HITLReviewOperator.partial(
        task_id="review", generate=draft, regenerate=redraft, hitl_timeout=timedelta(days=1)
    ).expand(prompt=list_products())

    @task
    def publish(texts: Any) -> str:
        return f"Published {len(list(texts))} descriptions."

    publish(review.output)
