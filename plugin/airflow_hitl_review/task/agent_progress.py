"""What a pydantic-ai agent does just now, from its event stream."""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.exceptions import ApprovalRequired, CallDeferred
from pydantic_ai.messages import (
    AgentStreamEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ToolCallPart,
    ToolCallPartDelta,
)
from pydantic_ai.models import Model
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.tools import RunContext, ToolDefinition

from airflow_hitl_review.core.trace import TraceStep
from airflow_hitl_review.task.agent_trace import is_output
from airflow_hitl_review.task.current_task import current_ti
from airflow_hitl_review.task.progress import Reporter, reporter_of
from airflow_hitl_review.task.tracing import as_text


class TellingAgent:
    """The provider's operator, whose agent tells whoever waits for its next output what it does."""

    def run_agent_sync(self, agent: Any, user_prompt: Any, **run_kwargs: Any) -> Any:
        """Run the agent; the provider calls this."""
        if (reporter := reporter_of(current_ti())) is not None:
            telling = _Telling(reporter, streams=not self.durable and can_stream(agent.model))
            run_kwargs["capabilities"] = [*run_kwargs.get("capabilities", ()), telling]
        return super().run_agent_sync(agent, user_prompt, **run_kwargs)  # type: ignore[misc]

    if TYPE_CHECKING:  # defined by the provider
        durable: bool


def can_stream(model: Any) -> bool:
    """Whether a model's answer can be streamed; a name stands for one of pydantic-ai's models, which all can."""
    if isinstance(model, WrapperModel):
        return can_stream(model.wrapped)
    if isinstance(model, FallbackModel) or type(model).__name__ == "MCPSamplingModel":  # which needs mcp
        return False  # a stream that breaks off does not fall back; a client samples whole answers
    if not isinstance(model, Model):
        return model is not None
    has_function = getattr(model, "stream_function", True) is not None  # a FunctionModel may have none
    return has_function and type(model).request_stream is not Model.request_stream


def _masked(value: Any) -> str:
    """A value as text, with secrets masked; a value that cannot be told must not fail the call."""
    try:
        return as_text(value)
    except Exception:  # noqa: BLE001 - its own __str__ may raise anything
        return f"({type(value).__name__})"


class _Telling(AbstractCapability[Any]):
    def __init__(self, reporter: Reporter, *, streams: bool) -> None:
        self._reporter = reporter
        self._streams = streams
        self._followed = -1  # index of the part whose text is told

    @property
    def has_wrap_run_event_stream(self) -> bool:
        """Whether the model's answer is streamed."""
        return self._streams

    async def wrap_run_event_stream(
        self, ctx: RunContext[Any], *, stream: AsyncIterable[AgentStreamEvent]
    ) -> AsyncIterable[AgentStreamEvent]:
        """Tell the text of the model as it comes."""
        async for event in stream:
            self._see(event)
            yield event

    async def wrap_tool_execute(
        self,
        ctx: RunContext[Any],
        *,
        call: ToolCallPart,
        tool_def: ToolDefinition,
        args: dict[str, Any],
        handler: Callable[[dict[str, Any]], Awaitable[Any]],
    ) -> Any:
        """Tell a call of a tool, and what came of it."""
        since = time.monotonic()
        self._reporter.tell(f"Calling {call.tool_name}")
        step = TraceStep(name=call.tool_name, args=_masked(args))
        try:
            result = await handler(args)
        except (ApprovalRequired, CallDeferred):  # nothing was done yet
            raise
        except Exception as error:
            self._done(step, f"{type(error).__name__}: {error}", since, is_error=True)
            raise
        self._done(step, result, since)
        return result

    def _done(self, step: TraceStep, result: Any, since: float, *, is_error: bool = False) -> None:
        told = {"result": _masked(result), "is_error": is_error, "seconds": time.monotonic() - since}
        self._reporter.add_steps([step.model_copy(update=told)])
        self._reporter.tell(f"{step.name} has {'failed' if is_error else 'answered'}")

    def _see(self, event: AgentStreamEvent) -> None:
        if isinstance(event, PartStartEvent):
            self._see_part(event)
        elif isinstance(event, PartDeltaEvent) and event.index == self._followed:
            delta = event.delta
            if isinstance(delta, TextPartDelta):
                self._reporter.add_text(delta.content_delta)
            elif isinstance(delta, ToolCallPartDelta) and isinstance(delta.args_delta, str):
                self._reporter.add_text(delta.args_delta)

    def _see_part(self, event: PartStartEvent) -> None:
        part, self._followed = event.part, -1
        if isinstance(part, ThinkingPart):
            self._reporter.tell("Thinking")
            return
        if isinstance(part, TextPart):
            text = part.content
        elif isinstance(part, ToolCallPart) and is_output(part):
            text = part.args if isinstance(part.args, str) else ""
        else:
            return
        self._followed = event.index
        self._reporter.tell("Writing")
        self._reporter.add_text(text, anew=True)
