"""Reviews that tell others about themselves: the connections are those of ``LiveHooks``."""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, BaseNotifier

from airflow_hitl_review import HITLReviewOperator, Webhook


def generate(context: Any) -> str:
    return f"Draft of item {context['ti'].map_index}."


def regenerate(feedback: str, history: list[dict[str, str]]) -> str:
    if "fail" in feedback:
        raise RuntimeError("the model is not available")
    return f"Draft {len(history)} after: {feedback}"


def review(task_id: str = "review", **arguments: Any) -> HITLReviewOperator:
    given = {"prompt": "Read it", "generate": generate, "regenerate": regenerate, "retries": 0}
    return HITLReviewOperator(task_id=task_id, **{**given, **arguments})


# Where it goes, the run says; nowhere of its own without that.
with DAG("webhook_review", schedule=None, catchup=False, max_active_runs=50):
    review(webhooks=["{{ dag_run.conf['hook'] }}"])

with DAG("webhook_cleared", schedule=None, catchup=False):
    HITLReviewOperator.partial(
        task_id="review", generate=generate, regenerate=regenerate, webhooks=["hook_cleared"], retries=0
    ).expand(prompt=[f"Item {n}" for n in range(10)])

with DAG("webhook_kept", schedule=None, catchup=False):
    review(webhooks=["hook_kept"])

with DAG("webhook_retried", schedule=None, catchup=False):
    review(
        webhooks=["hook_retried"],
        hitl_timeout=timedelta(seconds=8),
        retries=1,
        retry_delay=timedelta(seconds=1),
    )

with DAG("webhook_endings", schedule=None, catchup=False):
    review("approved", webhooks=["hook_endings"])
    review("rejected", webhooks=["hook_endings"])
    review("timed", webhooks=["hook_endings"], hitl_timeout=timedelta(seconds=3))
    review("limited", webhooks=["hook_endings"], max_hitl_iterations=1)
    review("failing", webhooks=["hook_endings"], on_regenerate_error="fail")


# --- how long a review takes to open


def generate_now(context: Any) -> str:
    return repr(time.time())


def generate_now_and_tell_nobody(context: Any) -> str:
    # The deployment's default, in this process only: its settings are read afterwards.
    os.environ["AIRFLOW__HITL_REVIEW__WEBHOOK_CONN_IDS"] = ""
    # About as long as the other DAG's tasks take, so that both are measured over the same time.
    time.sleep(9)
    return repr(time.time())


# One after the other: what is parked does not count.
with DAG("webhook_three", schedule=None, catchup=False, max_active_tasks=1):
    HITLReviewOperator.partial(
        task_id="review",
        generate=generate_now,
        regenerate=regenerate,
        webhooks=["hook_good_one", Webhook(conn_id="hook_good_two"), "hook_hanging"],
        retries=0,
    ).expand(prompt=[f"Item {n}" for n in range(9)])

with DAG("webhook_none", schedule=None, catchup=False, max_active_tasks=1):
    HITLReviewOperator.partial(
        task_id="review", generate=generate_now_and_tell_nobody, regenerate=regenerate, retries=0
    ).expand(prompt=[f"Item {n}" for n in range(9)])


# --- callbacks: each appends a line to the file that the run's conf names


def write(context: Any, who: str, **more: Any) -> None:
    with Path(context["dag_run"].conf["path"]).open("a") as file:
        file.write(json.dumps({"who": who, **more}) + "\n")


def note_ready(context: Any) -> None:
    facts = context["hitl_review"]
    write(context, "ready", task=context["ti"].task_id, **{**facts, "deadline_at": str(facts["deadline_at"])})


def note_ready_too(context: Any) -> None:
    write(context, "ready too", iteration=context["hitl_review"]["iteration"])


def broken(context: Any) -> None:
    write(context, "broken", event=context["hitl_review"]["event"])
    raise RuntimeError("this callback is broken")


def note_final(context: Any) -> None:
    facts = context["hitl_review"]
    write(context, "final", **{**facts, "deadline_at": str(facts["deadline_at"])})


class LineNotifier(BaseNotifier):
    """Appends a line that is rendered from a template."""

    template_fields = ("line",)

    def __init__(self, line: str) -> None:
        super().__init__()
        self.line = line

    def notify(self, context: Any) -> None:
        write(context, "notifier", line=self.line)


with DAG("webhook_callbacks", schedule=None, catchup=False):
    review(
        on_output_ready_callback=[note_ready, broken, note_ready_too],
        on_finalized_callback=[broken, note_final, LineNotifier("{{ hitl_review.status }}")],
        notifiers=LineNotifier("{{ hitl_review.iteration }}: {{ hitl_review.output }} ({{ run_id }})"),
        hitl_timeout=timedelta(minutes=10),
    )

with DAG("webhook_secrets", schedule=None, catchup=False):
    review(
        webhooks=[
            "hook_rotating",
            "hook_refusing",
            "hook_quoting",
            "hook_quoting_user",
            "hook_dead",
            "hook_nowhere",
            "hook_untidy",
            "hook_malformed",
            "hook_slack",
            "hook_slack_nowhere",
        ]
    )
