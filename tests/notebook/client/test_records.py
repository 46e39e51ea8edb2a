from __future__ import annotations

import dataclasses
from datetime import datetime, timezone

import pytest

import hitl_notebook
from airflow_hitl_review.core.states import SessionStatus
from hitl_notebook import ReviewKey, User
from hitl_notebook.client.review_page import ReviewPage, parse_page
from hitl_notebook.records import STATUSES, parse_review, parse_user
from tests.notebook.hostile import HOSTILE, harmless
from tests.notebook.server import page, review, session, turn


@pytest.mark.parametrize(
    "written", ["2030-01-02T03:04:05Z", "2030-01-02T03:04:05+00:00", "2030-01-02T04:04:05+01:00"]
)
def test_times_are_timezone_aware(written: str) -> None:
    expected = datetime(2030, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    read = parse_review(session(created_at=written, updated_at=written, deadline_at=written, decided_at=written))
    assert [read.created_at, read.updated_at, read.deadline_at, read.decided_at] == [expected] * 4
    assert read.created_at.tzinfo is not None


def test_review_is_parsed_completely() -> None:
    key = ReviewKey("d", "r+1", "t", 3)
    turns = [turn("output", "one", 1), turn("feedback", "more", 1, {"id": "7", "name": "Ada"})]
    read = parse_review(session(key, conversation=turns, decided_by={"id": "7", "name": "Ada"}, extra="ignored"))
    assert read.key == key
    assert [(t.kind, t.content, t.user) for t in read.conversation] == [
        ("output", "one", None),
        ("feedback", "more", User("7", "Ada")),
    ]
    assert read.decided_by == User("7", "Ada")
    assert (read.deadline_at, read.decided_at, read.last_error) == (None, None, None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        read.status = "approved"  # type: ignore[misc]


def test_page_keeps_order() -> None:
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


@pytest.mark.parametrize(
    ("status", "completed", "expected"),
    [
        ("pending_review", False, True),
        ("changes_requested", False, True),
        ("changes_requested", True, False),
        ("approved", False, False),
        ("something new", False, False),
    ],
)
def test_is_open(status: str, completed: bool, expected: bool) -> None:
    assert review(status=status, task_completed=completed).is_open is expected


def test_page_of_an_older_server() -> None:
    item = session()
    del item["output_excerpt"]
    older = parse_page({"sessions": [item], "total_entries": 1})
    assert (older.waiting, older.dag_ids, older.offset) == (None, (), 0)
    assert older[0].output_excerpt == ""
    assert parse_review(item).output_excerpt == ""


def test_page_of_a_current_server() -> None:
    value = {"sessions": [session()], "total_entries": 51, "waiting": 7, "dag_ids": ["a", "b"], "more": "ignored"}
    rows = parse_page(value, 50)
    assert (rows.waiting, rows.dag_ids, rows.offset) == (7, ("a", "b"), 50)
    assert rows[0].output_excerpt == "# First draft"
    assert rows[-1:] == rows.reviews
    assert parse_page({**value, "waiting": None}).waiting is None


def test_repr_is_short() -> None:
    turns = [turn("output", "x" * 1_000_000, 1), turn("feedback", "more", 1)]
    long = review(current_output="x" * 1_000_000, prompt="y" * 1_000_000, conversation=turns)
    assert len(repr(long)) < 2_000
    assert "conversation=<2 turns>" in repr(long)
    assert "xxx'… (1,000,000 characters)" in repr(long)
    assert "status='pending_review'" in repr(long)
    assert repr(long).startswith("Review(key=ReviewKey(dag_id='reports', ")
    assert len(repr(long.conversation)) < 1_000


def test_page_repr_is_a_table() -> None:
    rows = page(
        review(deadline_at="2030-01-02T03:04:05+01:00"),
        review(ReviewKey("d", "r", "t", 3), task_completed=True, output_excerpt=""),
        review(ReviewKey("d", "r", "u"), status="approved", output_excerpt="long " * 40),
    )
    lines = repr(rows).splitlines()
    assert lines[0].split() == ["status", "dag_id", "task_id", "run_id", "round", "created", "due", "output"]
    assert "2030-01-02 02:04 UTC" in lines[1]
    assert "t[3]" in lines[2]
    assert "task ended" in lines[2]
    assert "Write the report." in lines[2]
    assert lines[3].endswith("…")
    assert lines[-1] == "3 reviews."
    assert repr(page()) == "No reviews."
    assert page()._repr_html_() == "<p>No reviews.</p>"
    assert repr(ReviewPage(rows.reviews[:1], 12_345)).endswith("1 of 12,345 reviews.")
    many = page(*[review()] * 500)
    assert repr(many).endswith("60 of 500 reviews.")
    assert many._repr_html_().count("<tr>") == 61


@pytest.mark.parametrize("text", HOSTILE)
def test_table_escapes_hostile_text(text: str) -> None:
    rows = page(review(ReviewKey(text, text, text), prompt=text, output_excerpt=text, status=text))
    parts = harmless(rows._repr_html_(), also=["p"])
    assert set(parts.tags) == {"table", "thead", "tbody", "tr", "th", "td", "p"}
    assert repr(rows).replace("\n", "").isprintable()


def test_control_characters_do_not_break_the_table() -> None:
    text = "\x1b[31mred\x1b[0m\r\n\t\u202e\udc80\x00"
    rows = page(review(ReviewKey(text, text, text), output_excerpt=text))
    assert len(repr(rows).splitlines()) == 3
    assert "\x1b" not in repr(rows)
    repr(rows).encode()
    rows._repr_html_().encode()


def test_parse_user_of_none() -> None:
    assert parse_user(None) is None
    assert ReviewKey("d", "r", "t").map_index == -1


def test_statuses_match_the_plugin() -> None:
    assert tuple(status.value for status in SessionStatus) == STATUSES


def test_exported_names() -> None:
    for name in hitl_notebook.__all__:
        assert getattr(hitl_notebook, name).__name__ == name
    assert "nothing" not in dir(hitl_notebook)
    with pytest.raises(AttributeError, match="nothing"):
        _ = hitl_notebook.nothing
