"""Airflow's cluster policy, an ``airflow.policy`` entry point: our ``AgentOperator`` in place of the provider's.

For people who cannot change the DAGs, or do not want to: with ``[hitl_review] replace_agent_operator = True`` the
tasks of the AI provider's ``AgentOperator`` and ``@task.agent`` become those of ``airflow_hitl_review.agent``, where
DAG files are read, which is in the DAG processor and in each worker. Subclasses of them are left alone: what they
changed is not known.
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
"""Module and name of each class, and the name of the one in our module ``agent`` that takes its place."""


@hookimpl
def task_policy(task: Any) -> None:
    """Replace the class of a task, or of a mapped one, if that is wanted."""
    # A mapped operator names the class of the tasks that it is going to make.
    mapped = bool(getattr(task, "is_mapped", False))
    theirs = task.operator_class if mapped else type(task)
    name = _PROVIDERS.get((theirs.__module__, theirs.__name__))
    if name is None or not _is_wanted():
        return
    try:
        from airflow_hitl_review.task import agent

        # Not by assignment: operators and mapped ones watch what is set on them.
        object.__setattr__(task, "operator_class" if mapped else "__class__", getattr(agent, name))
    except Exception:
        # What a policy raises keeps the whole DAG from being loaded.
        log.exception("The AI provider's operator of task %s stays, as ours cannot take its place.", task.task_id)


@cache
def _is_wanted() -> bool:
    from airflow_hitl_review.core.airflow_sdk import option
    from airflow_hitl_review.core.options import is_on

    return is_on("replace_agent_operator", option)
