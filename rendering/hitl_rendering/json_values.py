"""JSON as Python values, with numbers as they are written: Python need not be able to represent them."""

from __future__ import annotations

import json
from typing import Any


class Number(str):
    """A number as it is written, or ``NaN`` or ``Infinity``."""


def parse(text: str) -> Any:
    """Parse JSON, as Python accepts it.

    Raises:
        ValueError: it is not JSON, too deeply nested, or an object has a key twice.
    """
    try:
        return json.loads(
            text, parse_int=Number, parse_float=Number, parse_constant=Number, object_pairs_hook=_object
        )
    except RecursionError:
        raise ValueError("This JSON is too deeply nested.") from None


def written(value: Any) -> str:
    """Return a parsed value as JSON on one line."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return f"{{{', '.join(f'{written(key)}: {written(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("An object has a key twice.")
    return made
