"""Review the typed output of a pydantic-ai agent, without holding a worker slot.

Needs Airflow's AI provider: ``pip install "hitl-notebook[agent]"``. The model is pydantic-ai's own for tests; for a
real one make a connection of the type ``pydanticai``, name it in ``llm_conn_id``, and leave ``model_id`` out.
"""

from __future__ import annotations

import os

from airflow.sdk import dag, task
from pydantic import BaseModel

from airflow_hitl_review.task.agent import AgentOperator

# So that this runs as it is; a connection of your own has its key there.
os.environ.setdefault("AIRFLOW_CONN_HITL_EXAMPLE_MODEL", '{"conn_type": "pydanticai"}')


class Ticket(BaseModel):
    """What the agent makes of a message from a customer."""

    title: str
    urgent: bool


@dag(schedule=None, catchup=False, tags=["example", "hitl-review"])
def example_hitl_review_pydantic_ai() -> None:
    """A ticket, reviewed; what comes after the review gets a Ticket, as the agent returned it."""
    triage = AgentOperator(
        task_id="triage",
        prompt="A customer writes: the export has been empty since this morning.",
        system_prompt="Make a ticket of the message.",
        llm_conn_id="hitl_example_model",
        model_id="test",
        output_type=Ticket,
        enable_hitl_review=True,
    )

    @task
    def file(ticket: Ticket) -> str:
        """File it. Before Airflow 3.3 the ticket is a dict here."""
        return f"filed: {ticket}"

    file(triage.output)


example = example_hitl_review_pydantic_ai()
