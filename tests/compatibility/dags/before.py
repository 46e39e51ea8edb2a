"""Reviews that version 0.1.0 can make, too; each output says which code has made it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

import airflow_hitl_review
from airflow_hitl_review import HITLReviewOperator


def generate(context: Any) -> dict[str, Any]:
    return {"round": 1, "code": airflow_hitl_review.__path__[0]}


def regenerate(feedback: str, history: list[dict[str, Any]]) -> dict[str, Any]:
    last = history[-1]["content"]
    return {"round": last["round"] + 1, "after": feedback, "code": airflow_hitl_review.__path__[0]}


with DAG("before", schedule=None, catchup=False, max_active_tasks=50):
    given: dict[str, Any] = {"reviewers": ["admin"], "hitl_timeout": timedelta(hours=1)}
    for name, more in (("approved", given), ("changed", {})):
        HITLReviewOperator(
            task_id=name,
            prompt="Figures",
            generate=generate,
            regenerate=regenerate,
            webhooks=["steady_hook", "waiting_hook"],
            retries=0,
            **more,
        )
