"""Stores outputs of a declared type as JSON during a pause, and restores them equal and of the same class.

An ``output_type`` is what pydantic-ai accepts: a type, a union, a list of types, a marker such as ``ToolOutput``,
or a function that returns the output. Imports neither Airflow nor pydantic-ai; recognizes markers by attributes.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator, Sequence
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError
from pydantic_core import PydanticSerializationError, to_json

_NOT_KEPT = (PydanticUserError, PydanticSerializationError, ValueError, TypeError, AttributeError, KeyError)
"""Errors of pydantic when it cannot write a value or read it back (``ValidationError`` is a ``ValueError``)."""


class OutputTypeChangedError(ValueError):
    """The stored output cannot be read back with this ``output_type``."""


def keep(output: Any, output_type: Any) -> dict[str, Any] | None:
    """Convert an output to JSON values; None if it would not be restored unchanged.

    An output that can be read only once, such as a model with a field ``Iterable[str]``, is empty afterwards: use
    what ``restore`` returns.

    Args:
        output: what the agent returned.
        output_type: the declared type of the output.

    Raises:
        TypeError: it can be read only once, and cannot be stored.

    Returns:
        A value for ``restore``: the output as JSON text, and the member of ``output_type`` that reads it. Two
        members may have the same fields, so the member is stored rather than detected again.
    """
    first = _as_json(output)
    read_once = first is not None and _as_json(output) != first
    for number, member in enumerate(_members(output_type)):
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(member)
            if read_once:
                text = first or ""
                restored = adapter.validate_json(text, by_alias=True, by_name=True)
                is_same = type(restored) is type(output) and _as_json(restored) == first
            else:
                text = adapter.dump_json(output, round_trip=True, by_alias=False, warnings=False).decode()
                is_same = _is_same(adapter.validate_json(text, by_alias=True, by_name=True), output)
        except _NOT_KEPT:
            continue
        if is_same:
            return {"member": number, "json": text}
    if read_once:
        raise TypeError(
            f"This {type(output).__name__} can be read only once, and could not be rebuilt as output_type "
            f"{output_type!r} after reading it for the review. Return a list."
        )
    return None


def restore(kept: dict[str, Any], output_type: Any) -> Any:
    """Restore the output that ``keep`` was given.

    Raises:
        OutputTypeChangedError: ``output_type`` has changed since it was stored.
    """
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(member_of(kept, output_type))
        return adapter.validate_json(kept["json"], by_alias=True, by_name=True)
    except (*_NOT_KEPT, IndexError) as error:
        raise OutputTypeChangedError(
            "The reviewed output cannot be read back as the operator's output_type, which has changed since "
            f"the output was made: {error}. Clear the task to make the output again."
        ) from error


def member_of(kept: dict[str, Any], output_type: Any) -> Any:
    """The member of ``output_type`` that reads the output that ``keep`` was given.

    Raises:
        IndexError: ``output_type`` has changed since.
    """
    return list(_members(output_type))[kept["member"]]


def _as_json(output: Any) -> str | None:
    try:
        return to_json(output, by_alias=False).decode()
    except ValueError:  # pydantic's errors are ValueErrors
        return None


def _is_same(one: Any, other: Any) -> bool:
    # repr as well: it also distinguishes equal nested values of different types, such as 1 and True.
    return type(one) is type(other) and bool(one == other) and repr(one) == repr(other)


def _members(output_type: Any) -> Iterator[Any]:
    """The types that an output can have, the narrowest first."""
    if isinstance(output_type, Sequence) and not isinstance(output_type, str):
        for member in output_type:
            yield from _members(member)
        return
    # ToolOutput has `output`, NativeOutput and PromptedOutput have `outputs`, TextOutput has `output_function`.
    for name in ("outputs", "output", "output_function"):
        if not isinstance(output_type, type) and hasattr(output_type, name):
            yield from _members(getattr(output_type, name))
            return
    if get_origin(output_type) in (Union, types.UnionType):
        for member in get_args(output_type):
            yield from _members(member)
        yield output_type
        return
    if inspect.isfunction(output_type) or inspect.ismethod(output_type):
        returned = get_type_hints(output_type).get("return")
        if returned is not None:
            yield from _members(returned)
        return
    yield output_type
