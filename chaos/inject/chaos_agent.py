"""An agent of a scripted model that asks twice or three times before it pays; what it has paid is in a file."""

from __future__ import annotations

import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any

from airflow.sdk import get_current_context
from pydantic_ai import Agent, RunContext
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.toolsets import FunctionToolset

from airflow_hitl_review.agent import AgentOperator

CALLS_AT_ONCE = 2


def keep(call: dict[str, Any]) -> None:
    """Note a call that is made, so that it outlives the process; ``chaos/tool_calls.py`` reads it."""
    with (Path(os.environ["HITL_CHAOS_FOLDER"]) / "calls.jsonl").open("a") as file:
        file.write(f"{json.dumps(call)}\n")
        file.flush()
        os.fsync(file.fileno())


def pay(context: RunContext[Any], order: str, amount: int) -> str:
    """Pay money back."""
    ti: Any = get_current_context()["ti"]
    args = {"order": order, "amount": amount}
    keep({"task_instance_id": str(ti.id), "tool_call_id": context.tool_call_id, "args": args})
    return f"paid {amount} for {order}"


def say(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Ask, with arguments that no other request has; then say what all calls have returned."""
    ti: Any = get_current_context()["ti"]
    answers = [one for one in messages if isinstance(one, ModelResponse)]
    asked = sum(isinstance(part, ToolCallPart) for one in answers for part in one.parts) // CALLS_AT_ONCE
    if asked < 2 + ti.map_index % 2:
        return ModelResponse(
            parts=[
                ToolCallPart("pay", {"order": f"{ti.id} {asked}.{number}", "amount": 10}, f"{asked}.{number}")
                for number in range(CALLS_AT_ONCE)
            ]
        )
    parts = [part for one in messages if isinstance(one, ModelRequest) for part in one.parts]
    returned = [str(part.content) for part in parts if isinstance(part, ToolReturnPart)]
    return ModelResponse(parts=[TextPart("\n".join([f"Answer {len(answers)} of {ti.id}", *returned]))])


class Scripted:
    """Makes the agent as Airflow's connection to a model would."""

    def create_agent(self, *, output_type: Any, instructions: str, **more: Any) -> Any:
        return Agent(FunctionModel(say), output_type=output_type, instructions=instructions, **more)


class AskingOperator(AgentOperator):
    """Needs no connection to a model."""

    @cached_property
    def llm_hook(self) -> Any:
        return Scripted()


def shop() -> FunctionToolset[Any]:
    """The agent's only tool."""
    tools: FunctionToolset[Any] = FunctionToolset(id="shop")
    tools.add_function(pay, requires_approval=True)
    return tools
