"""A review as AG-UI has it: messages, state, and what it waits for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from ag_ui.core import (
    ActivityMessage,
    AssistantMessage,
    FunctionCall,
    Interrupt,
    Message,
    ToolCall,
    ToolMessage,
    UserMessage,
)

from airflow_hitl_review.core.conversation import ConversationEntry
from airflow_hitl_review.core.review import ReviewResponse
from airflow_hitl_review.core.states import SessionStatus
from airflow_hitl_review.core.tool_calls import CallAnswer, read_answers

_ELSEWHERE = {"conversation", "current_output", "prompt", "edited_output", "output_schema", "request"}

OWN_ID = re.compile(r"\d+-(prompt|\d+-(output|edit|feedback|error)(-\d+)?)")
"""Ids of the messages of reviews, also of an earlier try's."""

_QUESTION: dict[str, Any] = {
    "type": "object",
    "properties": {"answer": {"type": "string", "minLength": 1, "title": "Answer"}},
    "required": ["answer"],
}


def messages_of(review: ReviewResponse) -> list[Message]:
    """The conversation: the prompt, then outputs, edits and feedback.

    The ids of messages stay the same as long as the task does not start over. What an agent asks is an assistant
    message with tool calls, and each call's answer a tool message.
    """
    messages: list[Message] = []
    if review.prompt:
        messages.append(UserMessage(id=_id(review, "prompt"), content=review.prompt))
    for index, turn in enumerate(review.conversation):
        messages += _messages_of_turn(review, index, turn)
    return messages


def output_id(review: ReviewResponse) -> str:
    """Id of the message with the current output."""
    numbers = [index for index, turn in enumerate(review.conversation) if turn.kind == "output"]
    return _id(review, f"{max(numbers, default=0)}-output")


def state_of(review: ReviewResponse) -> dict[str, Any]:
    """The session without what messages and interrupts have; a field that is not set is left out.

    Clients send it back with each run, so it is short, and not nested.
    """
    return review.model_dump(mode="json", exclude=_ELSEWHERE, exclude_none=True)


def interrupts_of(review: ReviewResponse) -> list[Interrupt]:
    """What the review waits for: a decision about the output, or an answer to each call; nothing if it does not."""
    if review.status is not SessionStatus.PENDING_REVIEW or review.task_completed:
        return []
    due = review.deadline_at.isoformat() if review.deadline_at is not None else None
    if review.request is not None:
        return [
            Interrupt(
                id=f"{place_of(review)}-{call.tool_call_id}",
                reason="tool_call",
                message=call.description or f"The agent asks to call {call.tool_name}.",
                tool_call_id=call.tool_call_id,
                response_schema=_QUESTION if call.kind == "question" else _call_schema(review, call.tool_call_id),
                expires_at=due,
                metadata=call.metadata,
            )
            for call in review.request.calls
        ]
    return [
        Interrupt(
            id=place_of(review),
            reason="hitl_review:output",
            message=f"Output {review.iteration} of {review.max_iterations} waits for a decision.",
            response_schema=_output_schema(review),
            expires_at=due,
        )
    ]


def place_of(review: ReviewResponse) -> str:
    """Names the current output, so that an answer is about what was seen."""
    return f"{review.iteration}-{review.output_sha256[:16]}"


def result_of(review: ReviewResponse) -> dict[str, Any]:
    """How a review has ended: its status, who decided, and the output if it was approved."""
    told: dict[str, Any] = {"status": review.status.value}
    if review.decided_by is not None:
        told["decided_by"] = review.decided_by.name
    if review.status is SessionStatus.APPROVED:
        told |= {"edited": review.edited, "output": output_of(review, decided_text(review))}
    return told


def decided_text(review: ReviewResponse) -> str:
    """The current output as the decision has it: as it was edited, if it was."""
    edited = review.edited_output if review.edited else None
    return review.current_output if edited is None else edited


def output_of(review: ReviewResponse, text: str) -> Any:
    """A text of the current output as its value: parsed, if the output is JSON."""
    return _value(text) if review.output_format == "json" else text


