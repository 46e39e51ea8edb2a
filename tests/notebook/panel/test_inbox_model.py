from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hitl_notebook import ConnectionFailedError, ReviewKey, ReviewPage
from hitl_notebook.panel.inbox.model import PAGE_SIZE, InboxModel, PanelFilters
from tests.notebook.server import review
from tests.notebook.times import stamp

A, B, C = (ReviewKey(name, "r", "t") for name in "abc")


def page(*reviews: Any, total: int | None = None, waiting: int | None = None) -> ReviewPage:
    return ReviewPage(tuple(reviews), len(reviews) if total is None else total, waiting=waiting)


def listing(*reviews: Any, **of_page: Any) -> InboxModel:
    inbox = InboxModel()
    inbox.apply(inbox.filters, page(*reviews, **of_page))
    return inbox


def test_response_to_other_filters_is_not_shown() -> None:
    inbox = listing(review(A))
    before = inbox.filters
    inbox.narrow(status="approved", include_ended=True)
    inbox.apply(before, page(review(B)))
    assert [row.key for row in inbox.page or ()] == [A]
    inbox.apply(inbox.filters, page(review(C)))
    assert [row.key for row in inbox.page or ()] == [C]


def test_filtering_starts_at_the_first_page() -> None:
    inbox = listing(review(A), total=3 * PAGE_SIZE)
    inbox.turn_page(1)
    assert inbox.filters.offset == PAGE_SIZE
    inbox.narrow(text="sales")
    assert inbox.filters == PanelFilters(text="sales")
    assert inbox.filters.narrow
    assert not PanelFilters(include_ended=True, order_by="dag_id").narrow


@pytest.mark.parametrize(
    ("total", "by", "offset"),
    [(0, 1, 0), (PAGE_SIZE, 1, 0), (PAGE_SIZE + 1, 1, PAGE_SIZE), (PAGE_SIZE + 1, 5, PAGE_SIZE), (500, -1, 0)],
)
def test_page_offset_stays_in_range(total: int, by: int, offset: int) -> None:
    inbox = listing(review(A), total=total)
    inbox.turn_page(by)
    assert inbox.filters.offset == offset


def test_shrunken_list_shows_its_last_page() -> None:
    inbox = listing(review(A), total=3 * PAGE_SIZE)
    inbox.turn_page(2)
    inbox.apply(inbox.filters, page(total=PAGE_SIZE + 3))
    assert inbox.filters.offset == PAGE_SIZE


def test_filter_parameters() -> None:
    assert PanelFilters().parameters() == {
        "status": None,
        "dag_id": None,
        "q": None,
        "include_ended": False,
        "order_by": "-updated_at",
        "limit": PAGE_SIZE,
        "offset": 0,
    }


def test_arrivals_are_new_until_opened() -> None:
    inbox = listing(review(A, updated_at=stamp(1)))
    assert (inbox.new, inbox.announcement) == (frozenset(), "")
    inbox.apply(inbox.filters, page(review(B, updated_at=stamp(2)), review(A, updated_at=stamp(1))))
    assert inbox.new == {B}
    assert inbox.announcement == "New: b › t."
    inbox.apply(inbox.filters, page(review(B, updated_at=stamp(2)), review(A, updated_at=stamp(1))))
    assert inbox.new == {B}
    inbox.opened(B)
    assert inbox.new == frozenset()
    inbox.opened(None)


def test_next_output_is_new_but_decision_is_not() -> None:
    working = review(A, status="changes_requested", updated_at=stamp(1))
    inbox = listing(working, review(B, updated_at=stamp(1)))
    inbox.apply(
        inbox.filters,
        page(
            review(A, iteration=2, updated_at=stamp(5)),
            review(B, status="approved", updated_at=stamp(6)),
            review(C, updated_at=stamp(4)),
        ),
    )
    assert inbox.new == {A, C}
    assert inbox.announcement == "2 new reviews, the first is a › t."


def test_rows_of_another_page_are_not_new() -> None:
    inbox = listing(review(A, updated_at=stamp(9)), total=2 * PAGE_SIZE)
    inbox.turn_page(1)
    inbox.apply(inbox.filters, page(review(B, updated_at=stamp(3)), total=2 * PAGE_SIZE))
    inbox.turn_page(-1)
    inbox.apply(inbox.filters, page(review(A, updated_at=stamp(9)), total=2 * PAGE_SIZE))
    assert inbox.new == frozenset()


def test_the_first_review_of_an_empty_list_is_new() -> None:
    inbox = listing()
    inbox.apply(inbox.filters, page(review(A)))
    assert inbox.new == {A}


def test_waiting_count_of_current_and_older_servers() -> None:
    assert InboxModel().waiting == (0, False)
    assert listing(review(A), waiting=312).waiting == (312, False)
    rows = [review(A), review(B, status="changes_requested")]
    assert listing(*rows).waiting == (1, False)
    assert listing(*rows, total=80).waiting == (1, True)


def test_offline_until_the_next_response() -> None:
    inbox = listing(review(A))
    inbox.refresh_failed(ConnectionFailedError("No answer from there."))
    assert inbox.offline == "No answer from there."
    assert inbox.row(A) == review(A)
    assert inbox.row(B) is None
    inbox.apply(replace(inbox.filters, text="older"), page())
    assert inbox.offline == ""
    assert inbox.row(A) is not None
