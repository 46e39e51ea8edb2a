"""What Airflow's providers manager is told: who we are, and which settings ``[hitl_review]`` has."""

from __future__ import annotations

from typing import Any


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
                "options": {
                    "url_prefix": {
                        "description": (
                            "Path at which REST API and pages are served, below [api] base_url: one segment. Read "
                            "by API servers and workers. The default is that of Airflow's AI provider, in whose "
                            "place hitl-notebook then answers where both are installed; with another one, both do."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "/reviews",
                        "default": "/hitl-review",
                    },
                    "review_tab": {
                        "description": (
                            "Show the review as a tab of its task instance. Switch it off to keep the tab of "
                            "Airflow's AI provider, which then works with hitl-notebook's API."
                        ),
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": None,
                        "default": "True",
                    },
                    "replace_agent_operator": {
                        "description": (
                            "Have the tasks of the AI provider's AgentOperator and @task.agent reviewed without a "
                            "worker slot and with webhooks, as those of airflow_hitl_review.agent, without a "
                            "change in a DAG. Read where DAG files are: by DAG processors and workers."
                        ),
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": None,
                        "default": "False",
                    },
                    "park_settle_seconds": {
                        "description": (
                            "Seconds between the moment a task parks and the scheduler heartbeat after which "
                            "it is resumed as the same try; before that, it is resumed as the next one. They "
                            "must cover the end of the worker process and one loop of the scheduler; raise "
                            "them where uploading task logs takes longer than half a minute."
                        ),
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": "300",
                        "default": "60",
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
                    "required_actions": {
                        "description": (
                            "Show each review that waits without a worker slot in Airflow's Required Actions, "
                            "too, where it can also be decided. Read by workers."
                        ),
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": None,
                        "default": "True",
                    },
                    "webhook_conn_ids": {
                        "description": (
                            "Airflow connections, separated by commas, that hear of every review, besides those "
                            "that the DAG names."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "audit_webhook, slack_reviews",
                        "default": "",
                    },
                    "webhook_allow_http": {
                        "description": (
                            "Permit webhook addresses that start with http://, where others on the way can read "
                            "along. This machine itself is always permitted."
                        ),
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": None,
                        "default": "False",
                    },
                    "webhook_block_private_addresses": {
                        "description": (
                            "Refuse to send webhooks to addresses that are not public, so that nobody who writes "
                            "a DAG or a connection can reach into the network that Airflow runs in. Checked when "
                            "connecting; proxies from the environment are then not used."
                        ),
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": None,
                        "default": "False",
                    },
                    "webhook_retry_schedule": {
                        "description": (
                            "Seconds to wait before each further attempt to deliver a webhook, separated by "
                            "commas; each is varied by up to 10 %. After the last one it is given up. The default "
                            "is the schedule of Standard Webhooks 1.0.0."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "5, 60, 600",
                        "default": "5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400",
                    },
                    "webhook_timeout": {
                        "description": (
                            "Seconds after which an attempt of the API server to deliver a webhook is given up. "
                            "Standard Webhooks suggests 15 to 30."
                        ),
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": "30",
                        "default": "15",
                    },
                    "webhook_sweep_interval": {
                        "description": (
                            "Seconds between two looks of each API server process for webhooks that are due and "
                            "reviews that have lost their task."
                        ),
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": "5",
                        "default": "1",
                    },
                    "webhook_secret": {
                        "description": (
                            "Signing secret (whsec_...) for webhook endpoints given as a plain URL; two, with a "
                            "space between them, while one rotates. Endpoints given as a connection have theirs "
                            "in the connection's password."
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
