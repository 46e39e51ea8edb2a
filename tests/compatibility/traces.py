"""What agents and chains did, as reviews tell it. Run with the AI provider and LangChain: ``test_agent_rounds``.

Prints ``passed`` with the name of each story.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

from airflow.sdk.exceptions import TaskAwaitingInput
from airflow.sdk.execution_time.context import set_current_context
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from pydantic import BaseModel
from pydantic_ai import Agent, FunctionToolset, ModelRetry
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ThinkingPart, ToolCallPart
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

from airflow_hitl_review import HITLReviewOperator
from airflow_hitl_review.core.progress import Progress
from airflow_hitl_review.core.schema import trace_key
from airflow_hitl_review.core.states import Action
from airflow_hitl_review.core.trace import Trace
from airflow_hitl_review.langchain import TraceHandler
from airflow_hitl_review.task import task_xcoms
from airflow_hitl_review.task.agent import AgentOperator
from airflow_hitl_review.task.progress import reporter_of
from tests.support.memory_xcoms import MemoryTask

vars(task_xcoms)["SECOND_TRIES"] = ()  # nothing waits


class Answer(BaseModel):
    text: str


def lookup(order: int, api_key: str = "") -> str:
    """Look up an order."""
    if order < 0:
        raise ModelRetry("There are no negative orders.")
    return f"Order {order} is paid."


def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Looks up twice, wrongly first; then answers."""
    tried = sum(isinstance(message, ModelResponse) for message in messages)
    if tried == 0:
        return ModelResponse(parts=[ThinkingPart("Which order?"), ToolCallPart("lookup", {"order": -1})])
    if tried == 1:
        return ModelResponse(parts=[TextPart("Again."), ToolCallPart("lookup", {"order": 7, "api_key": "k-123"})])
    return ModelResponse(parts=[ToolCallPart(info.output_tools[0].name, {"text": "paid"})])


class Scripted(AgentOperator):
    scripted: Any = FunctionModel(model)

    @cached_property
    def llm_hook(self) -> Any:
        scripted = self.scripted

        class Hook:
            def create_agent(self, *, output_type: Any, instructions: str, **more: Any) -> Any:
                return Agent(scripted, output_type=output_type, instructions=instructions, **more)

        return Hook()


@contextmanager
def running() -> Iterator[MemoryTask]:
    task = MemoryTask()
    context: Any = {"ti": task}
    with set_current_context(context):
        yield task


def parked(go_on: Callable[[], Any]) -> None:
    try:
        go_on()
    except TaskAwaitingInput:
        return
    raise AssertionError("It did not park.")


def told(task: MemoryTask, iteration: int) -> Trace:
    return Trace.model_validate(task.xcoms[trace_key(iteration)])


def an_agents_steps() -> None:
    def operator() -> Any:
        return Scripted(
            task_id="t",
            prompt="Is order 7 paid?",
            llm_conn_id="none",
            output_type=Answer,
            toolsets=[FunctionToolset([lookup], id="orders")],
            enable_hitl_review=True,
        )

    with running() as task:
        parked(lambda: operator().execute({"ti": task, "task_instance": task}))
        first = told(task, 1)
        assert [(s.kind, s.name, s.is_error) for s in first.steps] == [
            ("thinking", "", False),
            ("tool", "lookup", True),
            ("text", "", False),
            ("tool", "lookup", False),
        ], first
        assert "no negative orders" in first.steps[1].result
        assert first.steps[3].result == "Order 7 is paid."
        assert "k-123" not in str(task.xcoms[trace_key(1)])
        assert (first.tool_calls, first.requests) == (2, 3)
        assert first.output_tokens
        assert first.seconds is not None
        event = task.decide(Action.CHANGES_REQUESTED, "shorter")
        parked(lambda: operator().resume_hitl_review({"ti": task, "task_instance": task}, event))
        second = told(task, 2)
        assert (second.tool_calls, second.requests) == (0, 1), second


