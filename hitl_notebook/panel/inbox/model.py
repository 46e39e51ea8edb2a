"""The list of reviews: state and rules, without widgets and without HTTP.

As in ``model``: views observe the traits, which are set only from the views' thread.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from traitlets import HasTraits, Instance, Unicode

from hitl_notebook.client.review_page import ReviewPage
from hitl_notebook.errors import HITLNotebookError
from hitl_notebook.records import ReviewKey, ReviewSummary
from hitl_rendering.review_words import task_name

PAGE_SIZE = 50
"""Reviews on a page of the list."""

_LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class PanelFilters:
    """Filters and order of the panel's list. Names and values are those of ``Client.sessions``."""

    status: str | None = None
    dag_id: str | None = None
    text: str = ""
    include_ended: bool = False
    order_by: str = "-updated_at"
    offset: int = 0

    @property
    def narrow(self) -> bool:
        """Whether the filters can exclude open reviews."""
        return bool(self.status or self.dag_id or self.text)

    def parameters(self) -> dict[str, Any]:
        """Return arguments for ``Client.sessions``."""
        return {
            "status": self.status,
            "dag_id": self.dag_id,
            "q": self.text or None,
            "include_ended": self.include_ended,
            "order_by": self.order_by,
            "limit": PAGE_SIZE,
            "offset": self.offset,
        }


class InboxModel(HasTraits):
    """State of the list.

    Attributes:
        filters: the current filters.
        page: the listed page; None before the first response. It may still be of other filters.
        new: reviews that arrived, or got a new output, while the list was open, and were not opened since.
        announcement: text about the last arrival, for screen readers.
        offline: message why refreshing fails; empty if it works.
        told: the reason that the log-in form shows; empty if it shows none.
    """

    filters: Any = Instance(PanelFilters, args=())
    page = Instance(ReviewPage, allow_none=True)
    new: Any = Instance(frozenset, args=())
    announcement = Unicode("")
    offline = Unicode("")
    told = Unicode("")

    def __init__(self) -> None:
        super().__init__()
        self._seen_until: datetime | None = None

    def narrow(self, **changes: Any) -> None:
        """Change the filters or the order, and go to the first page."""
        self.filters = replace(self.filters, **{"offset": 0, **changes})

    def turn_page(self, by: int) -> None:
        """Go ``by`` pages forward, or back if negative, within the existing pages."""
        total = self.page.total_entries if self.page is not None else 0
        last = max(0, (total - 1) // PAGE_SIZE * PAGE_SIZE)
        self.filters = replace(self.filters, offset=min(last, max(0, self.filters.offset + by * PAGE_SIZE)))

    def apply(self, filters: PanelFilters, page: ReviewPage) -> None:
        """Show a fetched page, unless the filters have changed."""
        self.offline = ""
        if filters != self.filters:
            return
        if not len(page) and page.total_entries and filters.offset:  # the list has become shorter
            self.page = page
            self.turn_page(0)
            return
        self._announce(page)
        self.page = page

    def opened(self, key: ReviewKey | None) -> None:
        """Mark a review as no longer new, because it was opened."""
        if key in self.new:
            self.new = self.new - {key}

    def refresh_failed(self, error: HITLNotebookError) -> None:
        """Handle a refresh error; what is shown is kept."""
        self.offline = str(error)

    def row(self, key: ReviewKey | None) -> ReviewSummary | None:
        """Return the listed review with this key."""
        return next((row for row in self.page or () if row.key == key), None)

    def following(self, key: ReviewKey, user_id: str | None) -> ReviewKey | None:
        """Return the next listed review that waits for this user, from the top again after the last one."""
        rows = list(self.page or ())
        place = next((index for index, row in enumerate(rows) if row.key == key), -1)
        others = (row for row in (*rows[place + 1 :], *rows[: max(place, 0)]) if row.key != key)
        return next((row.key for row in others if row.is_pending and not row.leaves_out(user_id)), None)

    @property
    def waiting(self) -> tuple[int, bool]:
        """Return the number of pending reviews, and whether there may be more (older servers do not say)."""
        if self.page is None:
            return 0, False
        if self.page.waiting is not None:
            return self.page.waiting, False
        return sum(row.is_pending for row in self.page), self.page.total_entries > len(self.page)

    @property
    def in_words(self) -> str:
        """Describe the state of the list."""
        if self.page is None:
            return f"not connected: {self.offline.rstrip('.')}" if self.offline else "not loaded yet"
        waiting, more = self.waiting
        return f"{waiting:,}{' or more' if more else ''} waiting"

    def _announce(self, page: ReviewPage) -> None:
        before = self._seen_until
        self._seen_until = max((row.updated_at for row in page), default=before or _LONG_AGO)
        if before is None:  # the first page: nothing on it arrived while the list was open
            return
        self._seen_until = max(before, self._seen_until)
        arrived = [row for row in page if row.is_pending and row.updated_at > before]
        if not arrived:
            return
        self.new = self.new | {row.key for row in arrived}
        first = task_name(arrived[0].key)
        count = len(arrived)
        self.announcement = f"New: {first}." if count == 1 else f"{count} new reviews, the first is {first}."
