"""An approved review, from which several tests build an event."""

from __future__ import annotations

from hitl_webhooks.events import Person, ReviewFacts

FACTS = ReviewFacts(
    task_instance_id="8d1c2a7e-0000-4000-8000-000000000000",
    dag_id="reports",
    run_id="manual__1",
    task_id="report",
    map_index=3,
    try_number=1,
    status="approved",
    iteration=2,
    max_iterations=5,
    prompt="Draft the report",
    output="# The report",
    feedback="Shorter",
    decided_by=Person("7", "ann"),
)
