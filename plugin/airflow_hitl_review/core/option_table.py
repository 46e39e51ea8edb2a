"""The settings of ``[hitl_review]``, each declared once: name, type, default, description.

``options`` reads them, ``provider_info`` declares them to Airflow's providers manager, and the table in
``docs/settings.md`` is generated from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Option:
    """One setting.

    Attributes:
        default: as written in the configuration; empty for none.
        description: one paragraph.
        example: as written in the configuration.
        sensitive: Airflow hides its value.
        since: the version that had it first.
    """

    type: Literal["string", "boolean", "float"]
    default: str
    description: str
    example: str | None = None
    sensitive: bool = False
    since: str = "0.1.0"

    def declared(self) -> dict[str, Any]:
        """The option in the format of Airflow's ``provider_info.schema.json``."""
        return {
            "description": self.description,
            "version_added": self.since,
            "type": self.type,
            **({"sensitive": True} if self.sensitive else {}),
            "example": self.example,
            "default": self.default,
        }


OPTIONS = {
    "url_prefix": Option(
        "string",
        "/hitl-review",
        "Path at which REST API and pages are served, below [api] base_url: one segment. Read by API "
        "servers and workers. The default is the path of Airflow's AI provider: where both are "
        "installed, hitl-notebook answers there instead of it. With another path, both answer.",
        example="/reviews",
    ),
    "review_tab": Option(
        "boolean",
        "True",
        "Show the review as a tab of its task instance. Switch it off to keep the tab of Airflow's AI "
        "provider, which then works with hitl-notebook's API.",
    ),
    "replace_agent_operator": Option(
        "boolean",
        "False",
        "Review the tasks of the AI provider's AgentOperator and @task.agent without a worker slot and "
        "with webhooks, like those of airflow_hitl_review.agent, without changing the DAGs. Read where "
        "DAG files are: by DAG processors and workers.",
    ),
    "park_settle_seconds": Option(
        "float",
        "60",
        "Seconds between the parking of a task and the scheduler heartbeat after which the task is "
        "resumed as the same try; before that, it is resumed as the next try. The value must cover the "
        "end of the worker process and one loop of the scheduler; raise it where uploading task logs "
        "takes longer than half a minute.",
        example="300",
    ),
    "wake_sweep_interval": Option(
        "float",
        "10",
        "Interval, in seconds, at which each API server process looks for tasks that are decided but "
        "still parked, for example after a crash.",
        example="30",
    ),
    "required_actions": Option(
        "boolean",
        "True",
        "Also show each review that waits without a worker slot in Airflow's Required Actions, where it "
        "can also be decided. Read by workers.",
    ),
    "progress": Option(
        "boolean",
        "True",
        "Show reviewers what a task does while it makes an output: what it reports, and of an agent its calls of "
        "tools and its text, for which the model's answer is streamed. Costs an XCom write per second at most. "
        "Read by workers.",
        since="0.2.0",
    ),
    "webhook_conn_ids": Option(
        "string",
        "",
        "Airflow connections, separated by commas, that get the webhooks of every review, in addition to "
        "those that the DAG names.",
        example="audit_webhook, slack_reviews",
    ),
    "webhook_allow_http": Option(
        "boolean",
        "False",
        "Allow webhook addresses that start with http://, although others on the network can read these "
        "requests. Addresses of this machine are always allowed.",
    ),
    "webhook_block_private_addresses": Option(
        "boolean",
        "False",
        "Refuse to send webhooks to addresses that are not public, so authors of DAGs and connections "
        "cannot reach the network that Airflow runs in. Checked when connecting; proxies from the "
        "environment are then not used.",
    ),
    "webhook_retry_schedule": Option(
        "string",
        "5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400",
        "Seconds to wait before each further attempt to deliver a webhook, separated by commas; each is "
        "varied by up to 10 %. After the last attempt, the webhook is given up. The default is the "
        "schedule of Standard Webhooks 1.0.0.",
        example="5, 60, 600",
    ),
    "webhook_timeout": Option(
        "float",
        "15",
        "Seconds after which an attempt of the API server to deliver a webhook is given up. Standard Webhooks "
        "suggests 15 to 30.",
        example="30",
    ),
    "webhook_sweep_interval": Option(
        "float",
        "1",
        "Interval, in seconds, at which each API server process looks for webhooks that are due and "
        "reviews that have lost their task.",
        example="5",
    ),
    "webhook_secret": Option(
        "string",
        "",
        "Signing secret (whsec_...) for webhook endpoints given as a plain URL; two, with a space between "
        "them, while one rotates. Endpoints given as a connection have theirs in the connection's password.",
        sensitive=True,
    ),
}
"""By name, in the order of the documentation."""
