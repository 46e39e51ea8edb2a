"""Says in plain words, and without repeating the value, what does not fit a JSON Schema, and where."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from jsonschema import ValidationError


class FieldError(NamedTuple):
    """What is wrong in one place; ``path`` has names and indexes, and is empty for the whole output."""

    path: tuple[str | int, ...]
    message: str


def place_of(path: Sequence[str | int]) -> str:
    """A path in words, such as ``regions[0].revenue``; ``it`` for the whole output."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:80]}" for part in path)
    return text.removeprefix(".") or "it"


_WORDS: dict[str, str] = {
    "type": "must be {}",
    "enum": "must be one of {}",
    "const": "must be {}",
    "minimum": "must be at least {}",
    "exclusiveMinimum": "must be more than {}",
    "maximum": "must be at most {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "minProperties": "must have at least {} entries",
    "maxProperties": "must have at most {} entries",
    "uniqueItems": "must not have the same item twice",
    "pattern": "must match the pattern {}",
}
_SINGULAR = {
    f"must have at {limit} 1 {many}": f"must have at {limit} 1 {one}"
    for limit in ("least", "most")
    for many, one in (("characters", "character"), ("items", "item"), ("entries", "entry"))
}
_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_FORMATS = {
    "date": "a date, such as 2026-11-27",
    "date-time": "a date with a time",
    "time": "a time",
    "uuid": "a UUID",
}


def in_words(error: ValidationError) -> Iterator[FieldError]:
    """An error of jsonschema without the value, which may be long; of alternatives, the one that fits best."""
    path = tuple(error.absolute_path)
    keyword: str = str(error.validator)
    argument: Any = error.validator_value
    if keyword in ("anyOf", "oneOf") and error.context:
        yield from _closest(error)
    elif keyword == "required":
        yield FieldError((*path, argument), "is missing")
    elif keyword == "additionalProperties" and isinstance(error.instance, dict):
        known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
        yield from (
            FieldError((*path, name), "is not a known name") for name in error.instance if name not in known
        )
    elif keyword == "format":
        yield FieldError(path, f"must be {_FORMATS.get(argument, argument)}")
    elif keyword == "type":
        kinds = [argument] if isinstance(argument, str) else argument
        yield FieldError(path, f"must be {' or '.join(_TYPES.get(kind, str(kind)) for kind in kinds)}")
    else:
        given = ", ".join(map(_short, argument)) if keyword == "enum" else _short(argument)
        words = _WORDS.get(keyword, f"does not fit {keyword} of its type").format(given)
        yield FieldError(path, _SINGULAR.get(words, words))


def _closest(error: ValidationError) -> Iterator[FieldError]:
    """The errors of the alternative that fits best: whose first error lies deepest, and not that it is null."""
    by_alternative: dict[Any, list[ValidationError]] = {}
    for one in error.context or ():
        by_alternative.setdefault(one.relative_schema_path[0], []).append(one)
    flat = [
        errors for errors in by_alternative.values() if len(errors[0].absolute_path) == len(error.absolute_path)
    ]
    if len(flat) == len(by_alternative) and all(errors[0].validator == "type" for errors in flat):
        kinds = [errors[0].validator_value for errors in flat]
        named = {_TYPES.get(kind, kind): None for kind in kinds if isinstance(kind, str)}
        yield FieldError(tuple(error.absolute_path), f"must be {' or '.join(named)}")
        return
    wanted = [errors for errors in by_alternative.values() if errors[0].validator_value != "null"]
    best = max(wanted or [list(error.context or ())], key=lambda errors: _fit(errors, len(error.absolute_path)))
    for one in best:
        yield from in_words(one)


def _fit(errors: list[ValidationError], depth: int) -> tuple[bool, int, int]:
    """How well an alternative fits: badly if a field that tells its kind has another value."""
    is_kind = all(one.validator != "const" or len(one.absolute_path) != depth + 1 for one in errors)
    return is_kind, len(errors[0].absolute_path), -len(errors)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:80]}…"
