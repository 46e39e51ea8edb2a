"""The film's DAG whose output is a list of records, which is shown as a table."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG

from airflow_hitl_review import HITLReviewOperator

ORDERS = (
    (1042, "Berg & Co", "Oslo", 9, 20.5),
    (1057, "Fjord Hotel", "Bergen", 2, 310.0),
    (1068, "Lund Bakery", "Lund", 1, 46.0),
    (1073, "Harbour Books", "Turku", 12, 129.0),
    (1088, "Kafé Ask", "Umeå", 7, 61.4),
)


def late(context: Any) -> list[dict[str, Any]]:
    """In place of a query: orders that came late."""
    return [dict(zip(("order", "customer", "city", "days_late", "euros"), one, strict=True)) for one in ORDERS]


with DAG("late_orders", schedule=None, catchup=False):
    HITLReviewOperator(
        task_id="review",
        prompt="Which orders came late this week?",
        generate=late,
        regenerate=lambda feedback, history: late({}),
    )
