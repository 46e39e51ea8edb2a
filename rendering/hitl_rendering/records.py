"""A JSON list of objects as a table; ``front_end/tables.js`` sorts and filters it, and adds the later rows."""

from __future__ import annotations

import json
from typing import Any

from hitl_rendering.json_values import Number, parse, written
from hitl_rendering.numeric_columns import is_numeric
from hitl_rendering.plain_text import encodable, inline

MAX_COLUMNS = 60
_MAX_CELLS = 400_000
_FIRST_ROWS = 100
"""Rows that are in the page at first; the others wait in a template."""


class Records:
    """Objects with the columns of a table.

    Args:
        text: JSON, as Python accepts it.

    Raises:
        ValueError: it is no list of objects, or too large for a table; the message says so.

    Attributes:
        columns: all keys, in the order in which they occur.
        is_flat: whether no value is an object or a list.
    """

    def __init__(self, text: str) -> None:
        rows = parse(text)
        if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
            raise ValueError("A table needs a JSON list of objects.")
        columns = {key: None for row in rows for key in row}
        if not columns or len(columns) > MAX_COLUMNS:
            raise ValueError(f"A table has 1 to {MAX_COLUMNS} columns; these objects have {len(columns):,} keys.")
        if len(rows) * len(columns) > _MAX_CELLS:
            raise ValueError(f"This table would have {len(rows) * len(columns):,} cells.")
        self._rows: list[dict[str, Any]] = rows
        self.columns = tuple(columns)
        self.is_flat = not any(isinstance(value, (dict, list)) for row in rows for value in row.values())

    @property
    def cells(self) -> list[list[str]]:
        """The cells row by row, as text whose first character is the kind of the value.

        ``n`` number, ``s`` string, ``w`` true, false or null, ``j`` JSON; empty if the object has no such key.
        """
        return [[_cell(row[key]) if key in row else "" for key in self.columns] for row in self._rows]

    def html(self) -> str:
        """Return the table."""
        cells = self.cells
        numeric = [_is_numeric([row[index] for row in cells]) for index in range(len(self.columns))]
        head = "".join(
            f'<th scope="col"{_css(is_number)}>{inline(name)}</th>'
            for name, is_number in zip(self.columns, numeric, strict=True)
        )
        body = "".join(
            f"<tr>{''.join(_cell_html(cell, n) for cell, n in zip(row, numeric, strict=True))}</tr>"
            for row in cells[:_FIRST_ROWS]
        )
        more = ""
        if len(cells) > _FIRST_ROWS:
            rest = json.dumps(cells[_FIRST_ROWS:], ensure_ascii=False, separators=(",", ":"))
            more = (
                f'<p class="hitl-meta hitl-more">The first {_FIRST_ROWS} of {len(cells):,} rows.</p>'
                f'<template class="hitl-rows">{inline(rest)}</template>'
            )
        return (
            f'<div class="hitl-table" data-rows="{len(cells)}">'
            '<div class="hitl-scroll" tabindex="0" role="region" aria-label="Table">'
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}</div></div>"
        )


def _cell(value: Any) -> str:
    if isinstance(value, Number):
        return f"n{value}"
    if isinstance(value, str):
        return f"s{encodable(value)}"
    if value is None or isinstance(value, bool):
        return f"w{json.dumps(value)}"
    return f"j{encodable(written(value))}"


def _is_numeric(cells: list[str]) -> bool:
    told = [cell for cell in cells if cell not in ("", "wnull")]
    return bool(told) and (
        all(cell[0] == "n" for cell in told)
        or (all(cell[0] in "ns" for cell in told) and is_numeric([cell[1:] for cell in told]))
    )


def _css(is_number: bool) -> str:
    return ' class="hitl-number"' if is_number else ""


def _cell_html(cell: str, is_number: bool) -> str:
    if cell[:1] in ("w", "j"):
        css = "hitl-word" if cell[0] == "w" else "hitl-value"
        return f'<td{_css(is_number)}><span class="{css}">{inline(cell[1:])}</span></td>'
    return f"<td{_css(is_number)}>{inline(cell[1:])}</td>"
