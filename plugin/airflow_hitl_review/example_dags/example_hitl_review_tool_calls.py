"""An agent that looks up orders freely, and refunds one only when a person allows it.

Needs Airflow's AI provider: ``pip install "hitl-notebook[agent]"``. A function stands for the model, so that this
runs without a key; for a real one use ``AgentOperator`` itself, and name a connection of the type ``pydanticai`` in
``llm_conn_id``.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.sdk import dag
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.toolsets import FunctionToolset

from airflow_hitl_review.task.agent import AgentOperator


def look_up(order: int) -> str:
    """Find an order."""
    return f"Order {order}: 20.50, delivered nine days late."


def refund(order: int, amount: float, reason: str = "") -> str:
    """Pay money back to the customer."""
    return f"Paid back {amount:.2f} for order {order}."


def support(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """What a model would say: look the order up, refund it, and report."""
    parts = [part for message in messages for part in message.parts]
    results = [str(part.content) for part in parts if isinstance(part, ToolReturnPart)]
    if not results:
        return ModelResponse(parts=[ToolCallPart("look_up", {"order": 7})])
    if len(results) == 1:
        wanted = {"order": 7, "amount": 20.5, "reason": "It came late."}
        return ModelResponse(parts=[ToolCallPart("refund", wanted)])
    return ModelResponse(parts=[TextPart("# Order 7\n\n" + "\n".join(f"- {result}" for result in results))])


class SupportOperator(AgentOperator):
    """The operator with the function in place of a model."""

    @cached_property
    def llm_hook(self) -> Any:
        """Make agents."""

        class Hook:
            def create_agent(self, *, output_type: Any, instructions: str, **more: Any) -> Agent[Any, Any]:
                return Agent(FunctionModel(support), output_type=output_type, instructions=instructions, **more)

        return Hook()


shop: FunctionToolset[Any] = FunctionToolset(id="shop")
shop.add_function(look_up)
shop.add_function(refund, requires_approval=True)


@dag(schedule=None, catchup=False, tags=["example", "hitl-review"])
def example_hitl_review_tool_calls() -> None:
    """The refund waits for a person, and so does the report."""
    SupportOperator(
        task_id="support",
        prompt="A customer writes: order 7 came nine days late.",
        system_prompt="Help the customer; refund what is due.",
        llm_conn_id="none",
        toolsets=[shop],
        enable_hitl_review=True,
    )


example = example_hitl_review_tool_calls()
