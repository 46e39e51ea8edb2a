"""The demo DAG whose output has a declared type: the example that users copy, as it is."""

from __future__ import annotations

from airflow_hitl_review.example_dags.example_hitl_review_typed import example

__all__ = ["example"]  # Airflow finds the DAG here
