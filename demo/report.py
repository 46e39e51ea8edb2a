"""The demo's honest work: a report about a small table, rewritten as the reviewer asks.

It stands where a language model would. It understands a few wishes and says so plainly when it does not
understand one; everything it writes is computed from the file.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from demo.feedback import own_words

DATA = Path(__file__).parent / "data" / "sales.csv"


@dataclass(frozen=True)
class Row:
    """One line of the file; revenue in euros."""

    month: str
    region: str
    product: str
    units: int
    revenue: int


@dataclass(frozen=True)
class Wishes:
    """What the report is to look like."""

    by: str = "month"
    as_table: bool = False
    brief: bool = False
    with_growth: bool = False
    with_units: bool = False
    unknown: tuple[str, ...] = ()


def read(path: Path = DATA) -> list[Row]:
    """Read the file."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Row(r["month"], r["region"], r["product"], int(r["units"]), int(r["revenue"]))
            for r in csv.DictReader(file)
        ]


_RULES: tuple[tuple[str, Callable[[Wishes], Wishes]], ...] = (
    (r"\bregions?\b", lambda w: replace(w, by="region")),
    (r"\bproducts?\b", lambda w: replace(w, by="product")),
    (r"\bmonth(s|ly)?\b", lambda w: replace(w, by="month")),
    (r"\btable\b", lambda w: replace(w, as_table=True)),
    (r"\b(list|bullets?)\b", lambda w: replace(w, as_table=False)),
    (r"\b(short|shorter|brief|briefer)\b", lambda w: replace(w, brief=True)),
    (r"\b(longer|detail|details|detailed)\b", lambda w: replace(w, brief=False)),
    (r"\b(growth|change|trend)\b", lambda w: replace(w, with_growth=True)),
    (r"\b(units|pieces|quantit(y|ies))\b", lambda w: replace(w, with_units=True)),
)


def understand(feedbacks: Iterable[str]) -> Wishes:
    """Turn all feedback so far into wishes, the latest last."""
    wishes = Wishes()
    for feedback in map(own_words, feedbacks):
        known = False
        for pattern, change in _RULES:
            if re.search(pattern, feedback, re.IGNORECASE):
                wishes, known = change(wishes), True
        wishes = replace(wishes, unknown=() if known else (feedback,))
    return wishes


def write(rows: list[Row], wishes: Wishes = Wishes()) -> str:
    """Write the report as Markdown."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[getattr(row, wishes.by)].append(row)
    revenue = {name: sum(r.revenue for r in group) for name, group in sorted(groups.items())}
    units = {name: sum(r.units for r in group) for name, group in sorted(groups.items())}
    total = sum(revenue.values())
    best = max(revenue, key=lambda name: revenue[name])

    lines = [f"# Sales by {wishes.by}", ""]
    lines.append(
        f"Revenue from {rows[0].month} to {rows[-1].month} was **€{total:,}**. "
        f"The best {wishes.by} was **{best}** with €{revenue[best]:,} ({revenue[best] / total:.0%})."
    )
    if not wishes.brief:
        lines += ["", *_figures(revenue, units, wishes)]
    if wishes.with_growth:
        lines += ["", _growth(rows)]
    if wishes.unknown:
        lines += [
            "",
            f"> I did not understand: “{wishes.unknown[0]}”. Try *by region*, *as a table*, *shorter*.",
        ]
    return "\n".join(lines)


def _figures(revenue: dict[str, int], units: dict[str, int], wishes: Wishes) -> list[str]:
    if wishes.as_table:
        head = [wishes.by.capitalize(), "Revenue", *(["Units"] if wishes.with_units else [])]
        lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
        for name, euros in revenue.items():
            cells = [name, f"€{euros:,}", *([f"{units[name]:,}"] if wishes.with_units else [])]
            lines.append("| " + " | ".join(cells) + " |")
        return lines
    return [
        f"- {name}: €{euros:,}" + (f", {units[name]:,} units" if wishes.with_units else "")
        for name, euros in revenue.items()
    ]


def _growth(rows: list[Row]) -> str:
    months = sorted({row.month for row in rows})
    first, last = (sum(r.revenue for r in rows if r.month == m) for m in (months[0], months[-1]))
    return f"From {months[0]} to {months[-1]} monthly revenue changed by {last / first - 1:+.1%}."
