"""Reviews whose outputs are edited, and reviews that nobody decides."""

from __future__ import annotations

import json
from datetime import date, timedelta
from enum import Enum
from typing import Any

from airflow.sdk import DAG, task
from pydantic import BaseModel, model_validator

from airflow_hitl_review import HITLReviewOperator


class Grade(str, Enum):
    good = "good"
    bad = "bad"


class Line(BaseModel):
    name: str
    amount: float
    count: int = 0


class Report(BaseModel):
    title: str
    day: date
    grade: Grade
    note: str | None = None
    total: float
    lines: list[Line]

    @model_validator(mode="after")
    def adds_up(self) -> Report:
        """A JSON Schema cannot say this."""
        if sum(line.amount for line in self.lines) != self.total:
            raise ValueError("The amounts of the lines do not add up to the total.")
        return self


REPORT = Report(
    title="Week",
    day=date(2026, 11, 27),
    grade=Grade.good,
    total=3.0,
    lines=[Line(name="a", amount=1.0, count=2**53 + 1), Line(name="b", amount=2.0)],
)


def again(feedback: str, history: list[dict[str, Any]]) -> dict[str, Any]:
    last: dict[str, Any] = history[-1]["content"]
    return last | {"title": f"{last['title']}: {feedback}"}


def review(task_id: str, **more: Any) -> HITLReviewOperator:
    given: dict[str, Any] = {
        "prompt": "To edit",
        "generate": lambda context: "# Draft",
        "regenerate": lambda feedback, history: f"{history[-1]['content']} / {feedback}",
        "webhooks": ["edits_hook"],
        "retries": 0,
    }
    return HITLReviewOperator(task_id=task_id, **(given | more))


@task
def seen(value: Any) -> str:
    """What the next task gets, as a text in which 1 and 1.0 differ."""
    return json.dumps(value, sort_keys=True)


@task
def after() -> str:
    return "ran"


with DAG("edited", schedule=None, catchup=False, max_active_tasks=50):
    typed = review("typed", generate=lambda context: REPORT, regenerate=again, output_type=Report)
    seen(typed.output)
    review("text")
    review("polled", hitl_wait="poll", hitl_poll_interval=5)
    review("locked", allow_modifications=False)
    skipped = review("skipped", on_reject="skip")
    skipped >> after.override(task_id="after_approval")()
    skipped >> after.override(task_id="after_all", trigger_rule="none_failed")()
    soon = {"hitl_timeout": timedelta(seconds=20)}
    review("clock_approves", on_hitl_timeout="approve", **soon)
    review("clock_rejects", on_hitl_timeout="reject", **soon)
    review("unseen", review_when=lambda output: len(output) > 100)
