"""Columns of numbers, which tables align to the right."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markdown_it.rules_core import StateCore
from markdown_it.token import Token

_NUMBER = re.compile(
    r"[(+\-−–±~≈<>≤≥]*\s*[$€£¥₹]?\s*[+\-−]?\d[\d.,'’\u00a0\u202f ]*(e[+-]?\d+)?"
    r"\s*(%|‰|[kKMGT]?[Bb]|[a-zµ°]{1,3}|[$€£¥₹])?\)?"
)
_NOTHING = {"", "-", "–", "—", "n/a", "N/A", "null", "None", "NaN", "nan"}
_EMPHASIS = re.compile("[*_`~]")


def is_numeric(cells: Sequence[str]) -> bool:
    """Whether a column's cells are numbers, with a unit or a sign around them at most; empty cells do not count."""
    told = [cell for cell in (_EMPHASIS.sub("", cell).strip() for cell in cells) if cell not in _NOTHING]
    return bool(told) and all(_NUMBER.fullmatch(cell) for cell in told)


def align_numbers(state: StateCore) -> None:
    """Rule of the Markdown parser: mark the cells of columns of numbers, and those that the author has aligned.

    A style would be dropped, so cells get a class.
    """
    rows: list[list[tuple[Token, str]]] = []
    for index, token in enumerate(state.tokens):
        if token.type == "table_open":
            rows = []
        elif token.type == "tr_open":
            rows.append([])
        elif token.type in ("th_open", "td_open"):
            rows[-1].append((token, state.tokens[index + 1].content))
        elif token.type == "table_close":
            _align(rows)


def _align(rows: list[list[tuple[Token, str]]]) -> None:
    head, *body = rows
    for column, (title, _) in enumerate(head):
        cells = [row[column] for row in body if column < len(row)]
        style = str(title.attrs.get("style", ""))
        if style:
            css = {"text-align:right": "hitl-number", "text-align:center": "hitl-center"}.get(style)
        else:
            css = "hitl-number" if is_numeric([content for _, content in cells]) else None
        for token in (title, *(token for token, _ in cells)):
            token.attrs = {"class": css} if css else {}
