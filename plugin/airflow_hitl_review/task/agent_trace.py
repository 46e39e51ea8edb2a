"""What a pydantic-ai agent did, from its messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    RetryPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.usage import RunUsage

from airflow_hitl_review.core.trace import Trace, TraceStep, total
from airflow_hitl_review.task.tracing import as_text


def trace_of(messages: Sequence[ModelMessage]) -> Trace:
    """The steps in an agent's messages since the last output.

    Args:
        messages: the conversation, from the request that led to this output on.
    """
    responses = [one for one in messages if isinstance(one, ModelResponse)]
    answers = {part.tool_call_id: part for part in _answers(messages)}
    steps: list[TraceStep] = []
    for response in responses:
        is_last = response is responses[-1]
        for part in response.parts:
            if isinstance(part, ThinkingPart) and part.content:
                steps.append(TraceStep(kind="thinking", result=as_text(part.content)))
            elif isinstance(part, TextPart) and part.content and not is_last:
                steps.append(TraceStep(kind="text", result=as_text(part.content)))
            elif isinstance(part, ToolCallPart) and not is_output(part):
                steps.append(_tool_step(part, answers.get(part.tool_call_id), response.timestamp))
    at = [moment for one in messages if (moment := one.timestamp) is not None]
    return Trace(
        steps=steps,
        tool_calls=sum(step.kind == "tool" for step in steps),
        requests=len(responses),
        input_tokens=sum(one.usage.input_tokens for one in responses),
        output_tokens=sum(one.usage.output_tokens for one in responses),
        cost=total([_cost(one) for one in responses]),
        seconds=(max(at) - min(at)).total_seconds() if at else None,
    )


def usage_of(messages: Sequence[ModelMessage]) -> RunUsage:
    """What a whole conversation has used, over all pauses."""
    usage = RunUsage()
    for one in messages:
        if isinstance(one, ModelResponse):
            usage.incr(one.usage)
            usage.requests += 1
        else:
            usage.tool_calls += sum(isinstance(part, ToolReturnPart) for part in one.parts)
    return usage


def is_output(call: ToolCallPart) -> bool:
    """Whether the call is how the agent gives its output."""
    return getattr(call, "tool_kind", None) == "output" or call.tool_name.startswith("final_result")


def _answers(messages: Sequence[ModelMessage]) -> Iterator[ToolReturnPart | RetryPromptPart]:
    for one in messages:
        if isinstance(one, ModelRequest):
            yield from (part for part in one.parts if isinstance(part, ToolReturnPart | RetryPromptPart))


def _tool_step(
    call: ToolCallPart, answer: ToolReturnPart | RetryPromptPart | None, asked_at: datetime
) -> TraceStep:
    is_error = isinstance(answer, RetryPromptPart) or getattr(answer, "outcome", "success") not in ("success", None)
    seconds = (answer.timestamp - asked_at).total_seconds() if answer is not None else None
    return TraceStep(
        name=call.tool_name,
        args=as_text(call.args_as_dict()) if call.args else "",
        result=as_text(_content(answer)),
        is_error=answer is not None and is_error,
        seconds=max(seconds, 0.0) if seconds is not None else None,
    )


def _content(answer: ToolReturnPart | RetryPromptPart | None) -> Any:
    if answer is None:
        return None
    return answer.model_response_str() if isinstance(answer, ToolReturnPart) else answer.model_response()


def _cost(response: ModelResponse) -> float | None:
    """In US dollars, if the usage has it or pydantic-ai knows the model's price."""
    cost = getattr(response.usage, "cost", None)
    if cost is not None:
        return float(cost)
    try:
        return float(response.cost().total_price)
    except (LookupError, AssertionError, ValueError):
        return None
