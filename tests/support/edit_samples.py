"""Types of outputs, and values of them, for the editor."""

from __future__ import annotations

from datetime import date, datetime, time, timezone
from decimal import Decimal
from enum import Enum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Level(str, Enum):
    LOW = "low"
    HIGH = "high"


class Region(BaseModel):
    """Figures of a region."""

    name: str
    revenue: float = Field(title="Revenue", description="In thousands of euros")
    level: Level
    checked: bool = False
    note: str | None = None


class Letter(BaseModel):
    kind: Literal["letter"] = "letter"
    subject: str
    body: str


class Call(BaseModel):
    kind: Literal["call"] = "call"
    subject: str
    minutes: int


class Part(BaseModel):
    """A part of a report, which may have parts."""

    title: str
    parts: list[Part] = []


class Contact(BaseModel):
    name: str
    email: str | None = None


class Report(BaseModel):
    """The report of a quarter."""

    headline: str = Field(description="One sentence for the first page")
    summary: str
    invoice: int
    ratio: float
    due: date
    sent_at: datetime
    starts: time
    level: Level
    final: bool
    approved: bool | None = None
    remark: str | None = None
    share: float | None = None
    price: Decimal = Decimal(0)
    tags: list[str]
    regions: list[Region]
    next_step: Letter | Call = Field(discriminator="kind")
    contact: Contact | None = None
    counts: dict[str, int]
    parts: list[Part]
    answer: int | str = 1


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")

    name: str


def report(rows: int = 3) -> Report:
    """A report with all kinds of fields."""
    names = ["EMEA", "APAC", "Latin America"]
    return Report(
        headline="Revenue grew by 4 % \N{CHART WITH UPWARDS TREND}",
        summary="The quarter was good.\n\nThe next one will be better, if the two new plants start in time.",
        invoice=2**53 + 1,
        ratio=1.0,
        due=date(2026, 3, 31),
        sent_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
        starts=time(9, 30),
        level=Level.LOW,
        final=True,
        tags=["quarter", "draft"],
        regions=[
            Region(name=names[index % 3], revenue=1200.5 + index, level=Level.HIGH, note="" if index == 1 else None)
            for index in range(rows)
        ],
        next_step=Letter(subject="Figures", body="Dear all,\nhere they are."),
        counts={"2": 2, "b": 1, "a": 3},
        parts=[Part(title="One", parts=[Part(title="One and a half")]), Part(title="Two")],
    )


TYPED: dict[str, Any] = {
    "outputs": [report().model_dump_json(indent=2)],
    "format": "json",
    "output_schema": Report.model_json_schema(),
}
"""A review of such a report, for ``tests.support.seed_pages``."""
