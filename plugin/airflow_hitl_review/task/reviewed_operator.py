"""What the loop of a review uses of its operator."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal, Protocol

from airflow_hitl_review.core.schema import AgentSession, OnReject, OnTimeout, OutputFormat
from airflow_hitl_review.core.tool_calls import ToolRequest
from airflow_hitl_review.core.trace import Trace
from airflow_hitl_review.task.json_values import Shown
from airflow_hitl_review.task.message_history import Regenerating
from airflow_hitl_review.task.output_edits import Editing
from airflow_hitl_review.task.remembered import Parked


class ReviewedOperator(Regenerating, Protocol):
    """What the loop uses of ``HITLReviewMixin``, which describes it."""

    hitl_poll_interval: float
    hitl_timeout: timedelta | None
    on_regenerate_error: Literal["return", "fail"]
    on_reject: OnReject
    on_hitl_timeout: OnTimeout
    _hitl_parked: Parked | None

    def _check_edit(self, edited_output: str, output_format: OutputFormat, history: Any) -> None:
        """Raise if the task does not take the reviewer's edit."""

    def regenerate_from_edit(self, *, edited_output: str, feedback: str, message_history: Any) -> tuple[Any, Any]:
        """Generate the next output from the reviewer's edit of the last one."""

    def _request(self, history: Any) -> ToolRequest | None:
        """What is asked with the output that ``history`` belongs to."""

    def _go_on(self, answer: str, history: Any) -> tuple[Any, Any]:
        """Generate the next output after a request was approved."""

    def _needs_review(self, shown: Shown, history: Any) -> bool:
        """Whether a person must look at the first output."""

    def regenerate_with_feedback(self, *, feedback: str, message_history: Any) -> tuple[Any, Any]:
        """Generate the next output."""

    def _trace(self, history: Any, before: Any) -> Trace | None:
        """What the task did for an output."""

    def _editing(self, shown: Shown, history: Any) -> Editing:
        """Whether reviewers may edit an output."""

    def _approved(self, session: AgentSession, history: Any, edited_output: str | None) -> Any:
        """The task's result."""
