"""Trigger of a parked review before Airflow 3.3, at the import path stored in Airflow's trigger table."""

from __future__ import annotations

from airflow_hitl_review.task.deadline_trigger import ReviewDeadlineTrigger

__all__ = ["ReviewDeadlineTrigger"]
