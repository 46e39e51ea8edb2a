"""The table in ``docs/security.md``: observed answers of each route to each caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.compatibility.environments import ROOT
from tests.security.callers import Caller
from tests.security.routes import ROUTES, Route
from tests.support import seen_in_docs

DOCUMENT = ROOT / "docs" / "security.md"
BEGIN, END = "<!-- measured: who gets what -->", "<!-- end -->"


def table(answers: Mapping[tuple[Caller, Route], str]) -> str:
    """The table as Markdown; callers with the same answers share a column, routes with the same answers a row."""
    # Not a set: the order must be stable.
    everybody = sorted(dict.fromkeys(caller for caller, _ in answers), key=lambda caller: caller.right)
    columns: dict[tuple[str, ...], list[str]] = {}
    for caller in everybody:
        names = columns.setdefault(tuple(answers[caller, route] for route in ROUTES), [])
        if caller.name not in names:
            names.append(caller.name)
    rows: dict[tuple[str, ...], list[str]] = {}
    for route, seen in zip(ROUTES, zip(*columns, strict=True), strict=True):
        rows.setdefault(seen, []).append(route.name)
    head = ["", *("; ".join(names) for names in columns.values())]
    lines = [head, ["---"] * len(head), *([", ".join(names), *seen] for seen, names in rows.items())]
    return "\n".join(_line(cells) for cells in lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def check(wanted: str) -> None:
    """Compare the document with ``wanted``, or update it; see ``tests.support.seen_in_docs``."""
    seen_in_docs.check(DOCUMENT, BEGIN, END, wanted, renew="tests/security")
