"""Which reviews are listed: state and rules, without widgets and without HTTP.

As in ``model``: views observe the traits, and nothing is ever set from another thread than theirs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from traitlets import HasTraits, Instance, Unicode

from hitl_notebook.errors import HITLNotebookError
from hitl_notebook.records import ReviewKey, ReviewSummary
from hitl_notebook.rendering.words import task_name
from hitl_notebook.review_page import ReviewPage

PAGE_SIZE = 50
"""Reviews on a page of the list."""

_LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class Filters:
    """What is listed, and in which order. Names and values are those of ``Client.sessions``."""

    status: str | None = None
    dag_id: str | None = None
    text: str = ""
    include_ended: bool = False
    order_by: str = "-updated_at"
    offset: int = 0

    @property
    def narrow(self) -> bool:
        """Whether they leave anything out of what is open."""
        return bool(self.status or self.dag_id or self.text)

    def parameters(self) -> dict[str, Any]:
        """For ``Client.sessions``."""
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
    """What the list shows.

    Attributes:
        filters: what is asked for.
        page: what is listed; None before the first answer. It may still be of other filters.
        new: reviews that came, or whose next output came, while the list was open, and that were not opened since.
        announcement: the last arrival in words, for people who do not see the list change.
        offline: why refreshing fails, in words; empty if it works.
        told: the reason that the log-in form gives for asking; empty if it gives none.
    """

    filters: Any = Instance(Filters, args=())
    page = Instance(ReviewPage, allow_none=True)
    new: Any = Instance(frozenset, args=())
    announcement = Unicode("")
    offline = Unicode("")
    told = Unicode("")

    def __init__(self) -> None:
        super().__init__()
        self._seen_until: datetime | None = None

    def narrow(self, **changes: Any) -> None:
        """Change the filters or the order; starts at the first page again."""
        self.filters = replace(self.filters, **{"offset": 0, **changes})

    def turn_page(self, by: int) -> None:
        """Go ``by`` pages on, or back if it is negative; no further than there are."""
        total = self.page.total_entries if self.page is not None else 0
        last = max(0, (total - 1) // PAGE_SIZE * PAGE_SIZE)
        self.filters = replace(self.filters, offset=min(last, max(0, self.filters.offset + by * PAGE_SIZE)))

    def apply(self, filters: Filters, page: ReviewPage) -> None:
        """Show a fresh page, unless something else is asked for by now."""
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
        """A review was opened: it is no longer new."""
        if key in self.new:
            self.new = self.new - {key}

    def refresh_failed(self, error: HITLNotebookError) -> None:
        """Refreshing did not work; what is shown stays."""
        self.offline = str(error)

    def row(self, key: ReviewKey | None) -> ReviewSummary | None:
        """The listed review with this key."""
        return next((row for row in self.page or () if row.key == key), None)

    @property
    def waiting(self) -> tuple[int, bool]:
        """How many reviews wait for a decision, and whether there may be more (an older server does not say)."""
        if self.page is None:
            return 0, False
        if self.page.waiting is not None:
            return self.page.waiting, False
        return sum(row.is_pending for row in self.page), self.page.total_entries > len(self.page)

    def _announce(self, page: ReviewPage) -> None:
        before = self._seen_until
        self._seen_until = max((row.updated_at for row in page), default=before or _LONG_AGO)
        if before is None:  # the first page: nothing of it came while anybody looked
            return
        self._seen_until = max(before, self._seen_until)
        arrived = [row for row in page if row.is_pending and row.updated_at > before]
        if not arrived:
            return
        self.new = self.new | {row.key for row in arrived}
        first = task_name(arrived[0].key)
        count = len(arrived)
        self.announcement = f"New: {first}." if count == 1 else f"{count} new reviews, the first is {first}."
