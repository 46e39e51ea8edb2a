"""The part of ``docs/rest.md`` that is made of the API's own OpenAPI document."""

from __future__ import annotations

import json
import re
from typing import Any

from airflow_hitl_review.web.app import create_app

GROUPS = {
    "Reviews": (
        "/sessions",
        "/sessions/find",
        "/sessions/progress",
        "/sessions/approve",
        "/sessions/reject",
        "/sessions/feedback",
    ),
    "AG-UI": ("/ag-ui", "/ag-ui/capabilities"),
    "Webhooks": ("/deliveries", "/deliveries/{event_id}/resend", "/webhooks/test"),
    "Pages": ("/chat", "/chat-by-task", "/inbox"),
    "What keeps pages up to date": (
        "/chat/latest",
        "/chat/preview",
        "/chat/events",
        "/chat/updates",
        "/inbox/events",
        "/inbox/updates",
    ),
    "Health": ("/health",),
}
"""In which order routes are shown; one that is named nowhere comes under "Others"."""

_BY_HAND = {"HTTPValidationError", "ValidationError"}
"""FastAPI's own, and other ones with each of its versions: the page says in words what 422 means."""

Json = dict[str, Any]


def rest_reference() -> str:
    """All routes with their parameters, bodies and answers, and the objects in them."""
    document = create_app().openapi()
    paths: Json = document["paths"]
    known = {path for group in GROUPS.values() for path in group}
    groups = {**GROUPS, "Others": tuple(path for path in paths if path not in known)}
    lines: list[str] = []
    for title, group in groups.items():
        here = [path for path in group if path in paths]
        lines += [f"## {title}", ""] if here else []
        for path in here:
            for method, operation in paths[path].items():
                lines += _route(method, path, operation)
    lines += ["## Objects", "", "What bodies and answers are made of; `?` marks fields that may be left out.", ""]
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines += _object(name, schema) if name not in _BY_HAND else []
    return "\n".join(lines)


def routes() -> list[tuple[str, str]]:
    """Method and path of each route."""
    paths: Json = create_app().openapi()["paths"]
    return [(method.upper(), path) for path, operations in paths.items() for method in operations]


def heading(method: str, path: str) -> str:
    """The heading under which a route is shown."""
    return f"### `{method.upper()} {path}`"


def _route(method: str, path: str, operation: Json) -> list[str]:
    lines = [heading(method, path), "", *_prose(operation.get("description", "")), ""]
    if not operation.get("security"):
        lines += ["Open to all: it takes no token.", ""]
    if parameters := operation.get("parameters"):
        lines += ["| parameter | type | default | |", "|---|---|---|---|"]
        lines += [_parameter(parameter) for parameter in parameters] + [""]
    if body := operation.get("requestBody"):
        (content,) = body["content"].values()
        optional = "" if body.get("required") else ", or none"
        lines += [f"Body: {_type(_given(content['schema']))}{optional}.", ""]
    lines += ["| answer | |", "|---|---|"]
    return [*lines, *(_answer(code, answer) for code, answer in operation["responses"].items()), ""]


def _parameter(parameter: Json) -> str:
    schema = parameter["schema"]
    default = "required" if parameter.get("required") else _value(schema.get("default"))
    place = "; in the path" if parameter["in"] == "path" else ""
    about = _cell(parameter.get("description", "") + place).removeprefix("; ")
    return f"| `{parameter['name']}` | {_type(_given(schema))} | {default} | {about} |"


def _answer(code: str, answer: Json) -> str:
    about = answer["description"]
    if about == "Successful Response":
        about = ""
        for kind, content in answer.get("content", {}).items():
            schema = content.get("schema") or {}
            about = _type(schema) if kind == "application/json" and schema else f"`{kind}`"
            if kind == "application/json" and not schema:
                about = "see above"
    elif about == "Validation Error":
        about = "What was sent cannot be used"
    return f"| {code} | {_cell(about)} |"


def _object(name: str, schema: Json) -> list[str]:
    lines = [f"### {name}", "", *_prose(schema.get("description", "")), ""]
    if "enum" in schema:
        return [*lines, "One of " + ", ".join(f"`{value}`" for value in schema["enum"]) + ".", ""]
    lines += ["| field | type | |", "|---|---|---|"]
    needed = schema.get("required", [])
    for field, inner in schema.get("properties", {}).items():
        mark = "" if field in needed else "?"
        lines.append(f"| `{field}`{mark} | {_type(inner)} | {_cell(inner.get('description', ''))} |")
    return [*lines, ""]


def _type(schema: Json) -> str:
    """A type in words, with a link where it is one of the page's objects."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(one) for one in schema["anyOf"]))
    if "enum" in schema:
        return " ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    word = "time" if schema.get("format") == "date-time" else schema.get("type", "any")
    return f"{word}{_bounds(schema)}"


def _given(schema: Json) -> Json:
    """The type of what can also be left out, if it is not."""
    others = [one for one in schema.get("anyOf", []) if one.get("type") != "null"]
    return {"anyOf": others} if others else schema


def _bounds(schema: Json) -> str:
    low, high = _whole(schema.get("minimum")), _whole(schema.get("maximum"))
    if low is not None and high is not None:
        return f", {low} to {high}"
    if low is not None:
        return f", from {low}"
    longest = schema.get("maxLength")
    return f", at most {longest} characters" if longest is not None else ""


def _whole(bound: float | None) -> int | None:
    """A bound of an integer, which pydantic may write as 1.0."""
    return None if bound is None else int(bound)


def _value(value: object) -> str:
    if value is None or value == "":
        return "none"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _prose(text: str) -> list[str]:
    return [re.sub(r"``(.+?)``", r"`\1`", line.strip()) for line in text.strip().splitlines()]


def _cell(text: str) -> str:
    return " ".join(_prose(text)).replace("|", "\\|")
