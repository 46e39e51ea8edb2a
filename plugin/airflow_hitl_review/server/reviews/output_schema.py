"""Validates a value against an output's JSON Schema (2020-12), and says what is wrong in plain words.

The schema comes from XCom, which many people may write, so it is not trusted: nothing is fetched for a ``$ref``,
patterns run in pydantic's engine, whose time is linear, and a schema that makes too much work counts as none.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend
from pydantic import StringConstraints, TypeAdapter
from pydantic import ValidationError as PydanticError
from pydantic_core import SchemaError as PydanticSchemaError
from referencing import Registry

log = logging.getLogger(__name__)

MAX_ERRORS = 50
"""So many errors are told at most."""

MAX_STEPS = 600_000
"""So many keywords one check evaluates at most: three seconds. 10,000 records of eight fields need 300,000."""


class FieldError(NamedTuple):
    """What is wrong in one place; ``path`` has names and indexes, and is empty for the whole output."""

    path: tuple[str | int, ...]
    message: str


def place_of(path: Sequence[str | int]) -> str:
    """A path in words, such as ``regions[0].revenue``; ``it`` for the whole output."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:80]}" for part in path)
    return text.removeprefix(".") or "it"


class _TooMuchWorkError(Exception):
    """The check takes too long: a schema can be made so that its time grows exponentially."""


def schema_errors(value: Any, schema: dict[str, Any]) -> list[FieldError]:
    """What in a value does not fit a schema, at most ``MAX_ERRORS`` places; none if the schema cannot be used."""
    found: list[FieldError] = []
    try:
        for error in _validator(schema).iter_errors(value):
            found += _in_words(error)
            if len(found) >= MAX_ERRORS:
                break
    except Exception:  # a schema that somebody wrote by hand leads to any of them
        log.warning("The schema of an output cannot be used: only its task checks the edit.", exc_info=True)
        return []
    return found[:MAX_ERRORS]


def _validator(schema: dict[str, Any]) -> Any:
    steps = 0

    def counted(keyword: Any) -> Any:
        def check(validator: Any, argument: Any, instance: Any, parent: Any) -> Iterator[ValidationError]:
            nonlocal steps
            steps += 1
            if steps > MAX_STEPS:
                raise _TooMuchWorkError
            yield from keyword(validator, argument, instance, parent) or ()

        return check

    ours = {**Draft202012Validator.VALIDATORS, "required": _required, "pattern": _pattern}
    ours["patternProperties"] = _nothing
    keywords = {name: counted(keyword) for name, keyword in ours.items()}
    extended: Any = extend(Draft202012Validator, keywords)  # type: ignore[no-untyped-call]
    return extended(schema, format_checker=_formats(), registry=Registry())


def _nothing(*_: Any) -> Iterator[ValidationError]:
    """Leave a keyword to the worker: it would run a pattern in Python's engine, whose time has no limit."""
    return iter(())


def _required(_: Any, names: Any, instance: Any, parent: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for name in names:
            if name not in instance:
                yield ValidationError("", validator="required", validator_value=name)


def _pattern(_: Any, pattern: Any, instance: Any, parent: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, str):
        return
    try:
        TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)]).validate_python(instance)
    except PydanticError:
        yield ValidationError("", validator="pattern", validator_value=pattern)
    except PydanticSchemaError:
        log.debug("The pattern %r is left to the worker.", pattern)


def _formats() -> FormatChecker:
    """The formats that pydantic writes, as pydantic reads them."""
    checker = FormatChecker(())
    types = {"date": date, "date-time": datetime, "time": time, "duration": timedelta, "uuid": UUID}
    for name, type_ in types.items():
        checker.checks(name, raises=PydanticError)(_reads(TypeAdapter(type_)))
    return checker


def _reads(adapter: TypeAdapter[Any]) -> Callable[[object], bool]:
    def reads(value: object) -> bool:
        if isinstance(value, str):
            adapter.validate_python(value)
        return True

    return reads


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


def _in_words(error: ValidationError) -> Iterator[FieldError]:
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
        yield FieldError(path, _WORDS.get(keyword, f"does not fit {keyword} of its type").format(given))


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
        named = [_TYPES.get(kind, str(kind)) for kind in kinds if isinstance(kind, str)]
        yield FieldError(tuple(error.absolute_path), f"must be {' or '.join(named)}")
        return
    wanted = [errors for errors in by_alternative.values() if errors[0].validator_value != "null"]
    best = max(
        wanted or [list(error.context or ())], key=lambda errors: (len(errors[0].absolute_path), -len(errors))
    )
    for one in best:
        yield from _in_words(one)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:80]}…"
