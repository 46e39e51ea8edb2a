"""Which outputs and histories can be stored: one rule for showing, storing and returning. No Airflow imports.

It is applied once, before the first write of a round. Otherwise an output could be announced, even approved, and
only then refused: by the database (NaN, NUL), or by Airflow when it writes the task's result.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import pydantic_core

from airflow_hitl_review.core.schema import OutputFormat
from airflow_hitl_review.core.texts import storable

MAX_DEPTH = 200
"""Maximum nesting of lists and objects; Airflow's own serialization fails at a few hundred levels."""

_RESERVED = ("__classname__", "__id__")
"""Keys that mark serialized objects in XCom: Airflow refuses to write a dictionary with one of them."""

Shown: TypeAlias = "tuple[str, OutputFormat]"
"""An output as the reviewer sees it: its text, and whether that is JSON."""


class NotJSONError(TypeError):
    """An output is neither text nor serializable to JSON by pydantic."""


def as_text(output: Any) -> Shown:
    """An output as the reviewer sees it: text unchanged, anything else as indented JSON.

    Raises:
        NotJSONError: it cannot be shown.
        TypeError: XCom cannot store it; the message says where the first such value is, and what to do.
    """
    if isinstance(output, str):
        return storable(output), "text"
    return pydantic_core.to_json(as_json_value(output), indent=2).decode(), "json"


def as_json_value(output: Any) -> Any:
    """Convert an output to JSON values, as stored in a history and returned by the task.

    This consumes an output that can be read only once (a generator, an open file): use the returned value.

    Raises:
        TypeError: as for ``as_text``, including ``NotJSONError``.
    """
    try:
        plain = pydantic_core.to_jsonable_python(output)
    except (ValueError, RecursionError) as error:  # pydantic raises a ValueError
        raise NotJSONError(
            f"An output to review must be text or JSON-like; {type(output).__name__} is neither ({error})."
        ) from error
    return stored_form(plain, "The output")


def stored_json(text: str) -> str:
    """JSON with its values in stored form, so that the task returns what was shown.

    Raises:
        TypeError: as for ``stored_form``.
    """
    if "\\u0000" not in text:
        return text
    return pydantic_core.to_json(stored_form(pydantic_core.from_json(text), "The output")).decode()


def stored_form(value: Any, what: str) -> Any:
    """JSON values as XCom returns them: NUL and lone surrogates are replaced, tuples become lists.

    Args:
        value: the value to store.
        what: its name in an error message, such as ``The output``.

    Raises:
        TypeError: XCom cannot store it; the message says where the first such value is, and what to do.
    """
    return _stored_form(value, what, ())


def _stored_form(value: Any, what: str, place: tuple[Any, ...]) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        name = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        raise _refused(what, place, f"is {name}, which JSON does not have. Replace it, for example with None")
    if len(place) == MAX_DEPTH:
        raise _refused(what, place[:3], f"has more than {MAX_DEPTH} levels. Make it flatter")
    if isinstance(value, list | tuple):
        return [_stored_form(item, what, (*place, index)) for index, item in enumerate(value)]
    if isinstance(value, dict):
        return {_key(key, what, place): _stored_form(item, what, (*place, key)) for key, item in value.items()}
    raise _refused(what, place, f"is a {type(value).__name__}, not a JSON value. Convert it to one")


def _key(key: Any, what: str, place: tuple[Any, ...]) -> Any:
    if key in _RESERVED:
        raise _refused(what, place, f"has the key {key!r}, which Airflow reserves. Rename it")
    if key is None or isinstance(key, bool | int | float):
        return key  # JSON writes it as text
    if not isinstance(key, str):
        raise _refused(what, place, f"has a key that is a {type(key).__name__}. Make it a string")
    return storable(key)


def _refused(what: str, place: tuple[Any, ...], why: str) -> TypeError:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
    return TypeError(f"{what} cannot be stored in XCom: {path or 'it'} {why}.")
