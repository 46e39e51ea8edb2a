"""``AgentOperator`` of Airflow's AI provider, with this project's review: no worker slot, webhooks, callbacks.

Needs ``apache-airflow-providers-common-ai``, whose operator it extends; this module only adds the review.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

try:
    from airflow.providers.common.ai.decorators.agent import _AgentDecoratedOperator
    from airflow.providers.common.ai.operators.agent import AgentOperator as ProviderAgentOperator
except ModuleNotFoundError as error:
    if not (error.name or "").startswith(("airflow.providers", "pydantic_ai")):
        raise
    raise ImportError(
        "airflow_hitl_review.agent needs Airflow's AI provider (Python 3.11 or newer). "
        'Install it with: pip install "hitl-notebook[agent]"'
    ) from error

from airflow.sdk.bases.decorator import TaskDecorator, task_decorator_factory

from airflow_hitl_review.task.agent_review import AgentReview
from airflow_hitl_review.task.operators import REVIEW_TEMPLATE_FIELDS


class AgentOperator(AgentReview, ProviderAgentOperator):
    """Run a pydantic-ai agent, and get its output reviewed without holding a worker slot.

    With ``enable_hitl_review=True`` the task is parked while it waits. The conversation is kept in XCom, so that
    the agent makes changes within it. The approved output is the agent's own, of ``output_type``. An output that
    cannot be kept, such as one of a class that pydantic cannot serialize, is reviewed with a worker slot.

    Args:
        on_regenerate_error: ``"return"`` gives the review back to the reviewer if the agent fails; the provider's
            own operator fails the task.
        **kwargs: the others of ``HITLReviewBaseOperator``: ``hitl_wait``, ``reviewers``, ``webhooks``, ...; and
            those of the provider's ``AgentOperator``: ``prompt``, ``llm_conn_id``, ``output_type``, ...

    Raises:
        ValueError: a setting is wrong; raised when the DAG file is read.
    """

    template_fields: Sequence[str] = (*ProviderAgentOperator.template_fields, *REVIEW_TEMPLATE_FIELDS)


class AgentDecoratedOperator(AgentReview, _AgentDecoratedOperator):
    """Like ``AgentOperator``, for the provider's ``@task.agent``, whose function returns the prompt."""

    template_fields: Sequence[str] = (*_AgentDecoratedOperator.template_fields, *REVIEW_TEMPLATE_FIELDS)


class HITLReviewAgentDecoratedOperator(AgentDecoratedOperator):
    """Calls a function for the agent's prompt; see ``hitl_review_agent_task``."""

    custom_operator_name = "@task.hitl_review_agent"

    def __init__(self, *, enable_hitl_review: bool = True, **kwargs: Any) -> None:
        super().__init__(enable_hitl_review=enable_hitl_review, **kwargs)


def hitl_review_agent_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Decorator ``@task.hitl_review_agent``: the function returns a prompt, and the agent's output is reviewed.

    Like the provider's ``@task.agent``, with ``enable_hitl_review=True`` and the review of this project::

        @task.hitl_review_agent(llm_conn_id="pydanticai_default", output_type=Report)
        def report(week: int):
            return f"Write the report of week {week}."

    Args:
        python_callable: the function; passed by Airflow if the decorator is used without parentheses.
        **kwargs: those of ``AgentOperator``.

    Raises:
        ValueError: a setting is wrong; raised when the DAG file is read.
    """
    return task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=HITLReviewAgentDecoratedOperator, **kwargs
    )
