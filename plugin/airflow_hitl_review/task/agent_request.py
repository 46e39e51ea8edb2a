"""What a pydantic-ai agent asks before it goes on, and what a reviewer's answer means to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_ai import DeferredToolRequests, DeferredToolResults, ToolApproved, ToolDenied
from pydantic_ai.tools import ToolDefinition
from pydantic_core import to_jsonable_python

from airflow_hitl_review.core.airflow_sdk import redact
from airflow_hitl_review.core.answer_schema import answer_schema
from airflow_hitl_review.core.tool_calls import (
    CallAnswer,
    RequestKind,
    ToolCall,
    ToolRequest,
    read_answers,
    shown_calls,
    with_masked,
)
from airflow_hitl_review.task.json_values import as_json_value
from airflow_hitl_review.task.output_edits import MAX_SCHEMA_BYTES, Editing, EditRefusedError

_MASK = "***"
"""What Airflow's ``redact`` puts in place of a secret."""

DENIED = "A reviewer denied this call."
"""What the agent reads where the reviewer gives no reason."""


@dataclass(frozen=True)
class AgentRequest:
    """Calls of tools that wait.

    Attributes:
        request: the calls, as the reviewer sees them, without their arguments.
        args: arguments of each call, by its id, as the agent gave them.
        masked: the same as the reviewer sees them: what looks like a secret is masked.
        schemas: JSON Schema of each call's arguments, if known.
        metadata: what the tools say of the calls; they get it back.
    """

    request: ToolRequest
    args: dict[str, dict[str, Any]]
    masked: dict[str, dict[str, Any]]
    schemas: dict[str, dict[str, Any]]
    metadata: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, requests: DeferredToolRequests, tools: Mapping[str, ToolDefinition]) -> AgentRequest:
        """What an agent's run ended with.

        Args:
            requests: the run's output.
            tools: definitions of the agent's tools, by name.
        """
        calls, args, masked, schemas = [], {}, {}, {}
        metadata = _plain(requests.metadata)
        for part in (*requests.approvals, *requests.calls):
            id_, tool = part.tool_call_id, tools.get(part.tool_name)
            is_question = part in requests.calls
            calls.append(
                ToolCall(
                    tool_call_id=id_,
                    tool_name=part.tool_name,
                    kind="question" if is_question else "approval",
                    description=(tool.description or "") if tool is not None else "",
                    metadata=as_json_value(redact(metadata[id_])) if id_ in metadata else None,
                )
            )
            args[id_] = part.args_as_dict()
            masked[id_] = as_json_value(redact(args[id_]))
            if tool is not None:
                schemas[id_] = _allowing(tool.parameters_json_schema, args[id_], masked[id_])
        kind: RequestKind = "question" if not requests.approvals else "tool_calls"
        return cls(ToolRequest(kind=kind, calls=calls), args, masked, schemas, metadata)

    @property
    def shown(self) -> dict[str, Any]:
        """The request as the reviewer sees it."""
        return shown_calls(self.request, self.masked)

    def editing(self, *, fixed: bool) -> Editing:
        """What the reviewer may answer; ``fixed``: without editing the arguments."""
        for schemas in (self.schemas, {}):
            schema = answer_schema(self.request, self.masked, schemas, fixed=fixed)
            if len(json.dumps(schema)) <= MAX_SCHEMA_BYTES:
                return Editing(schema=schema)
        return Editing()  # the task alone checks the answer

    def check(self, answer: str, *, fixed: bool) -> None:
        """Check that an answer is one to this request; the API has compared it with the schema.

        Args:
            answer: the JSON.
            fixed: whether arguments may not be edited.

        Raises:
            EditRefusedError: it is not.
        """
        try:
            answers = read_answers(answer)
            names = {id_: call["tool_name"] for id_, call in json.loads(answer).items()}
        except (ValueError, KeyError) as error:
            raise EditRefusedError(str(error)) from error
        if names != {call.tool_call_id: call.tool_name for call in self.request.calls}:
            raise EditRefusedError("The answer is about other calls than those that the agent asks for.")
        for call in self.request.calls:
            self._check_one(call, answers[call.tool_call_id], fixed=fixed)

    def _check_one(self, call: ToolCall, said: CallAnswer, *, fixed: bool) -> None:
        name, is_question = call.tool_name, call.kind == "question"
        if is_question and not said.answer.strip():
            raise EditRefusedError(f"The question of {name} has no answer.")
        if not is_question and "approved" not in said.model_fields_set:
            raise EditRefusedError(f"The answer does not say whether {name} is approved.")
        if said.approved and said.reason.strip():
            raise EditRefusedError(f"{name} is approved, and there is a reason why not. Say which.")
        is_edited = said.args is not None and _text(said.args) != _text(self.masked[call.tool_call_id])
        if is_edited and (fixed or is_question):
            raise EditRefusedError(f"The arguments of {name} cannot be edited.")
        if is_edited and said.approved and _masks(self._args(call, said)) > _masks(self.args[call.tool_call_id]):
            raise EditRefusedError(
                f"In the arguments of {name}, {_MASK} stands for a secret. Where you change a list that has one, "
                "or a part of a text, write the secret itself."
            )

    def _args(self, call: ToolCall, said: CallAnswer) -> Any:
        """The arguments with which a call is made."""
        id_ = call.tool_call_id
        return with_masked(said.args, self.masked[id_], self.args[id_]) if said.args is not None else self.args[id_]

    def results(self, answer: str) -> DeferredToolResults:
        """What an answer means to the agent."""
        found = DeferredToolResults(metadata=self.metadata)
        answers = read_answers(answer)
        for call in self.request.calls:
            id_ = call.tool_call_id
            said = answers[id_]
            if call.kind == "question":
                found.calls[id_] = said.answer
            elif not said.approved or "approved" not in said.model_fields_set:
                found.approvals[id_] = ToolDenied(said.reason.strip() or DENIED)
            else:
                args = self._args(call, said)
                is_edited = _text(args) != _text(self.args[id_])
                found.approvals[id_] = ToolApproved(override_args=args if is_edited else None)
        return found

    def declined(self, feedback: str) -> DeferredToolResults:
        """What feedback means to the agent: no call is made, and the feedback says why."""
        found = DeferredToolResults(metadata=self.metadata)
        for call in self.request.calls:
            if call.kind == "question":
                found.calls[call.tool_call_id] = feedback
            else:
                found.approvals[call.tool_call_id] = ToolDenied(feedback)
        return found

    def dumped(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "request": self.request.model_dump(mode="json"),
            "args": json.dumps(self.args),  # as texts, which keep the order of names and the numbers
            "masked": json.dumps(self.masked),
            "schemas": json.dumps(self.schemas),
            "metadata": json.dumps(self.metadata),
        }

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> AgentRequest:
        """Restore what ``dumped`` returned."""
        texts = [json.loads(stored[name]) for name in ("args", "masked", "schemas", "metadata")]
        return cls(ToolRequest.model_validate(stored["request"]), *texts)


def _plain(value: Any) -> Any:
    """Metadata as JSON values; what pydantic cannot write, as its text."""
    return json.loads(json.dumps(to_jsonable_python(value, serialize_unknown=True)), parse_constant=str)


def _text(args: Any) -> str:
    return json.dumps(args, default=str)


def _masks(value: Any) -> int:
    """How often what masks a secret stands in arguments."""
    return _text(value).count(_MASK)


def _allowing(schema: dict[str, Any], args: dict[str, Any], masked: dict[str, Any]) -> dict[str, Any]:
    """A schema that also takes what was masked, which may have been a number."""
    changed = {name for name in args if json.dumps(args[name], default=str) != json.dumps(masked.get(name))}
    properties = {
        name: {"anyOf": [one, {"const": masked[name]}]} if name in changed and name in masked else one
        for name, one in schema.get("properties", {}).items()
    }
    return {**schema, "properties": properties}
