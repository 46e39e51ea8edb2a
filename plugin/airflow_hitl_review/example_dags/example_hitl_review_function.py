"""Review what a plain function returns."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task


@dag(schedule=None, catchup=False, params={"version": "2.0"}, tags=["example", "hitl-review"])
def example_hitl_review_function() -> None:
    """A draft, reviewed; then it is published."""

    @task.hitl_review(
        prompt="Announcement of version {{ params.version }}",
        hitl_timeout=timedelta(days=3),
        max_hitl_iterations=4,
    )
    def announce(version: str, feedback: str | None = None, history: list[Any] | None = None) -> str:
        """Called for the first draft, and again with what the reviewer wants changed."""
        draft = f"Version {version} is out."
        for turn in history or []:
            if turn["role"] == "human":
                draft += f" ({turn['content']})"
        return f"{draft} ({feedback})" if feedback else draft

    @task
    def publish(text: str) -> None:
        """Gets the approved draft, and runs only if there is one."""
        print(text)  # noqa: T201 - into the task's log

    publish(announce("{{ params.version }}"))


example = example_hitl_review_function()
