"""The trigger of a parked review before Airflow 3.3, at the path that Airflow's trigger table has."""

from __future__ import annotations

from airflow_hitl_review.task.parking import ReviewDeadlineTrigger

__all__ = ["ReviewDeadlineTrigger"]
