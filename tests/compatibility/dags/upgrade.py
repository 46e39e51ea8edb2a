"""Reviews that wait while Airflow is upgraded."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task
from pydantic import BaseModel

from airflow_hitl_review import HITLReviewOperator


class Report(BaseModel):
    title: str
    count: int = 2**53 + 1


def again(feedback: str, history: list[dict[str, Any]]) -> str:
    return f"{history[-1]['content']}, {feedback}"


def review(task_id: str, **more: Any) -> HITLReviewOperator:
    given: dict[str, Any] = {
        "prompt": "Figures",
        "generate": lambda context: "Draft",
        "regenerate": again,
        "retries": 0,
    }
    return HITLReviewOperator(task_id=task_id, **(given | more))


with DAG("upgraded", schedule=None, catchup=False, max_active_tasks=50):
    review("late", hitl_timeout=timedelta(seconds=20))
    review("changed")
    review("answered")
    review("decided")
    review("not_resumed")
    review(
        "typed",
        generate=lambda context: Report(title="Week"),
        output_type=Report,
        hitl_timeout=timedelta(hours=1),
    )
    review("polled", hitl_wait="poll", hitl_poll_interval=5, retries=1, retry_delay=timedelta(seconds=1))

    @task.hitl_review(prompt="A greeting", retries=0)
    def greet(name: str, feedback: str | None = None) -> str:
        return f"Hello {name}"

    greet.expand(name=["Ada"])
