"""An agent that asks three times; scripted, so that nobody needs a key."""

from __future__ import annotations

import json
import os
import signal
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, get_current_context

try:
    from pydantic_ai import Agent, CallDeferred
    from pydantic_ai.messages import (
        ModelMessage,
        ModelRequest,
        ModelResponse,
        TextPart,
        ToolCallPart,
        ToolReturnPart,
    )
    from pydantic_ai.models.function import AgentInfo, FunctionModel
    from pydantic_ai.toolsets import FunctionToolset

    try:
        from airflow_hitl_review.task.agent import AgentOperator
    except ImportError:  # where only the provider is installed
        from airflow.providers.common.ai.operators.agent import AgentOperator  # type: ignore[no-redef]
except ImportError:  # the AI provider is not installed here: there are no such DAGs
    AgentOperator = None  # type: ignore[assignment, misc]


if AgentOperator is not None:

    def note(call: list[Any]) -> None:
        """Keep a call that was made where the test finds it; calls may be made at the same time."""
        ti: Any = get_current_context()["ti"]
        with (Path(os.environ["AIRFLOW_HOME"]) / f"made-{ti.task_id}").open("a") as file:
            file.write(f"{json.dumps(call)}\n")

    def look_up(order: int) -> str:
        """Find an order."""
        note(["look_up", order])
        return f"order {order} was late"

    def refund(order: int, amount: float, password: str = "") -> str:
        """Pay money back."""
        note(["refund", order, amount, password])
        return f"paid {amount:g} for {order}"

    def ask(question: str) -> str:
        """Ask a person."""
        raise CallDeferred

    SCRIPT: list[list[Any]] = [
        [("look_up", "l", {"order": 7})],
        [
            ("refund", "a", {"order": 7, "amount": 20.5, "password": "hunter2"}),
            ("refund", "b", {"order": 8, "amount": 1.0}),
        ],
        [("refund", "c", {"order": 9, "amount": 99.0}), ("refund", "d", {"order": 10, "amount": 5.0})],
        [("ask", "q", {"question": "Which address?"})],
    ]

    def say(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        """The next step of the script, then what all calls have returned."""
        steps = sum(isinstance(one, ModelResponse) for one in messages)
        if steps < len(SCRIPT):
            return ModelResponse(parts=[ToolCallPart(name, args, id_) for name, id_, args in SCRIPT[steps]])
        parts = [part for one in messages if isinstance(one, ModelRequest) for part in one.parts]
        return ModelResponse(
            parts=[TextPart("\n".join(str(p.content) for p in parts if isinstance(p, ToolReturnPart)))]
        )

    class _Scripted:
        def __init__(self, function: Any) -> None:
            self._function = function

        def create_agent(self, *, output_type: Any, instructions: str, **more: Any) -> Agent[object, Any]:
            return Agent(FunctionModel(self._function), output_type=output_type, instructions=instructions, **more)

    class AskingOperator(AgentOperator):
        @cached_property
        def llm_hook(self) -> Any:
            return _Scripted(say)

    def die(where: str) -> None:
        """Be killed once, as by the kernel, where the task's id says so."""
        ti: Any = get_current_context()["ti"]
        died = Path(os.environ["AIRFLOW_HOME"]) / f"died-{where}"
        if ti.task_id == where and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def refund_or_die(order: int) -> str:
        """Pay money back."""
        die("calling")
        note(["refund", order])
        die("called")
        return f"paid for {order}"

    def say_or_die(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        """A call, then a text."""
        if not any(isinstance(one, ModelResponse) for one in messages):
            return ModelResponse(parts=[ToolCallPart("refund_or_die", {"order": 7}, "a")])
        die("saying")
        return ModelResponse(parts=[TextPart("Done.")])

    class DyingOperator(AgentOperator):
        @cached_property
        def llm_hook(self) -> Any:
            return _Scripted(say_or_die)

        def resume_hitl_review(self, context: Any, event: Any = None, *, parked: Any = None) -> Any:
            die("resuming")
            return super().resume_hitl_review(context, event, parked=parked)

    def tools() -> FunctionToolset:
        found = FunctionToolset(id="shop")
        found.add_function(look_up)
        found.add_function(refund, requires_approval=True)
        found.add_function(ask)
        return found

    with DAG("asking", schedule=None, catchup=False):
        for name, is_reviewed in (("reviewed", True), ("alone", False)):
            AskingOperator(
                task_id=name,
                prompt="Refund what is due.",
                llm_conn_id="test_model",
                toolsets=[tools()],
                enable_hitl_review=is_reviewed,
                retries=0,
            )

    with DAG("killed", schedule=None, catchup=False):
        for name in ("resuming", "calling", "called", "saying"):
            dying = FunctionToolset(id="shop")
            dying.add_function(refund_or_die, requires_approval=True)
            DyingOperator(
                task_id=name,
                prompt="Refund what is due.",
                llm_conn_id="test_model",
                toolsets=[dying],
                retries=1,
                retry_delay=timedelta(seconds=1),
            )

    with DAG("upgraded_agent", schedule=None, catchup=False):
        once = FunctionToolset(id="shop")
        once.add_function(refund_or_die, requires_approval=True)
        DyingOperator(
            task_id="asked", prompt="Refund what is due.", llm_conn_id="test_model", toolsets=[once], retries=0
        )
