"""The session list of the test server: filters, order and rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from hitl_notebook.records import ReviewKey, read_time

_ONLY_IN_REVIEW = ("current_output", "output_format", "conversation")

OrderBy = Literal[
    "updated_at",
    "-updated_at",
    "created_at",
    "-created_at",
    "deadline_at",
    "-deadline_at",
    "dag_id",
    "-dag_id",
    "run_id",
    "-run_id",
    "task_id",
    "-task_id",
]


def row(item: dict[str, Any]) -> dict[str, Any]:
    """A session in the list."""
    listed = {name: value for name, value in item.items() if name not in _ONLY_IN_REVIEW}
    return {**listed, "prompt": item["prompt"][:300]}


def key_in(item: dict[str, Any]) -> ReviewKey:
    """Key of the task instance of a session."""
    return ReviewKey(item["dag_id"], item["run_id"], item["task_id"], item["map_index"])


def waits(item: dict[str, Any]) -> bool:
    """Whether a session waits for a decision."""
    return item["status"] == "pending_review" and not item["task_completed"]


def mentions(item: dict[str, Any], text: str) -> bool:
    """Whether an id or the prompt contains this text, ignoring case."""
    return any(text.casefold() in item[name].casefold() for name in ("dag_id", "run_id", "task_id", "prompt"))


def in_order(order_by: str, items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sessions without a value come last in either direction; ties are ordered by id."""
    field = order_by.removeprefix("-")
    items = sorted(items, key=key_in)
    known = [item for item in items if item[field] is not None]
    read = read_time if field.endswith("_at") else str
    known.sort(key=lambda item: read(item[field]), reverse=order_by.startswith("-"))
    return known + [item for item in items if item[field] is None]
