"""A page of the inbox, shown as a table: plain text in a terminal, HTML in a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from html import escape
from typing import Any, overload

from hitl_notebook.records import ReviewKey, ReviewSummary, parse_keyed, parse_summary
from hitl_rendering.plain_text import encodable

_HEAD = ("status", "dag_id", "task_id", "run_id", "round", "created", "due", "output")
_SHOWN = 60
"""Maximum rows in a table; more would bury the cell's other output."""
_WIDTH = 48
"""Maximum characters in a text column."""


@dataclass(frozen=True)
class FirstOutput:
    """A task that makes its first output, and says what it does meanwhile; it has no review yet.

    Attributes:
        key: the task instance.
        started_at: when it started; timezone-aware.
    """

    key: ReviewKey
    started_at: datetime | None


@dataclass(frozen=True, repr=False)
class ReviewPage:
    """One page of reviews and the total count. Can be iterated over and indexed like a tuple.

    Attributes:
        reviews: the reviews on this page.
        total_entries: number of reviews that match the filters, on all pages.
        waiting: number of pending reviews that you may read, regardless of the filters; None if the server
            does not say.
        dag_ids: the DAGs with reviews that you may read, sorted; empty from older servers.
        offset: number of reviews before this page.
        being_made: tasks that make their first output and say so; on the first page only.
        notice: a note about this list for the user; empty if there is none.
    """

    reviews: tuple[ReviewSummary, ...]
    total_entries: int
    waiting: int | None = None
    dag_ids: tuple[str, ...] = ()
    offset: int = 0
    notice: str = ""
    being_made: tuple[FirstOutput, ...] = ()

    def __iter__(self) -> Iterator[ReviewSummary]:
        return iter(self.reviews)

    def __len__(self) -> int:
        return len(self.reviews)

    @overload
    def __getitem__(self, index: int) -> ReviewSummary: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[ReviewSummary, ...]: ...

    def __getitem__(self, index: int | slice) -> ReviewSummary | tuple[ReviewSummary, ...]:
        return self.reviews[index]

    def __repr__(self) -> str:
        return _text_table(self.reviews, self.total_entries, self.notice)

    def _repr_html_(self) -> str:
        return _html_table(self.reviews, self.total_entries, self.notice)


@dataclass(frozen=True)
class CachedPage:
    """A page with its ETag, for conditional requests."""

    page: ReviewPage
    etag: str | None


def parse_page(value: dict[str, Any], offset: int = 0) -> ReviewPage:
    """Parse the response of ``GET /sessions``; ``offset`` is the requested one."""
    return ReviewPage(
        reviews=tuple(parse_summary(item) for item in value["sessions"]),
        total_entries=int(value["total_entries"]),
        waiting=int(value["waiting"]) if value.get("waiting") is not None else None,
        dag_ids=tuple(str(dag_id) for dag_id in value.get("dag_ids") or ()),
        offset=offset,
        being_made=tuple(parse_keyed(item, FirstOutput) for item in value.get("being_made") or ()),
    )


def _text_table(reviews: Sequence[ReviewSummary], total: int, notice: str = "") -> str:
    """Return a plain-text table; control characters are escaped, so that no terminal acts on them."""
    lines = [_HEAD, *([_cut(_printable(cell)) for cell in _cells(review)] for review in reviews[:_SHOWN])]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    return "\n".join(line.rstrip() for line in [*(table if reviews else ()), _footer(reviews, total, notice)])


def _html_table(reviews: Sequence[ReviewSummary], total: int, notice: str = "") -> str:
    """Return the table as HTML; all text is escaped."""
    footer = f"<p>{escape(_footer(reviews, total, notice))}</p>"
    if not reviews:
        return footer
    head = "".join(f"<th>{escape(name)}</th>" for name in _HEAD)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(encodable(cell))}</td>" for cell in _cells(review)) + "</tr>"
        for review in reviews[:_SHOWN]
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{footer}"


def _cells(review: ReviewSummary) -> tuple[str, ...]:
    key = review.key
    return (
        f"{review.status}, task ended"
        if review.task_completed and review.status.startswith("pending")
        else review.status,
        key.dag_id,
        key.task_id + (f"[{key.map_index}]" if key.map_index >= 0 else ""),
        key.run_id,
        f"{review.iteration} of {review.max_iterations}",
        _minute(review.created_at),
        _minute(review.deadline_at),
        review.output_excerpt or review.prompt,
    )


def _footer(reviews: Sequence[ReviewSummary], total: int, notice: str) -> str:
    return f"{_count(reviews, total)} {notice}".rstrip()


def _count(reviews: Sequence[ReviewSummary], total: int) -> str:
    if not total:
        return "No reviews."
    shown = min(len(reviews), _SHOWN)
    count = "1 review" if total == 1 else f"{total:,} reviews"
    return f"{count}." if shown == total else f"{shown:,} of {count}."


def _minute(at: datetime | None) -> str:
    return at.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M UTC") if at is not None else ""


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
