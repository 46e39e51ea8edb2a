"""Checks the output as a reviewer edited it, before a decision stores it.

What is stored is the text exactly as it was sent, so that numbers and the order of keys stay as the reviewer wrote
them. The worker then checks it once more with the output's type, which knows more than a JSON Schema can say.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from airflow_hitl_review.core.review import EDITS_NOT_SUPPORTED
from airflow_hitl_review.core.schema import AgentSession
from airflow_hitl_review.core.texts import UNSTORABLE
from airflow_hitl_review.server.reviews.output_schema import MAX_ERRORS, schema_errors
from airflow_hitl_review.server.reviews.schema_words import FieldError, place_of

Place = tuple[str | int, ...]
"""A place in JSON: names and indexes."""

MAX_DEPTH = 200
"""Maximum nesting, as for outputs (``task.json_values``)."""


class InvalidEditError(Exception):
    """The edited output cannot be taken; nothing is decided.

    Attributes:
        errors: what is wrong where; empty if the output cannot be edited at all.
    """

    def __init__(self, message: str, errors: tuple[FieldError, ...] = ()) -> None:
        self.errors = errors
        super().__init__(message)


def checked_edit(
    session: AgentSession, edited_output: str | None, is_given: Callable[[Place], bool] = lambda place: False
) -> str | None:
    """Check an edit.

    Args:
        session: the review.
        edited_output: the text, or the JSON text of an output that is not text; None if nothing was edited.
        is_given: whether what is at a place is not the reviewer's: it need not fit the schema.

    Returns:
        The text to store; None if the edit changes nothing.

    Raises:
        InvalidEditError: it cannot be taken.
    """
    if edited_output is None or edited_output == session.current_output:
        return None
    if session.output_format == "json":
        value = _parsed(edited_output)
        try:
            if _canonical(value) == _canonical(json.loads(session.current_output)):
                return None
        except (ValueError, RecursionError):
            pass  # somebody has overwritten the session: the worker refuses what does not fit
    elif found := UNSTORABLE.search(edited_output):
        raise InvalidEditError(f"The edit has a character that cannot be stored: U+{ord(found[0]):04X}.")
    if not session.allow_modifications:
        raise InvalidEditError(session.modifications_refused or EDITS_NOT_SUPPORTED)
    if session.output_format == "json" and session.output_schema is not None:
        errors = [one for one in schema_errors(value, session.output_schema) if not is_given(one.path)]
        _raise(errors, "does not fit the type of the output", _call_names(session))
    return edited_output


def _call_names(session: AgentSession) -> dict[str | int, str]:
    """What a message calls each call of a request, whose ids mean nothing to a reader."""
    calls = session.request.calls if session.request is not None else ()
    return {call.tool_call_id: f"call {n} ({call.tool_name})" for n, call in enumerate(calls, 1)}


def _parsed(text: str) -> Any:
    """Parse the JSON of an edit.

    Raises:
        InvalidEditError: it is not JSON, or XCom cannot store it.
    """
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InvalidEditError(f"The edit is not JSON: {error.msg}, in {place}.", _whole(str(error))) from None
    except (ValueError, RecursionError) as error:  # a number of more than 4,300 digits
        raise InvalidEditError(f"The edit cannot be read: {error}.", _whole(str(error))) from None
    _raise(list(islice(_unstorable(value), MAX_ERRORS)), "cannot be stored")
    return value


def _raise(errors: Sequence[FieldError], why: str, names: Mapping[str | int, str] | None = None) -> None:
    if errors:
        first, others = errors[0], len(errors) - 1
        named = names.get(first.path[0]) if names and first.path else None
        place = place_of(first.path) if named is None else f"{named}, {place_of(first.path[1:])}"
        are = "is 1 more such place" if others == 1 else f"are {others} more such places"
        more = f", and there {are}" if others else ""
        raise InvalidEditError(f"The edit {why}: {place} {first.message}{more}.", tuple(errors))


def _whole(message: str) -> tuple[FieldError]:
    return (FieldError((), message),)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            message = f"the name {name[:80]!r} stands twice in one object"
            raise InvalidEditError(f"The edit is not clear: {message}.", _whole(message))
        found[name] = value
    return found


def _unstorable(value: Any) -> Iterator[FieldError]:
    """What XCom and Airflow could not store, place by place; iterative, as the nesting may be deep."""
    left: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    while left:
        path, one = left.pop()
        if isinstance(one, str) and (found := UNSTORABLE.search(one)):
            yield FieldError(path, f"has a character that cannot be stored: U+{ord(found[0]):04X}")
        elif isinstance(one, float) and not math.isfinite(one):
            yield FieldError(path, "is NaN, Infinity or too large a number, which JSON does not have")
        elif isinstance(one, dict | list) and len(path) == MAX_DEPTH:
            yield FieldError(path[:3], f"has more than {MAX_DEPTH} levels")
            return
        elif isinstance(one, list):
            left += [((*path, index), item) for index, item in reversed(list(enumerate(one)))]
        elif isinstance(one, dict):
            for key in one:
                if key in ("__classname__", "__id__") or UNSTORABLE.search(key):
                    yield FieldError(path, f"has the name {key[:80]!r}, which cannot be stored")
                    return  # no path could name what is below
            left += [((*path, key), item) for key, item in reversed(one.items())]


def _canonical(value: Any) -> str:
    """A text by which two values can be compared: 1, 1.0 and true differ, and so do two orders of keys."""
    return json.dumps(value)
