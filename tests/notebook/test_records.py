from __future__ import annotations

import dataclasses
from datetime import datetime, timezone

import pytest

import hitl_notebook
from hitl_notebook import ReviewKey, User
from hitl_notebook.records import ReviewPage, parse_page, parse_review, parse_user
from tests.notebook.server import page, review, session, turn


@pytest.mark.parametrize(
    "written", ["2030-01-02T03:04:05Z", "2030-01-02T03:04:05+00:00", "2030-01-02T04:04:05+01:00"]
)
def test_times_are_aware(written: str) -> None:
    expected = datetime(2030, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    read = parse_review(session(created_at=written, updated_at=written, deadline_at=written, decided_at=written))
    assert [read.created_at, read.updated_at, read.deadline_at, read.decided_at] == [expected] * 4
    assert read.created_at.tzinfo is not None


def test_a_review_is_read_whole() -> None:
    key = ReviewKey("d", "r+1", "t", 3)
    turns = [turn("output", "one", 1), turn("feedback", "more", 1, {"id": "7", "name": "Ada"})]
    read = parse_review(session(key, conversation=turns, decided_by={"id": 7, "name": "Ada"}, extra="ignored"))
    assert read.key == key
    assert [(t.kind, t.content, t.user) for t in read.conversation] == [
        ("output", "one", None),
        ("feedback", "more", User("7", "Ada")),
    ]
    assert read.decided_by == User("7", "Ada")
    assert (read.deadline_at, read.decided_at, read.last_error) == (None, None, None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        read.status = "approved"  # type: ignore[misc]


def test_a_page_is_read_in_order() -> None:
    items = [session(ReviewKey(name, "r", "t")) for name in "ba"]
    rows = parse_page({"sessions": items, "total_entries": 9})
    assert [row.key.dag_id for row in rows] == ["b", "a"]
    assert (len(rows), rows.total_entries) == (2, 9)
    assert isinstance(page(), ReviewPage)


@pytest.mark.parametrize(
    ("text", "output_format", "expected"),
    [("# Hi", "text", "# Hi"), ('{"a": [1, null]}', "json", {"a": [1, None]}), ('"{"', "text", '"{"')],
)
def test_output(text: str, output_format: str, expected: object) -> None:
    assert review(current_output=text, output_format=output_format).output == expected


@pytest.mark.parametrize(
    ("status", "completed", "expected"),
    [("pending_review", False, True), ("pending_review", True, False), ("approved", False, False)],
)
def test_is_pending(status: str, completed: bool, expected: bool) -> None:
    assert review(status=status, task_completed=completed).is_pending is expected


def test_nobody_is_no_user() -> None:
    assert parse_user(None) is None
    assert ReviewKey("d", "r", "t").map_index == -1


def test_exported_names() -> None:
    for name in hitl_notebook.__all__:
        assert getattr(hitl_notebook, name).__name__ == name
    assert "nothing" not in dir(hitl_notebook)
    with pytest.raises(AttributeError, match="nothing"):
        _ = hitl_notebook.nothing
