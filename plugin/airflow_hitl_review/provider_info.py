"""Provider metadata for Airflow's providers manager: our name, decorators and ``[hitl_review]`` settings."""

from __future__ import annotations

from typing import Any

from airflow_hitl_review.core.option_table import OPTIONS


def get_provider_info() -> dict[str, Any]:
    """The provider information, in the shape of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "hitl-notebook",
        "name": "HITL notebook",
        "description": "Human review of task outputs from a Jupyter notebook, with signed webhooks.",
        "task-decorators": [
            {"name": "hitl_review", "class-name": "airflow_hitl_review.task.decorators.hitl_review_task"},
            {"name": "hitl_review_agent", "class-name": "airflow_hitl_review.agent.hitl_review_agent_task"},
        ],
        "config": {
            "hitl_review": {
                "description": "Human review of task outputs (hitl-notebook).",
                "options": {name: option.declared() for name, option in OPTIONS.items()},
            }
        },
    }
