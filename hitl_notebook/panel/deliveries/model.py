"""State and rules of the panel's webhook section, without widgets and without HTTP.

As in ``model``: views observe the traits, which are set only from the views' thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from traitlets import Bool, HasTraits, Instance, Unicode

from hitl_notebook.client.deliveries import Delivery, DeliveryPage
from hitl_notebook.errors import ConnectionFailedError, HITLNotebookError
from hitl_notebook.panel.actions import Notice
from hitl_notebook.records import ReviewKey
from hitl_rendering.review_words import task_name


@dataclass(frozen=True)
class Fetch:
    """A fetch to make, and the state of the section it belongs to."""

    key: ReviewKey
    state: int


class DeliveryModel(HasTraits):
    """State of the section.

    Args:
        clock: current time, timezone-aware.

    Attributes:
        shown: whether the section is expanded.
        key: key of the open review.
        page: its webhook events, as last fetched; None before the first response.
        as_of: when ``page`` was fetched.
        problem: message why they could not be fetched; empty if they could.
        sending: ids of the events with a resend request in progress.
        notice: the latest message.
    """

    shown = Bool(False)
    key: Any = Instance(ReviewKey, allow_none=True)
    page = Instance(DeliveryPage, allow_none=True)
    as_of: Any = Instance(datetime)
    problem = Unicode("")
    sending: Any = Instance(frozenset, args=())
    notice = Instance(Notice, allow_none=True)

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc)) -> None:
        super().__init__()
        self._clock = clock
        self.as_of = clock()
        self._state = 0

    def show(self, shown: bool) -> None:
        """Expand or collapse the section."""
        if not shown:
            self.notice = None
        self.shown = shown

    def select(self, key: ReviewKey | None) -> None:
        """Switch to another review; the section stays expanded or collapsed."""
        if key == self.key:
            return
        self._state += 1
        self.page = None
        self.problem = ""
        self.notice = None
        self.key = key

    # --- fetching

    def begin_fetch(self) -> Fetch | None:
        """Return what to fetch now; None if it would not be visible."""
        return Fetch(self.key, self._state) if self.shown and self.key is not None else None

    def apply(self, fetch: Fetch, page: DeliveryPage) -> None:
        """Show the fetched page, unless a newer state is already shown."""
        if fetch.state == self._state:
            self.problem = ""
            self._set_page(page)

    def fetch_failed(self, fetch: Fetch, error: HITLNotebookError) -> None:
        """Handle a fetch error; what is shown is kept."""
        if fetch.state == self._state:
            self.problem = f"The webhooks could not be fetched. {_sentence(error)}"

    # --- resending

    def begin_resend(self, event_id: str) -> Delivery | None:
        """Start to resend an event.

        Returns:
            The event; None if it is no longer shown, or already being resent.
        """
        found = next((delivery for delivery in self.page or () if delivery.event_id == event_id), None)
        if found is None or event_id in self.sending:
            return None
        self.notice = None
        self.sending = self.sending | {event_id}
        return found

    def resent(self, before: Delivery, after: Delivery) -> None:
        """Handle a successful resend request: the event is due again."""
        self.sending = self.sending - {before.event_id}
        if self.page is not None and before.key == self.key:
            self._state += 1  # a fetch in progress may be older than this
            rows = (after if row.event_id == before.event_id else row for row in self.page)
            self._set_page(replace(self.page, deliveries=tuple(rows)))
        count = len(after.endpoints)
        where = f"{count} endpoints" if count != 1 else after.endpoints[0].endpoint
        self.notice = Notice(
            "success", f"Asked to send {self._name(before)} again, to {where}. The list shows the result."
        )

    def resend_failed(self, before: Delivery, error: HITLNotebookError) -> None:
        """Handle a failed resend request, or one with unknown outcome."""
        self.sending = self.sending - {before.event_id}
        if isinstance(error, ConnectionFailedError):
            text = (
                f"{_sentence(error)} It is not known whether {self._name(before)} is sent again. You can safely "
                "ask again: receivers recognize a repeat by its id."
            )
        else:
            text = f"{self._name(before)} was not sent again. {_sentence(error)}"
        self.notice = Notice("error", text)

    def _set_page(self, page: DeliveryPage) -> None:
        self.as_of = self._clock()  # first, so that observers of the page see it
        self.page = page

    def _name(self, delivery: Delivery) -> str:
        name = f"“{words_for_event(delivery)}”"
        if delivery.key == self.key:
            return name
        return f"{name} of {task_name(delivery.key)}"


def words_for_event(delivery: Delivery) -> str:
    """Describe an event for users."""
    output = f"Output {delivery.iteration}" if delivery.iteration is not None else "Output"
    return {
        "hitl_review.output_ready": f"{output} ready",
        "hitl_review.changes_requested": "Changes requested",
        "hitl_review.finalized": "Review ended",
    }.get(delivery.type, delivery.type)


def _sentence(error: HITLNotebookError) -> str:
    text = str(error)
    return text if text.endswith((".", "!", "?")) else f"{text}."