async def streamed(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
    """As ``model``, but word by word: a text, a call, and the output as the arguments of its tool."""
    tried = sum(isinstance(message, ModelResponse) for message in messages)
    if tried == 0:
        for word in ("I ", "look ", "it up."):
            yield word
        yield {1: DeltaToolCall("lookup", '{"order": 7, "api_key": "k-123"}', tool_call_id="call_1")}
        return
    yield {0: DeltaToolCall(info.output_tools[0].name, '{"text": ', tool_call_id="call_2")}
    yield {0: DeltaToolCall(json_args='"paid"}', tool_call_id="call_2")}


STREAMED = FunctionModel(stream_function=streamed)


def what_agents_tell_meanwhile() -> None:
    """Each state of what is told; a model that cannot stream tells its calls of tools all the same."""
    for given in (STREAMED, FunctionModel(model), FallbackModel(FunctionModel(model))):
        with running() as task:
            operator: Any = Scripted(
                task_id="t",
                prompt="Is order 7 paid?",
                llm_conn_id="none",
                output_type=Answer,
                toolsets=[FunctionToolset([lookup], id="orders")],
                enable_hitl_review=True,
            )
            operator.scripted = given
            task.task = operator
            seen: list[Progress] = []
            reporter = reporter_of(task)
            assert reporter is not None
            reporter._has_changed = lambda: seen.append(reporter._now())  # type: ignore[method-assign]  # noqa: B023
            parked(lambda: operator.execute({"ti": task, "task_instance": task}))  # noqa: B023
            texts = [one.text for one in seen]
            assert "Calling lookup" in texts, texts
            assert "lookup has answered" in texts, texts
            assert seen[-1].steps[-1].result == "Order 7 is paid.", seen[-1]
            assert "k-123" not in str(seen)
            if given is STREAMED:
                partial = [one.partial for one in seen]
                assert [text for text in ("I ", "I look ", "I look it up.") if text not in partial] == [], partial
                assert partial[-1] == '{"text": "paid"}', partial
            else:
                assert {one.partial for one in seen} == {""}
            assert "paid" in task.session.current_output


def what_chains_tell_meanwhile() -> None:
    def generate(context: Any) -> str:
        chat = GenericFakeChatModel(messages=iter([AIMessage("eight of them")]))
        return "".join(str(part.content) for part in chat.stream("?", config={"callbacks": [TraceHandler()]}))

    with running() as task:
        operator: Any = HITLReviewOperator(task_id="t", prompt="p", generate=generate, regenerate=lambda f, h: "x")
        task.task = operator
        seen: list[str] = []
        reporter = reporter_of(task)
        assert reporter is not None
        reporter._has_changed = lambda: seen.append(reporter._now().partial)  # type: ignore[method-assign]
        parked(lambda: operator.execute({"ti": task}))
        assert seen[-1] == "eight of them", seen
        assert seen[:2] == ["", "eight"], seen


def a_chains_steps() -> None:
    @tool  # type: ignore[untyped-decorator]
    def double(number: int) -> int:
        """Twice the number."""
        if number == 13:
            raise ValueError("not that one")
        return 2 * number

    def generate(context: Any) -> str:
        callbacks: Any = {"callbacks": [TraceHandler()]}
        double.invoke({"number": 4}, config=callbacks)
        with suppress(ValueError):
            double.invoke({"number": 13}, config=callbacks)
        usage: Any = {"input_tokens": 11, "output_tokens": 3, "total_tokens": 14}
        chat = GenericFakeChatModel(messages=iter([AIMessage("eight", usage_metadata=usage)]))
        return str(chat.invoke("Twice four?", config=callbacks).content)

    with running() as task:
        operator: Any = HITLReviewOperator(task_id="t", prompt="p", generate=generate, regenerate=lambda f, h: "x")
        parked(lambda: operator.execute({"ti": task}))
        trace = told(task, 1)
        assert [(s.name, s.args, s.result, s.is_error) for s in trace.steps] == [
            ("double", '{"number": 4}', "8", False),
            ("double", '{"number": 13}', "ValueError: not that one", True),
        ], trace
        assert (trace.tool_calls, trace.requests, trace.input_tokens, trace.output_tokens) == (2, 1, 11, 3)


if __name__ == "__main__":
    for story in (an_agents_steps, what_agents_tell_meanwhile, a_chains_steps, what_chains_tell_meanwhile):
        story()
        print("passed", story.__name__)  # noqa: T201