def shown_calls(review: ReviewResponse) -> Iterator[ToolCall]:
    """What the agent asks to call, with the arguments that were shown."""
    answers = _answers(review.current_output)
    for call in review.request.calls if review.request is not None else ():
        args = answers.get(call.tool_call_id, CallAnswer()).args or {}
        yield _tool_call(call.tool_call_id, call.tool_name, args)


def _messages_of_turn(review: ReviewResponse, index: int, turn: ConversationEntry) -> list[Message]:
    id_ = _id(review, f"{index}-{turn.kind}")
    if turn.kind == "error":
        return [ActivityMessage(id=id_, activity_type="hitl_review.error", content={"text": turn.content})]
    if turn.kind == "output":
        if not turn.is_request:
            return [AssistantMessage(id=id_, content=turn.content)]
        calls = [
            _tool_call(call_id, name, answer.args or {})
            for call_id, (name, answer) in _named_answers(turn.content).items()
        ]
        return [
            AssistantMessage(id=id_, tool_calls=calls) if calls else AssistantMessage(id=id_, content=turn.content)
        ]
    if turn.is_request and turn.kind == "edit":
        return [
            ToolMessage(id=f"{id_}-{number}", tool_call_id=call_id, content=_answer_words(answer))
            for number, (call_id, (_, answer)) in enumerate(_named_answers(turn.content).items())
        ]
    return [UserMessage(id=id_, content=turn.content, name=turn.user.name if turn.user is not None else None)]


def _answer_words(answer: CallAnswer) -> str:
    if answer.answer:
        return answer.answer
    return "Approved." if answer.approved else f"Denied. {answer.reason}".strip()


def _tool_call(id_: str, name: str, args: dict[str, Any]) -> ToolCall:
    return ToolCall(id=id_, function=FunctionCall(name=name, arguments=json.dumps(args, ensure_ascii=False)))


def _named_answers(text: str) -> dict[str, tuple[str, CallAnswer]]:
    answers = _answers(text)
    names = _value(text)
    return {id_: (str(names[id_].get("tool_name", "tool")), answer) for id_, answer in answers.items()}


def _answers(text: str) -> dict[str, CallAnswer]:
    try:
        return read_answers(text)
    except ValueError:  # somebody has overwritten it; then it is shown as a text
        return {}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _id(review: ReviewResponse, part: str) -> str:
    return f"{int(review.created_at.timestamp() * 1000)}-{part}"


def _output_schema(review: ReviewResponse) -> dict[str, Any]:
    decisions = ["approve", "reject", "request_changes"]
    properties: dict[str, Any] = {
        "decision": {"enum": decisions, "title": "Decision"},
        "feedback": {"type": "string", "title": "What to change, or why"},
    }
    if review.allow_modifications:
        edited: dict[str, Any] = {"type": "string"}
        if review.output_format == "json":
            edited = review.output_schema or {}
        properties["edited_output"] = {**edited, "title": "The output as you edited it"}
    return {"type": "object", "properties": properties, "required": ["decision"], **_definitions(properties)}


def _call_schema(review: ReviewResponse, call_id: str) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "approved": {"type": "boolean", "title": "Approve this call"},
        "reason": {"type": "string", "title": "Reason, if it is denied"},
    }
    whole = review.output_schema or {}
    args = whole.get("properties", {}).get(call_id, {}).get("properties", {}).get("args")
    if args is not None and "const" not in args:  # else the arguments cannot be edited
        properties["editedArgs"] = {**args, "$defs": whole["$defs"]} if "$defs" in whole else args
    return {"type": "object", "properties": properties, "required": ["approved"], **_definitions(properties)}


def _definitions(properties: dict[str, Any]) -> dict[str, Any]:
    """``$defs`` of the properties, moved to where their references look for them."""
    found: dict[str, Any] = {}
    for name, one in properties.items():
        if "$defs" in one:
            found |= one["$defs"]
            properties[name] = {key: value for key, value in one.items() if key != "$defs"}
    return {"$defs": found} if found else {}
