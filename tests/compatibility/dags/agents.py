"""Agents under this project's review; scripted, so that nobody needs a key."""

from __future__ import annotations

import json
import os
from functools import cached_property
from typing import Any

from airflow.sdk import DAG, task
from pydantic import BaseModel

try:
    from pydantic_ai import Agent
    from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, ToolCallPart, UserPromptPart
    from pydantic_ai.models.function import AgentInfo, FunctionModel

    from airflow_hitl_review.task.agent import AgentOperator
except ImportError:  # the AI provider is not installed here: there are no such DAGs
    AgentOperator = None  # type: ignore[assignment, misc]


class Cat(BaseModel):
    name: str
    lives: int


class Dog(BaseModel):
    """The same fields as a cat: only its class tells them apart."""

    name: str
    lives: int


if AgentOperator is not None:
    # The model "test" of pydantic-ai itself.
    os.environ.setdefault("AIRFLOW_CONN_TEST_MODEL", json.dumps({"conn_type": "pydanticai"}))

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        """The last output tool, with what was said last, and how often somebody spoke in this conversation."""
        said = [
            p.content for m in messages if isinstance(m, ModelRequest) for p in m.parts if type(p) is UserPromptPart
        ]
        animal = {"name": str(said[-1]), "lives": len(said)}
        tool = info.output_tools[-1]
        listed = "response" in tool.parameters_json_schema.get("properties", {})
        return ModelResponse(parts=[ToolCallPart(tool.name, {"response": [animal, animal]} if listed else animal)])

    class _Scripted:
        def create_agent(self, *, output_type: Any, instructions: str, **more: Any) -> Agent[object, Any]:
            return Agent(FunctionModel(answer), output_type=output_type, instructions=instructions, **more)

    class ScriptedAgentOperator(AgentOperator):
        @cached_property
        def llm_hook(self) -> Any:
            return _Scripted()

    EXPECTED: dict[str, Any] = {
        "model": Cat(name="third", lives=3),
        "listed": [Cat(name="third", lives=3), Cat(name="third", lives=3)],
        "either": Dog(name="third", lives=3),
        "edited": Dog(name="Rex", lives=1),
    }
    TYPES: dict[str, Any] = {"model": Cat, "listed": list[Cat], "either": Cat | Dog, "edited": Cat | Dog}

    @task
    def compare(name: str, value: Any) -> dict[str, Any]:
        expected = EXPECTED[name]
        dumped = [e.model_dump() for e in expected] if isinstance(expected, list) else expected.model_dump()
        return {"equal": type(value) is type(expected) and value == expected, "equal_as_dicts": value == dumped}

    given: dict[str, Any] = {
        "prompt": "first",
        "llm_conn_id": "test_model",
        "enable_hitl_review": True,
        "hitl_poll_interval": 5,
        "retries": 0,
    }

    with DAG("agents", schedule=None, catchup=False, max_active_tasks=50):
        for name in (*os.environ.get("TEST_AGENTS", "model,listed,either").split(","), "edited"):
            agent = ScriptedAgentOperator(
                task_id=name, output_type=TYPES[name], usage_limits={"request_limit": 3}, **given
            )
            compare.override(task_id=f"{name}_compared")(name, agent.output)

        @task.hitl_review_agent(llm_conn_id="test_model", model_id="test", retries=0)
        def decorated(word: str) -> str:
            return f"Say {word}"

        decorated("hello")
