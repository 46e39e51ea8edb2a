"""Validates a value against an output's JSON Schema (2020-12), and says what is wrong in plain words.

The schema comes from XCom, which many people may write, so it is not trusted: nothing is fetched for a ``$ref``,
patterns run in pydantic's engine, whose time is linear, not in Python's, and a schema that makes too much work
counts as none. What is left out here, the worker checks.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import time
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from itertools import count
from typing import Annotated, Any
from uuid import UUID

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend
from pydantic import StringConstraints, TypeAdapter
from pydantic import ValidationError as PydanticError
from pydantic_core import SchemaError as PydanticSchemaError
from referencing import Registry

from airflow_hitl_review.server.reviews.schema_words import FieldError, in_words

log = logging.getLogger(__name__)

MAX_ERRORS = 50
"""So many errors are told at most."""

MAX_SECONDS = 3.0
"""Processor time of one check. 10,000 records of eight fields need 0.5 s, five times that on a slow machine."""

_KEYWORDS_PER_LOOK = 10
"""The clock is read at each tenth keyword: reading it calls the kernel, which can take longer than a keyword."""

_LONGEST_SEARCHED = 10_000
"""Characters; in longer texts patterns are left to the worker. The slowest pattern takes 0.2 s for so many."""

_FOREIGN = ("$schema", "$id", "$dynamicRef")
"""Pydantic writes none of these; jsonschema would check what they lead to by rules without our limits."""


class _TooMuchWorkError(Exception):
    """The check takes too long: a schema can be made so that its time grows exponentially."""


class _ForeignError(Exception):
    """The schema leads out of itself."""


def schema_errors(value: Any, schema: dict[str, Any]) -> list[FieldError]:
    """What in a value does not fit a schema, at most ``MAX_ERRORS`` places; none if the schema cannot be used."""
    found: list[FieldError] = []
    try:
        text = json.dumps(schema)
        if any(f'"{name}"' in text for name in _FOREIGN):
            raise _ForeignError
        for error in _validator(schema).iter_errors(value):
            found += in_words(error)
            if len(found) >= MAX_ERRORS:
                break
    except Exception:  # a schema that somebody wrote by hand leads to any of them
        log.warning("The schema of an output cannot be used: only its task checks the edit.", exc_info=True)
        return []
    return found[:MAX_ERRORS]


def _validator(schema: dict[str, Any]) -> Any:
    end, calls = time.thread_time() + MAX_SECONDS, count()

    def limited(keyword: Any) -> Any:
        def check(validator: Any, argument: Any, instance: Any, parent: Any) -> Iterator[ValidationError]:
            if next(calls) % _KEYWORDS_PER_LOOK == 0 and time.thread_time() > end:
                raise _TooMuchWorkError
            for error in keyword(validator, argument, instance, parent) or ():
                error.message = ""  # it repeats the value, and there may be an error for each alternative
                yield error

        return check

    keywords = {name: limited(keyword) for name, keyword in (Draft202012Validator.VALIDATORS | _OURS).items()}
    extended: Any = extend(Draft202012Validator, keywords)  # type: ignore[no-untyped-call]
    return extended(schema, format_checker=_formats(), registry=Registry())


def _nothing(*_: Any) -> Iterator[ValidationError]:
    """Leave a keyword to the worker: it would run a pattern in Python's engine, whose time has no limit."""
    return iter(())


def _additional(validator: Any, argument: Any, instance: Any, parent: Any) -> Iterator[ValidationError]:
    if "patternProperties" not in parent:  # those names would be found by Python's engine
        yield from Draft202012Validator.VALIDATORS["additionalProperties"](validator, argument, instance, parent)


def _unique(_: Any, wanted: Any, instance: Any, parent: Any) -> Iterator[ValidationError]:
    """In linear time; jsonschema's own compares each item with each."""
    if not wanted or not isinstance(instance, list):
        return
    if len({json.dumps(item, sort_keys=True) for item in instance}) < len(instance):
        yield ValidationError("")


def _required(_: Any, names: Any, instance: Any, parent: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for name in names:
            if isinstance(name, str) and name not in instance:
                yield ValidationError("", validator="required", validator_value=name)


def _pattern(_: Any, pattern: Any, instance: Any, parent: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, str) or len(instance) > _LONGEST_SEARCHED:
        return
    try:
        _reader(pattern).validate_python(instance)
    except PydanticError:
        yield ValidationError("")
    except PydanticSchemaError:
        log.debug("The pattern %r is left to the worker.", pattern)


@lru_cache(16)
def _reader(pattern: str) -> TypeAdapter[str]:
    return TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])


def _ref(validator: Any, address: Any, instance: Any, parent: Any) -> Iterator[ValidationError]:
    if not address.startswith("#"):
        raise _ForeignError
    yield from Draft202012Validator.VALIDATORS["$ref"](validator, address, instance, parent)


_OURS: dict[str, Any] = {
    "$ref": _ref,
    "required": _required,
    "pattern": _pattern,
    "patternProperties": _nothing,
    "additionalProperties": _additional,
    "unevaluatedItems": _nothing,
    "unevaluatedProperties": _nothing,
    "uniqueItems": _unique,
}


@cache
def _formats() -> FormatChecker:
    """The formats that pydantic writes, as pydantic reads them."""
    checker = FormatChecker(())
    types = {"date": dt.date, "date-time": dt.datetime, "time": dt.time, "duration": dt.timedelta, "uuid": UUID}
    for name, type_ in types.items():
        checker.checks(name, raises=PydanticError)(_reads(TypeAdapter(type_)))
    return checker


def _reads(adapter: TypeAdapter[Any]) -> Callable[[object], bool]:
    def reads(value: object) -> bool:
        if isinstance(value, str):
            adapter.validate_python(value)
        return True

    return reads
