"""Trigger of a parked review before Airflow 3.3, at the import path stored in Airflow's trigger table."""

from __future__ import annotations

from airflow_hitl_review.task.parking import ReviewDeadlineTrigger

__all__ = ["ReviewDeadlineTrigger"]
