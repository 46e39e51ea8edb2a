"""Watches the SQL statements of ``airflow_hitl_review`` while they run.

Each one is compiled for every database that Airflow supports, whichever this one is. That every one has run is seen
from the lines of the functions that make them: a new function, or a new branch in one, must run, too.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from sqlalchemy import Select, event
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import Engine
from sqlalchemy.sql import visitors

import airflow_hitl_review

PACKAGE = Path(airflow_hitl_review.__file__).parent

_DIALECTS: dict[str, Any] = {one.name: one() for one in (mysql.dialect, postgresql.dialect, sqlite.dialect)}
_DIALECTS["mysql"].server_version_info = (8, 0)

_EXECUTES = {"execute", "scalar", "scalars"}


class Watch:
    """What has run since it was made, in this thread.

    Attributes:
        refused: statements that a database would refuse, each with the reason.
        lines: numbers of the lines that ran, by file of the package.
        count: how many statements ran.
    """

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.lines: dict[Path, set[int]] = defaultdict(set)
        self.count = 0
        self._files: dict[CodeType, Path | None] = {}
        event.listen(Engine, "before_execute", self._see)
        sys.settrace(self._enter)

    def _see(self, _: Any, statement: Any, *__: Any) -> None:
        if not self._is_in_package(sys._getframe()):
            return
        self.count += 1
        for name, dialect in _DIALECTS.items():
            try:
                reason = _reason(name, statement, str(statement.compile(dialect=dialect)))
            except Exception as error:  # noqa: BLE001 - SQLAlchemy raises many kinds
                reason = repr(error)
            if reason is not None:
                self.refused.append(f"{name}: {reason}: {statement}")

    def _is_in_package(self, frame: FrameType | None) -> bool:
        while frame is not None:
            if self._file(frame.f_code) is not None:
                return True
            frame = frame.f_back
        return False

    def _file(self, code: CodeType) -> Path | None:
        if code not in self._files:
            path = Path(code.co_filename)
            self._files[code] = path if path.is_relative_to(PACKAGE) else None
        return self._files[code]

    def _enter(self, frame: FrameType, *_: Any) -> Any:
        file = self._file(frame.f_code)
        if file is None:
            return None
        lines = self.lines[file]

        def line(frame: FrameType, *_: Any) -> Any:
            lines.add(frame.f_lineno)
            return line

        return line


def _reason(name: str, statement: Any, compiled: str) -> str | None:
    """Why MySQL refuses what SQLAlchemy compiles for it; None if it does not, as far as can be told here."""
    if name != "mysql":
        return None
    if re.search(r"\bNULLS (FIRST|LAST)\b|\bRETURNING\b", compiled):
        return "it has no such words"
    if statement.is_dml and not statement.is_insert:
        inner = [one for one in visitors.iterate(statement) if isinstance(one, Select)]
        if any(statement.table in one.get_final_froms() for one in inner):
            return "it does not change a table that a subquery reads (error 1093)"
    return None


def lines_not_run(ran: dict[Path, set[int]], dialect: str) -> list[str]:
    """Lines of the functions with SQL, in the whole package, that did not run, as ``file:line``.

    Not those for other databases than this one, nor what runs only after an exception.
    """
    left = []
    for file in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        makers = _imported_from_sqlalchemy(tree)
        for function in ast.walk(tree) if makers else ():
            if isinstance(function, ast.FunctionDef) and _has_sql(function, makers):
                lines = (one.lineno for one in _statements(function.body, dialect))
                left += [f"{file.relative_to(PACKAGE)}:{n}" for n in lines if n not in ran.get(file, ())]
    return left


def _imported_from_sqlalchemy(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy"):
            found |= {alias.asname or alias.name for alias in node.names}
    return found


def _has_sql(function: ast.FunctionDef, makers: set[str]) -> bool:
    calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    return any(
        (isinstance(called, ast.Name) and called.id in makers - {"Session", "inspect"})
        or (isinstance(called, ast.Attribute) and called.attr in _EXECUTES)
        for called in calls
    )


def _statements(body: list[ast.stmt], dialect: str) -> Iterator[ast.stmt]:
    """Python's statements in a function, with those in its blocks."""
    for one in body:
        if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant):
            continue  # a docstring
        yield one
        named = _dialect_asked_for(one)
        if named is None or named == dialect:
            yield from _statements(getattr(one, "body", []), dialect)
        if named is None or named != dialect:
            yield from _statements(getattr(one, "orelse", []), dialect)
        yield from _statements(getattr(one, "finalbody", []), dialect)


def _dialect_asked_for(one: ast.stmt) -> str | None:
    """The database that an ``if`` is about; None for any other statement."""
    if isinstance(one, ast.If) and isinstance(one.test, ast.Compare):
        (right,) = one.test.comparators
        if isinstance(right, ast.Constant) and right.value in _DIALECTS and isinstance(one.test.ops[0], ast.Eq):
            return str(right.value)
    return None
