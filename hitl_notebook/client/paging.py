"""All pages of a list that may change meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from hitl_notebook.client.backends.base import ListFilters
from hitl_notebook.client.review_page import ReviewPage
from hitl_notebook.records import ReviewKey, ReviewSummary

LARGEST_PAGE = 500
"""Maximum number of reviews that the server returns per page."""


def iterate(
    page_of: Callable[[ListFilters], ReviewPage], filters: ListFilters, page_size: int
) -> Iterator[ReviewSummary]:
    """Iterate over the reviews on all pages; see ``Client.iter_sessions`` for what a changing list means.

    Args:
        page_of: fetches a page.
        filters: filters and order; its ``limit`` and ``offset`` are not used.
        page_size: number of reviews per page, 2 to 500.

    Raises:
        ValueError: the page size is invalid. Raised by the call itself, not when the first page is fetched.
    """
    if not 2 <= page_size <= LARGEST_PAGE:
        raise ValueError(f"page_size must be from 2 to {LARGEST_PAGE}, not {page_size}.")
    return _reviews(page_of, filters, page_size)


def _reviews(
    page_of: Callable[[ListFilters], ReviewPage], filters: ListFilters, page_size: int
) -> Iterator[ReviewSummary]:
    seen: set[ReviewKey] = set()
    doubted: set[int] = set()
    offset, step = 0, page_size - 1
    while True:
        page = page_of(replace(filters, limit=page_size, offset=offset))
        # Pages overlap by one review. If a page begins with an unknown one, earlier reviews may have left the
        # list, and others moved up into pages already read: read those again. If that finds nothing, the
        # missing review is one that the server counts but cannot read.
        if offset and (not len(page) or page[0].key not in seen) and offset not in doubted:
            doubted.add(offset)
            offset -= step
            continue
        for review in page:
            if review.key not in seen:
                seen.add(review.key)
                doubted.clear()
                yield review
        if offset + page_size >= page.total_entries:
            return
        offset += step
