"""Cluster policy (an ``airflow.policy`` entry point) that replaces the AI provider's ``AgentOperator`` with ours.

For people who cannot or do not want to change their DAGs: with ``[hitl_review] replace_agent_operator = True``,
tasks of the AI provider's ``AgentOperator`` and ``@task.agent`` become tasks of ``airflow_hitl_review.agent``. This
happens when DAG files are parsed, in the DAG processor and in each worker. Subclasses are left alone, since their
changes are unknown.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

from airflow.policies import hookimpl

log = logging.getLogger(__name__)

_PROVIDERS = {
    ("airflow.providers.common.ai.operators.agent", "AgentOperator"): "AgentOperator",
    ("airflow.providers.common.ai.decorators.agent", "_AgentDecoratedOperator"): "AgentDecoratedOperator",
}
"""Maps module and name of each provider class to the name of its replacement in our module ``agent``."""


@hookimpl
def task_policy(task: Any) -> None:
    """Replace the class of a task, mapped or not, if the setting is on."""
    # A mapped operator has the class of its future tasks as an attribute.
    mapped = bool(getattr(task, "is_mapped", False))
    theirs = task.operator_class if mapped else type(task)
    name = _PROVIDERS.get((theirs.__module__, theirs.__name__))
    if name is None or not _is_wanted():
        return
    try:
        from airflow_hitl_review.task import agent

        # Not by assignment: operators and mapped operators intercept it.
        object.__setattr__(task, "operator_class" if mapped else "__class__", getattr(agent, name))
    except Exception:
        # An exception in a policy prevents the whole DAG from loading.
        log.exception("Task %s keeps the AI provider's operator, because ours cannot replace it.", task.task_id)


@cache
def _is_wanted() -> bool:
    from airflow_hitl_review.core.airflow_sdk import option
    from airflow_hitl_review.core.options import is_on

    return is_on("replace_agent_operator", option)
