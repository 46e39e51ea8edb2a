"""Reviews that are killed on the way, of four kinds; how many, the environment says."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG
from chaos_kinds import COMMON, prompts_of  # type: ignore[import-not-found]  # chaos/inject is on its path
from pydantic import BaseModel, field_validator

from airflow_hitl_review import HITLReviewOperator, report_progress


class Report(BaseModel):
    text: str
    number: int

    @field_validator("text")
    @classmethod
    def is_taken(cls, text: str) -> str:
        if "please refuse" in text:
            raise ValueError("the task does not take this")
        return text


class ReviewedText(HITLReviewOperator):
    def check_edited_output(self, edited_output: str, output_format: Any) -> None:
        if "please refuse" in edited_output:
            raise ValueError("the task does not take this")


def generate(context: Any) -> str:
    ti = context["ti"]
    return f"Item {ti.map_index}, try {ti.try_number}, output 1."


def regenerate(feedback: str, history: list[dict[str, Any]]) -> str:
    if "fail" in feedback:
        raise RuntimeError("the model is not available")
    before = history[-1]["content"]  # what it was asked with; see chaos/invariants.py
    return f"After: {feedback}. Before: {before if isinstance(before, str) else json.dumps(before)}"


def generate_report(context: Any) -> Report:
    report_progress("Writing the first report", 0.5)
    return Report(text=generate(context), number=2**60 + 1)


def regenerate_report(feedback: str, history: list[dict[str, Any]]) -> Report:
    report_progress("Writing another report", 0.5)
    return Report(text=regenerate(feedback, history), number=2**60 + 1)


TEXT: dict[str, Any] = {"generate": generate, "regenerate": regenerate}
MORE: dict[str, dict[str, Any]] = {
    "review": {},
    "clock": {"hitl_timeout": timedelta(seconds=20), "on_hitl_timeout": "approve"},
    "typed": {
        "generate": generate_report,
        "regenerate": regenerate_report,
        "output_type": Report,
    },
    "policy": {"review_when": lambda output: "output 1" not in output},
}
with DAG("chaos_reviews", schedule=None, catchup=False, max_active_tasks=500, max_active_runs=100):
    for kind, more in MORE.items():
        operator = HITLReviewOperator if kind == "typed" else ReviewedText
        operator.partial(task_id=kind, **{**COMMON, **TEXT, **more}).expand(prompt=prompts_of(kind))
