"""What a reviewer may edit, and whether the task takes an edit: a type knows more than its JSON Schema says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic_core import to_jsonable_python

from airflow_hitl_review.core.airflow_sdk import FAILURES
from airflow_hitl_review.task.json_values import Shown

MAX_SCHEMA_BYTES = 64 * 1024
"""A larger schema is left out of the session: then reviewers edit the JSON, and only the task checks it."""

_MAX_ERRORS = 5


class EditRefusedError(ValueError):
    """The task does not take the output as the reviewer edited it; the message says why."""


@dataclass(frozen=True)
class Editing:
    """Whether the reviewer may edit an output.

    Attributes:
        refused: why not, in words; None if they may.
        schema: JSON Schema (2020-12) of the output, if it has a declared type.
    """

    refused: str | None = None
    schema: dict[str, Any] | None = None


SWITCHED_OFF = Editing("The output cannot be edited: allow_modifications is False for this task.")


def checked_type(type_: Any) -> Any:
    """Return a declared type.

    Raises:
        ValueError: pydantic cannot write and read it as JSON.
    """
    try:
        TypeAdapter(type_)
    except (PydanticUserError, NameError, TypeError) as error:
        raise ValueError(f"output_type must be a type that pydantic can read as JSON, not {type_!r}.") from error
    return type_


def editing_of(shown: Shown, type_: Any) -> Editing:
    """Whether an output of a declared type can be edited, and its schema.

    Args:
        shown: the output, as the reviewer sees it.
        type_: its type; None for any.
    """
    text, output_format = shown
    if type_ is None:
        return Editing()
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(type_)
        value = text if output_format == "text" else json.loads(text)
        again = to_jsonable_python(_read(adapter, text, output_format))
        schema = _schema(adapter) if output_format == "json" else None
    except FAILURES as error:  # a validator of the type may raise anything, and the output is there already
        return Editing(f"The output cannot be edited: it is not of its output_type, {type_!r} ({_words(error)}).")
    if again != value:
        return Editing(
            f"The output cannot be edited: it does not come back the same as its output_type, {type_!r}."
        )
    return Editing(schema=schema)


def check_edit(text: str, output_format: str, type_: Any) -> Any:
    """Read an edited output as its type, any if that is None; returns the value of that type.

    Raises:
        EditRefusedError: the type does not take it.
    """
    if type_ is None:
        return text if output_format == "text" else json.loads(text)
    try:
        return _read(TypeAdapter(type_), text, output_format)
    except ValueError as error:  # pydantic's ValidationError among them
        raise EditRefusedError(_words(error)) from error


def _read(adapter: TypeAdapter[Any], text: str, output_format: str) -> Any:
    if output_format == "text":
        return adapter.validate_python(text)
    return adapter.validate_json(text, by_alias=True, by_name=True)


def _schema(adapter: TypeAdapter[Any]) -> dict[str, Any] | None:
    try:
        schema = adapter.json_schema()
    except PydanticUserError:  # a part of the type has no JSON Schema
        return None
    return schema if len(json.dumps(schema)) <= MAX_SCHEMA_BYTES else None


def _words(error: BaseException) -> str:
    """The first errors of pydantic with their places, or any other error."""
    if not isinstance(error, ValidationError):
        return str(error) or type(error).__name__
    told = []
    for one in error.errors(include_url=False, include_input=False, include_context=False)[:_MAX_ERRORS]:
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in one["loc"])
        message = one["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        told.append(f"{place.removeprefix('.')}: {message}" if place else message)
    more = error.error_count() - len(told)
    return "; ".join(told) + (f"; and {more} more" if more > 0 else "")
