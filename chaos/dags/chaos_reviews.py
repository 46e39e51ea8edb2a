"""Reviews that are killed on the way: how many, the run's conf says."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task

from airflow_hitl_review import HITLReviewOperator


def generate(context: Any) -> str:
    ti = context["ti"]
    return f"Item {ti.map_index}, try {ti.try_number}, output 1."


def regenerate(feedback: str, history: list[dict[str, str]]) -> str:
    if "fail" in feedback:
        raise RuntimeError("the model is not available")
    return f"After: {feedback}. Before: {history[-1]['content']}"  # what it was asked with; see chaos/invariants.py


with DAG("chaos_reviews", schedule=None, catchup=False, max_active_tasks=500, max_active_runs=100):

    @task(retries=20, retry_delay=timedelta(seconds=1))
    def items(**context: Any) -> list[str]:
        return [f"Item {number}" for number in range(context["dag_run"].conf.get("count", 1))]

    HITLReviewOperator.partial(
        task_id="review",
        generate=generate,
        regenerate=regenerate,
        webhooks=["chaos_webhook"],
        max_hitl_iterations=3,
        reviewers=os.environ.get("HITL_CHAOS_REVIEWERS", "").split(),
        retries=20,
        retry_delay=timedelta(seconds=1),
    ).expand(prompt=items())
