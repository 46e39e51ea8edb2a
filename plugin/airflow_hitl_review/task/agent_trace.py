"""What a pydantic-ai agent did, from its messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

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

    A call that waits for a person, or that one has denied, was not made and is no step. One that was approved is
    among the next output's steps: without arguments, as the reviewer may have given it others, and without seconds,
    as the reviewer took most of them.

    Args:
        messages: the conversation, from the request that led to this output on.
    """
    responses = [one for one in messages if isinstance(one, ModelResponse)]
    answers = {part.tool_call_id: part for part in _answers(messages)}
    calls = {part.tool_call_id for one in responses for part in one.parts if isinstance(part, ToolCallPart)}
    steps = [_step_of(answer) for id_, answer in answers.items() if id_ not in calls and not is_output(answer)]
    for response in responses:
        is_last = response is responses[-1]
        for part in response.parts:
            if isinstance(part, ThinkingPart) and part.content:
                steps.append(TraceStep(kind="thinking", result=as_text(part.content)))
            elif isinstance(part, TextPart) and part.content and not is_last:
                steps.append(TraceStep(kind="text", result=as_text(part.content)))
            elif isinstance(part, ToolCallPart) and part.tool_call_id in answers and not is_output(part):
                steps.append(_tool_step(part, answers[part.tool_call_id], response.timestamp))
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


def is_output(part: ToolCallPart | ToolReturnPart | RetryPromptPart) -> bool:
    """Whether a call, or what came of it, is how the agent gives its output."""
    return getattr(part, "tool_kind", None) == "output" or (part.tool_name or "").startswith("final_result")


def _answers(messages: Sequence[ModelMessage]) -> Iterator[ToolReturnPart | RetryPromptPart]:
    """What came of calls that were made."""
    for part in (part for one in messages if isinstance(one, ModelRequest) for part in one.parts):
        is_answer = isinstance(part, ToolReturnPart | RetryPromptPart) and bool(part.tool_name)
        if is_answer and getattr(part, "outcome", None) != "denied":
            yield part


def _tool_step(call: ToolCallPart, answer: ToolReturnPart | RetryPromptPart, asked_at: datetime) -> TraceStep:
    return _step_of(answer).model_copy(
        update={
            "args": as_text(call.args_as_dict()) if call.args else "",
            "seconds": max((answer.timestamp - asked_at).total_seconds(), 0.0),
        }
    )


def _step_of(answer: ToolReturnPart | RetryPromptPart) -> TraceStep:
    """A call, as far as what came of it tells."""
    failed = isinstance(answer, RetryPromptPart) or getattr(answer, "outcome", "success") not in ("success", None)
    content = answer.model_response_str() if isinstance(answer, ToolReturnPart) else answer.model_response()
    return TraceStep(name=answer.tool_name or "", result=as_text(content), is_error=failed)


def _cost(response: ModelResponse) -> float | None:
    """In US dollars, if the usage has it or pydantic-ai knows the model's price."""
    cost = getattr(response.usage, "cost", None)
    if cost is not None:
        return float(cost)
    try:
        return float(response.cost().total_price)
    except (LookupError, AssertionError, ValueError):
        return None
