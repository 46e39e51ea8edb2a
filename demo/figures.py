"""The second demo's work: a quarter's figures as JSON, with one believable mistake until somebody names it.

It stands where a language model would, and errs as one does: it adds up the lines whose region it knows. Since
April a warehouse has been writing ``WEST`` where all others write ``West``, so the first output lacks the returns
of a region. Its sums agree with each other; only the data shows what is wrong.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data" / "revenue.csv"
REGIONS = ("North", "South", "East", "West")
BEFORE, QUARTER = "2026-Q1", "2026-Q2"
NAMES_THE_CAUSE = re.compile(r"\b(west|returns?|capitals?|spell\w*|spelt)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Line:
    """One line of the file; the amount in euros, negative for returns."""

    quarter: str
    region: str
    amount: int


def read(path: Path = DATA) -> list[Line]:
    """Read the file."""
    with path.open(newline="", encoding="utf-8") as file:
        return [Line(_quarter(r["month"]), r["region"], int(r["amount"])) for r in csv.DictReader(file)]


def write(lines: list[Line], feedbacks: Iterable[str] = ()) -> dict[str, Any]:
    """The figures and a summary, after all ``feedbacks`` so far."""
    told = list(feedbacks)
    if any(NAMES_THE_CAUSE.search(feedback) for feedback in told):
        lines = [Line(line.quarter, line.region.title(), line.amount) for line in lines]
    regions = [_region(lines, name) for name in REGIONS]
    total, before = (sum(_revenue(lines, name, quarter) for name in REGIONS) for quarter in (QUARTER, BEFORE))
    figures = {
        "quarter": QUARTER,
        "summary": _summary(regions, total, before),
        "total": total,
        "regions": regions,
    }
    if told and not NAMES_THE_CAUSE.search(told[-1]):
        figures["note"] = f"I did not understand: “{told[-1].strip()}”. Name the region that is wrong."
    return figures


def _summary(regions: list[dict[str, Any]], total: int, before: int) -> str:
    ranked = sorted(regions, key=lambda region: region["growth_percent"])
    best, worst = ranked[-1], ranked[0]
    text = f"Revenue in {QUARTER} was €{total:,}, {_change(total, before):+}% on the quarter before. "
    text += f"{best['region']} grew most, by {best['growth_percent']}%"
    if worst["growth_percent"] < 0:
        return f"{text}; {worst['region']} shrank by {-worst['growth_percent']}%."
    return f"{text}, and no region shrank."


def _region(lines: list[Line], name: str) -> dict[str, Any]:
    now, before = _revenue(lines, name, QUARTER), _revenue(lines, name, BEFORE)
    return {"region": name, "revenue": now, "growth_percent": _change(now, before)}


def _revenue(lines: list[Line], region: str, quarter: str) -> int:
    return sum(line.amount for line in lines if line.region == region and line.quarter == quarter)


def _change(now: int, before: int) -> float:
    return round(100 * (now / before - 1), 1)


def _quarter(month: str) -> str:
    year, number = month.split("-")
    return f"{year}-Q{(int(number) + 2) // 3}"
