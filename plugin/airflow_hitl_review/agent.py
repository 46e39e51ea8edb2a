"""Import path of ``AgentOperator`` and ``@task.hitl_review_agent``; the path that DAGs import."""

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
