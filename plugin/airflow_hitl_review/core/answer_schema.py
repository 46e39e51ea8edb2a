"""The JSON Schema of a reviewer's answer to what an agent asks. No Airflow imports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_hitl_review.core.tool_calls import ToolRequest

_ANY_ARGS: dict[str, Any] = {"type": "object"}


def answer_schema(
    request: ToolRequest, args: Mapping[str, Any], schemas: Mapping[str, dict[str, Any]], *, fixed: bool
) -> dict[str, Any]:
    """JSON Schema (2020-12) of a reviewer's answer.

    Args:
        request: the request.
        args: the arguments of each call, by its id.
        schemas: JSON Schema of the arguments of each call, by its id; a call that has none takes any.
        fixed: whether the arguments cannot be edited.
    """
    definitions: dict[str, Any] = {}
    calls: dict[str, Any] = {}
    for number, call in enumerate(request.calls, 1):
        if fixed or call.kind == "question":
            arguments = {"const": args[call.tool_call_id]}
        else:
            own = _usable(schemas.get(call.tool_call_id))
            # Names of definitions count from the root of the whole schema: those of two tools may be the same.
            arguments = _renamed({key: value for key, value in own.items() if key != "$defs"}, f"{number}.")
            inner: dict[str, Any] = own.get("$defs", {})
            for name, one in inner.items():
                definitions[f"{number}.{name}"] = _renamed(one, f"{number}.")
        arguments["title"] = "Arguments"
        ask: dict[str, Any]
        if call.kind == "question":
            ask = {"answer": {"type": "string", "title": "Answer", "minLength": 1}}
        else:
            ask = {
                "approved": {"type": "boolean", "title": "Approve this call"},
                "reason": {"type": "string", "title": "Reason, if it is denied"},
            }
        properties = {"tool_name": {"const": call.tool_name, "title": "Tool"}, **ask, "args": arguments}
        calls[call.tool_call_id] = _object(
            properties, title=f"{number}. {call.tool_name}", description=call.description
        )
    schema = _object(calls)
    return {**schema, "$defs": definitions} if definitions else schema


def _object(properties: dict[str, Any], **more: str) -> dict[str, Any]:
    told = {name: text for name, text in more.items() if text}
    return {
        "type": "object",
        **told,
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _usable(schema: dict[str, Any] | None) -> dict[str, Any]:
    """A tool's schema, if all its references are to its own ``$defs``: only those can be moved."""
    own = {key: value for key, value in (schema or _ANY_ARGS).items() if key != "$schema"}
    return own if all(reference.startswith("#/$defs/") for reference in _references(own)) else _ANY_ARGS


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for one in schema:
            yield from _references(one)
    elif isinstance(schema, dict):
        for key, value in schema.items():
            if key in ("$ref", "$id", "$dynamicRef", "$anchor") and isinstance(value, str):
                yield value
            yield from _references(value)


def _renamed(schema: Any, prefix: str) -> Any:
    """A schema whose references are to definitions with a prefix."""
    if isinstance(schema, list):
        return [_renamed(one, prefix) for one in schema]
    if not isinstance(schema, dict):
        return schema
    start = "#/$defs/"
    return {
        key: f"{start}{prefix}{value.removeprefix(start)}"
        if key == "$ref" and isinstance(value, str) and value.startswith(start)
        else _renamed(value, prefix)
        for key, value in schema.items()
    }
