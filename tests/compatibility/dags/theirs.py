"""Reviews of the AI provider's own operator, with the model "test" of pydantic-ai: nobody needs a key."""

from __future__ import annotations

import json
import os

from airflow.sdk import DAG

try:
    from airflow.providers.common.ai.operators.agent import AgentOperator
except ImportError:  # not installed here: there is no such DAG
    AgentOperator = None

if AgentOperator is not None:
    os.environ.setdefault("AIRFLOW_CONN_TEST_MODEL", json.dumps({"conn_type": "pydanticai"}))

    def review(task_id: str) -> None:
        AgentOperator(
            task_id=task_id,
            prompt="first",
            llm_conn_id="test_model",
            model_id="test",
            enable_hitl_review=True,
            hitl_poll_interval=5,
            retries=0,
        )

    with DAG("theirs", schedule=None, catchup=False, max_active_tasks=50):
        review("agent")
        review("agent_rejected")
