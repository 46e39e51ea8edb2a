"""What Airflow's providers manager is told: who we are, and which settings ``[hitl_review]`` has."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """The provider information, in the shape of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "hitl-notebook",
        "name": "HITL notebook",
        "description": "Human review of task outputs from a Jupyter notebook, with signed webhooks.",
        "config": {
            "hitl_review": {
                "description": "Human review of task outputs (hitl-notebook).",
                "options": {
                    "park_settle_seconds": {
                        "description": (
                            "Seconds between the moment a task parks and the scheduler heartbeat after which "
                            "it may be resumed. It must cover the end of the worker process and one loop of "
                            "the scheduler; raise it where uploading task logs is slow."
                        ),
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": "30",
                        "default": "10",
                    },
                    "wake_sweep_interval": {
                        "description": (
                            "Seconds between two looks of each API server process for tasks that are decided "
                            "but still parked, such as after a crash."
                        ),
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": "30",
                        "default": "10",
                    },
                    "webhook_secret": {
                        "description": (
                            "Signing secret (whsec_...) for webhook endpoints given as a plain URL. Endpoints "
                            "given as a connection have theirs in the connection's password."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "sensitive": True,
                        "example": None,
                        "default": "",
                    },
                },
            }
        },
    }
