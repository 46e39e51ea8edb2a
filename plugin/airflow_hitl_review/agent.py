"""``AgentOperator`` and ``@task.hitl_review_agent``: at this path for DAGs, and for Airflow, which stores it."""

from __future__ import annotations

from airflow_hitl_review.task.agent import (
    AgentDecoratedOperator,
    AgentOperator,
    HITLReviewAgentDecoratedOperator,
    hitl_review_agent_task,
)

__all__ = [
    "AgentDecoratedOperator",
    "AgentOperator",
    "HITLReviewAgentDecoratedOperator",
    "hitl_review_agent_task",
]
