"""Agents that ask, in a DAG of their own: importing them takes as long as the rest of a task."""

from __future__ import annotations

from airflow.sdk import DAG
from chaos_kinds import COMMON, HAS_AGENTS, prompts_of  # type: ignore[import-not-found]  # chaos/inject is on its path

if HAS_AGENTS:
    from chaos_agent import AskingOperator, shop  # type: ignore[import-not-found]

    with DAG("chaos_agents", schedule=None, catchup=False, max_active_tasks=500, max_active_runs=100):
        AskingOperator.partial(
            task_id="agent", llm_conn_id="none", toolsets=[shop()], enable_hitl_review=True, **COMMON
        ).expand(prompt=prompts_of("agent"))
