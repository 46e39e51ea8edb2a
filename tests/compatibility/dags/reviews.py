"""Reviews of this project's operators, in both ways of waiting."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task

from airflow_hitl_review import HITLReviewOperator


def generate(context: Any) -> dict[str, Any]:
    return {"round": 1}


def regenerate(feedback: str, history: list[dict[str, Any]]) -> dict[str, Any]:
    return {"round": history[-1]["content"]["round"] + 1, "after": feedback}


def review(task_id: str, **more: Any) -> HITLReviewOperator:
    given: dict[str, Any] = {
        "prompt": "Figures of {{ dag.dag_id }}",
        "generate": generate,
        "regenerate": regenerate,
    }
    return HITLReviewOperator(task_id=task_id, retries=0, **(given | more))


with DAG("ours", schedule=None, catchup=False, max_active_tasks=50):
    review("parked")
    review("parked_rejected")
    review("parked_answered")
    review("polled", hitl_wait="poll", hitl_poll_interval=5)
    review("polled_theirs", hitl_wait="poll", hitl_poll_interval=5)
    review("polled_theirs_rejected", hitl_wait="poll", hitl_poll_interval=5)

    @task
    def names() -> list[str]:
        return ["Ada", "Bob"]

    @task.hitl_review(prompt="A greeting", retries=0)
    def greet(name: str, feedback: str | None = None, history: list[Any] | None = None) -> str:
        return f"Hello {name}{feedback or ''}{len(history or [])}"

    greet.expand(name=names())


with DAG("late", schedule=None, catchup=False):
    review("undecided", hitl_timeout=timedelta(seconds=20))
