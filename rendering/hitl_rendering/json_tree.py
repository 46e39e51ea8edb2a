"""Formats JSON: indented, and as a collapsible tree; values are kept as in the source."""

from __future__ import annotations

import json
import re
from itertools import accumulate

from hitl_rendering.plain_text import inline, plain

MAX_VALUES = 4_000
"""Maximum values in a tree, which browsers render slowly; beyond that, JSON is shown as text."""
MAX_DEPTH = 60
MAX_CHARS = 5_000_000
"""Maximum length of indented text: nesting can make a short text grow without bound."""

_GROUP = 100
_OPEN_LEVELS = 2
_SHORT = 60
"""A tree of at most this many values is open at more levels: it is read faster than unfolded."""
_SHORT_OPEN_LEVELS = 8
"""What is deeper has too little room on a phone."""
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}:,]|[^\s\[\]{}:,"]+')
_DEPTH = {"[": 1, "{": 1, "]": -1, "}": -1}
_CLOSING = {"[": "]", "{": "}"}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Document:
    """A JSON text, as Python accepts it: ``NaN`` and duplicate keys are allowed.

    Raises:
        ValueError: it is not JSON, or too deeply nested to parse.
    """

    def __init__(self, text: str) -> None:
        try:
            # Only to validate: Python need not be able to represent the numbers.
            json.loads(text, parse_int=str, parse_float=str)
        except RecursionError:
            raise ValueError("This JSON is too deeply nested.") from None
        self._tokens: list[str] = _TOKEN.findall(text)
        self._at = 0

    @property
    def depth(self) -> int:
        """Nesting depth."""
        return max(accumulate(_DEPTH.get(token, 0) for token in self._tokens))

    @property
    def values(self) -> int:
        """Number of values, including objects and lists."""
        count = self._tokens.count
        return len(self._tokens) - count(",") - 2 * count(":") - count("]") - count("}")

    def pretty(self) -> str:
        """Return the text indented.

        Raises:
            ValueError: it is too deeply nested, or becomes too long.
        """
        if self.depth > MAX_DEPTH:
            raise ValueError(f"This JSON is nested more than {MAX_DEPTH} levels deep.")
        breaks = ["\n" + "  " * level for level in range(MAX_DEPTH + 1)]
        parts: list[str] = []
        level = size = 0
        last = ""
        for part in self._tokens:
            if last in _CLOSING and part != _CLOSING[last]:
                level += 1
                parts.append(breaks[level])
                size += 2 * level
            if part == ",":
                parts.append("," + breaks[level])
                size += 2 * level
            elif part == ":":
                parts.append(": ")
            elif part in ("]", "}"):
                if _CLOSING.get(last) != part:
                    level -= 1
                    parts.append(breaks[level])
                parts.append(part)
            else:
                parts.append(_string(part) if "\\" in part else part)
                size += len(part)
            if size > MAX_CHARS:
                raise ValueError("This JSON is very long when it is indented.")
            last = part
        return "".join(parts)

    def tree(self) -> str:
        """Return a collapsible tree as HTML.

        Raises:
            ValueError: it is too large or too deeply nested for that; the message says so.
        """
        values = self.values
        if values > MAX_VALUES:
            raise ValueError(f"This JSON has {values:,} values.")
        if self.depth > MAX_DEPTH:
            raise ValueError(f"This JSON is nested more than {MAX_DEPTH} levels deep.")
        self._at = 0
        open_levels = _SHORT_OPEN_LEVELS if values <= _SHORT else _OPEN_LEVELS
        return f'<div class="hitl-json">{self._value("", open_levels)}</div>'

    def _value(self, label: str, open_levels: int) -> str:
        part = self._next()
        if part not in _CLOSING:
            return f"{label}{_scalar(part)}"
        closing = _CLOSING[part]
        items: list[str] = []
        while self._tokens[self._at] != closing:
            if part == "{":
                key = f'<span class="key">{inline(_string(self._next()))}</span>: '
                self._next()  # the colon
            else:
                nested = self._tokens[self._at] in _CLOSING
                key = f'<span class="count">{len(items)}: </span>' if nested else ""
            items.append(f"<li>{self._value(key, open_levels - 1)}</li>")
            if self._tokens[self._at] == ",":
                self._next()
        self._next()  # the closing bracket
        if not items:
            return f"{label}{part}{closing}"
        what = "entry" if len(items) == 1 else "entries"
        summary = f'{label}{part} <span class="count">{len(items):,} {what}</span> {closing}'
        return _fold(summary, _list(items), is_open=open_levels > 0)

    def _next(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]


def _list(items: list[str]) -> str:
    """Render a list; a long one in groups."""
    if len(items) > _GROUP:
        items = [
            "<li>"
            + _fold(
                f'<span class="count">[{start} … {min(start + _GROUP, len(items)) - 1}]</span>',
                _list(items[start : start + _GROUP]),
                is_open=start == 0,
            )
            + "</li>"
            for start in range(0, len(items), _GROUP)
        ]
    return f"<ul>{''.join(items)}</ul>"


def _fold(summary: str, inner: str, *, is_open: bool) -> str:
    return f"<details{' open' if is_open else ''}><summary>{summary}</summary>{inner}</details>"


def _scalar(token: str) -> str:
    if not token.startswith('"'):
        kind = {"true": "boolean", "false": "boolean", "null": "null"}.get(token, "number")
        return f'<span class="{kind}">{inline(token)}</span>'
    if "\\n" in token:
        value: str = json.loads(token)
        if "\n" in value and _is_encodable(value):
            shown = _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", value)
            return f'<div class="string">{plain(shown)}</div>'
    return f'<span class="string">{inline(_string(token))}</span>'


def _string(token: str) -> str:
    """Render a string without unnecessary escapes; required escapes are kept."""
    if "\\" not in token:
        return token
    value = json.loads(token)
    return json.dumps(value, ensure_ascii=False) if _is_encodable(value) else token


def _is_encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
