"""The table of metrics in ``docs/running.md``."""

from __future__ import annotations

from airflow_hitl_review.core.telemetry import METRICS


def metrics_table() -> str:
    """A line for each metric that Airflow's stats are told."""
    lines = ["| metric | kind | sent by | |", "|---|---|---|---|"]
    lines += [f"| `{one.name}` | {one.kind} | {one.sender} | {one.about}. |" for one in METRICS]
    return "\n".join(lines) + "\n"
