"""What an agent asks before it goes on: calls of tools that need an approval, and questions. No Airflow imports.

A request is shown, digested and stored as an output: the JSON of ``{tool_call_id: call}``. The reviewer's answer is
an edit of it, so that everything which holds for edits holds for answers: what was seen is bound to what was said,
both are kept, and a JSON Schema says what may be changed. Names are pydantic-ai's (``DeferredToolRequests``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from airflow_hitl_review.core.texts import Text, Time

RequestKind = Literal["tool_calls", "question"]


class ToolCall(BaseModel):
    """One call that waits.

    Attributes:
        tool_call_id: the model's id of the call.
        tool_name: the tool.
        kind: ``"approval"``: whether to make it; ``"question"``: the reviewer's answer is its result.
        description: what the tool does, in its author's words.
        metadata: what the tool says of this call.
    """

    model_config = ConfigDict(extra="ignore")

    tool_call_id: Text
    tool_name: Text
    kind: Literal["approval", "question"] = "approval"
    description: Text = ""
    metadata: dict[str, Any] | None = None


class BegunCalls(BaseModel):
    """Approved calls that a try of the task has begun to make; whether it has made them is not known.

    Attributes:
        task_instance_id: Airflow's id of the try, a UUID.
        try_number: its number.
        at: when.
        calls: each as one would write it in Python, with secrets masked.
    """

    model_config = ConfigDict(extra="ignore")

    task_instance_id: str
    try_number: int
    at: Time
    calls: list[Text]


class ToolRequest(BaseModel):
    """What an agent asks.

    Attributes:
        kind: ``"question"`` if all calls are questions.
        calls: in the model's order; their arguments are in the output.
        begun_at: since when the task has made the approved calls.
        earlier: what earlier tries of the task have begun: side effects may have happened.
    """

    model_config = ConfigDict(extra="ignore")

    kind: RequestKind = "tool_calls"
    calls: list[ToolCall] = Field(min_length=1)
    begun_at: Time | None = None
    earlier: list[BegunCalls] = Field(default_factory=list)


class CallAnswer(BaseModel):
    """What a reviewer says of one call; also one value of a request's JSON.

    Attributes:
        approved: whether to make it.
        args: its arguments; None for those that were shown.
        reason: why not; the agent reads it.
        answer: of a question.
    """

    model_config = ConfigDict(extra="ignore", strict=True)

    approved: bool = True
    args: dict[str, Any] | None = None
    reason: str = ""
    answer: str = ""


def shown_calls(request: ToolRequest, args: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """A request as an output.

    Args:
        request: the request.
        args: the arguments of each call, by its id.
    """
    shown: dict[str, Any] = {}
    for call in request.calls:
        ask = {"answer": ""} if call.kind == "question" else {"approved": True, "reason": ""}
        shown[call.tool_call_id] = {"tool_name": call.tool_name, **ask, "args": args[call.tool_call_id]}
    return shown


def read_answers(text: str) -> dict[str, CallAnswer]:
    """A request's JSON, as it was shown or as a reviewer answered it.

    Raises:
        ValueError: it is not such JSON.
    """
    try:
        calls = json.loads(text)
        if not isinstance(calls, dict):
            raise ValueError("it must be an object of calls")
        return {name: CallAnswer.model_validate(call) for name, call in calls.items()}
    except (ValidationError, RecursionError) as error:
        raise ValueError(f"The answer to the agent's request cannot be read: {error}") from error


def answered(shown: str, answers: Mapping[str, CallAnswer]) -> str:
    """A request's JSON with a reviewer's answers.

    Args:
        shown: the request's JSON as it was shown.
        answers: by the calls' ids; a field that was not given is as it was shown.
    """
    calls = json.loads(shown)
    for name, answer in answers.items():
        calls[name] = {**calls[name], **answer.model_dump(exclude_unset=True, exclude_none=True)}
    return json.dumps(calls, indent=2, ensure_ascii=False)


def calls_in_words(text: str, *, approved: bool = False) -> list[str]:
    """The calls of a request's JSON, each as one would write it in Python.

    Args:
        text: the JSON, or that of an answer; if it is something else, it is the only "call".
        approved: leave those out that are denied, and questions.
    """
    try:
        calls = [call for call in json.loads(text).values() if not approved or call.get("approved")]
        return [f"{call['tool_name']}({_named(call['args'])})" for call in calls]
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):  # somebody has overwritten it
        return [text]


def _named(args: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in args.items())


def with_masked(given: Any, shown: Any, real: Any) -> Any:
    """Arguments that a reviewer has edited, with what was masked as it really is where they left it alone.

    Args:
        given: the arguments as they were edited.
        shown: as they were shown.
        real: as the agent gave them.
    """
    if json.dumps(given) == json.dumps(shown):  # unlike ==, which takes 1 for True
        return real
    if isinstance(given, dict) and isinstance(shown, dict) and isinstance(real, dict):
        return {
            name: with_masked(value, shown[name], real[name]) if name in shown and name in real else value
            for name, value in given.items()
        }
    return given  # a list may have changed its order, so that nobody knows which item's secret was meant
