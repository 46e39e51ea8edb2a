"""What each backend does: list reviews, return one, and send a decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from hitl_notebook.client.review_page import CachedPage
from hitl_notebook.records import STATUSES, Review, ReviewKey, ReviewSummary, User, key_of
from hitl_notebook.traces import ReviewProgress

Channel = Literal["rest", "notebook"]
"""Where a decision was made: in a script, or in the panel."""


@dataclass(frozen=True)
class ListFilters:
    """Filters, order and page of a list; for the fields see ``Client.sessions``."""

    status: str | Sequence[str] | None = None
    dag_id: str | None = None
    q: str | None = None
    include_ended: bool = False
    limit: int = 50
    offset: int = 0
    order_by: str = "-updated_at"

    @classmethod
    def of(cls, **given: Any) -> ListFilters:
        """Create filters; None means the default.

        Raises:
            ValueError: there is no such status.
        """
        _check_statuses(given.get("status"))
        return cls(**{name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True)
class DecisionRequest:
    """A reviewer's decision about one output.

    Attributes:
        action: ``"approve"``, ``"reject"`` or ``"feedback"``.
        key: the review.
        iteration: number of the output.
        feedback: text of the reviewer; empty if there is none.
        output_sha256: digest of the output that the reviewer looked at; None if unknown.
        edited_output: text of the output as the reviewer edited it; None if they did not.
        acting_for: for whom they decide, if for somebody else.
        calls: answers to what an agent asks, as the REST API takes them; None if there are none.
    """

    action: str
    key: ReviewKey
    iteration: int
    feedback: str = ""
    output_sha256: str | None = None
    edited_output: str | None = None
    acting_for: User | None = None
    calls: dict[str, dict[str, Any]] | None = None


def decision_on(
    review: ReviewKey | ReviewSummary,
    action: str,
    *,
    iteration: int | None,
    feedback: str = "",
    **more: Any,
) -> DecisionRequest:
    """Return the decision about an output of a review.

    Args:
        review: the review; a record says which output was looked at.
        action: as in ``DecisionRequest``.
        iteration: number of the output; needed with a ``ReviewKey``.
        feedback: text of the reviewer.
        **more: ``edited_output``, ``calls`` and ``acting_for`` of ``DecisionRequest``.

    Raises:
        ValueError: it is not known which output is meant.
    """
    if isinstance(review, ReviewKey):
        if iteration is None:
            raise ValueError("Say which output you looked at: iteration=..., or give a review instead of a key.")
        return DecisionRequest(action, review, iteration, feedback, **more)
    if iteration is None:
        iteration = review.iteration
    # A retried task restarts at output 1, so the number alone does not identify the output.
    seen = review.output_sha256 if iteration == review.iteration else ""
    return DecisionRequest(action, key_of(review), iteration, feedback, seen or None, **more)


class Backend(Protocol):
    """An API through which reviews are listed, read and decided. Thread-safe.

    All methods raise ``HITLNotebookError``, see ``hitl_notebook.errors``.
    """

    def page(self, known: CachedPage | None, filters: ListFilters, max_age: int) -> CachedPage:
        """Return a page of reviews; ``known`` itself if nothing has changed. See ``Client.sessions_if_changed``."""

    def find(self, key: ReviewKey) -> Review:
        """Return one review with its conversation."""

    def progress(self, key: ReviewKey) -> ReviewProgress | None:
        """Return what the task does just now; None if that API does not tell."""

    def decide(self, decision: DecisionRequest) -> Review:
        """Send a decision and return the updated review."""


def _check_statuses(status: str | Sequence[str] | None) -> None:
    for one in [status] if isinstance(status, str) else status or ():
        if one and one not in STATUSES:
            raise ValueError(f"status must be one of {', '.join(STATUSES)}, not {one!r}.")
