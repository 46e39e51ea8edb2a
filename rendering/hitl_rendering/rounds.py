"""A review as rounds: the feedback, the output made from it or edited by hand, and what changed."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, TypeVar

from hitl_rendering import render
from hitl_rendering.calls_box import Request, calls_html
from hitl_rendering.changes import changes, ways
from hitl_rendering.conversation import Review, Turn
from hitl_rendering.display import display_of, unfenced
from hitl_rendering.trace_box import Trace, trace_box

_LONG_CHANGE = 12_000
"""Characters of HTML, some thirty lines with marks."""

T = TypeVar("T", bound=Turn)


@dataclass(frozen=True)
class Round(Generic[T]):
    """One output, or one edit of it by hand, and what led to it.

    Attributes:
        said: feedback and errors since the previous output or edit.
        before: what it was made from: the previous output, or an edit of it; for an edit, the output that was
            edited. None for the first, and if that output is gone.
        author_display: ``display_as`` of the operator, if it has one.
        chosen_display: ``display_as`` that the reader chose, if any.
        chosen_way: how the reader wants to see changes, one of ``changes.WAYS``, if they chose.
        edited_by: the turn of an edit; None for an output. ``iteration`` of an edit is the output's.
        trace: what the task did to make the output, if it says so.
        edit_number: number of the edit among all edits of the review, from 1; 0 for an output.
        is_request: whether it is what an agent asks, or the answer.
        request: what is known of that besides; None for an earlier one.
    """

    iteration: int
    content: str
    timestamp: datetime
    output_format: str
    said: tuple[T, ...]
    before: Round[T] | None
    author_display: str | None = None
    chosen_display: str | None = None
    chosen_way: str | None = None
    edited_by: T | None = None
    trace: Trace | None = None
    edit_number: int = 0
    is_request: bool = False
    request: Request | None = None

    @property
    def noun(self) -> str:
        """What it is, with its number."""
        return f"request {self.iteration}" if self.is_request else f"output {self.iteration}"

    def fold(self, what: str) -> str:
        """Name of a fold, so that the page keeps it open when it shows the round anew."""
        return f"{what}-edit-{self.edit_number}" if self.edit_number else f"{what}-{self.iteration}"

    @cached_property
    def display(self) -> str:
        """How the output is shown, as ``display.display_of`` has it."""
        return display_of(self.content, self.output_format, self.display_as)

    @property
    def display_as(self) -> str | None:
        """What the reader chose, else what the author did."""
        return self.chosen_display or (None if self.is_request else self.author_display)

    @cached_property
    def html(self) -> str:
        """The output, rendered."""
        if self.is_request and not self.chosen_display:
            return calls_html(self.content, self.request)
        return render.output(self.content, self.output_format, self.display_as)

    @cached_property
    def folded_html(self) -> str:
        """The output, rendered where that is fast."""
        if self.is_request:
            return self.html
        return render.earlier_output(self.content, self.output_format, self.display_as)

    @property
    def trace_html(self) -> str:
        """What the task did to make the output, folded; empty if it does not say so."""
        return trace_box(self.trace, self.fold("trace"))

    @cached_property
    def source_html(self) -> str:
        """The source text; empty if the rendered output shows all of it.

        Rendered Markdown omits URLs of links, titles and extra table cells; code its fence.
        """
        kind = self.display.partition(":")[0]
        if kind == "code" and unfenced(self.content) == self.content:
            return ""
        if kind not in ("markdown", "code") or len(self.content) > render.MARKDOWN_LIMIT:
            return ""
        return render.plain(self.content)

    @cached_property
    def change(self) -> tuple[str, str]:
        """Changes since ``before``: in words, and as HTML, which is empty if nothing changed."""
        assert self.before is not None
        return changes(
            self.before.content, self.content, self.output_format, self.display_as, self.chosen_way or ""
        )

    @cached_property
    def change_ways(self) -> tuple[str, ...]:
        """Ways in which the changes can be shown, the usual one first."""
        assert self.before is not None
        return ways(self.before.content, self.content, self.output_format, self.display_as)

    @property
    def change_is_long(self) -> bool:
        """Whether the changes are so long that the output comes before them."""
        return self.before is not None and len(self.change[1]) > _LONG_CHANGE

    @property
    def change_way(self) -> str:
        """How the changes are shown."""
        return self.chosen_way if self.chosen_way in self.change_ways else self.change_ways[0]


@dataclass(frozen=True)
class Rounds(Generic[T]):
    """All rounds of a review.

    Attributes:
        earlier: outputs before the current one and their edits, oldest first.
        current: the output to decide on, or the last one.
        edits: edits of the current output, oldest first; also those that the task refused.
        edit: the edit that holds: the last one, unless an error followed. The result, if the review is approved.
        since: feedback and errors since then.
    """

    earlier: tuple[Round[T], ...]
    current: Round[T]
    edits: tuple[Round[T], ...]
    edit: Round[T] | None
    since: tuple[T, ...]


def rounds_of(review: Review[T], *, display_as: str | None = None, way: str | None = None) -> Rounds[T]:
    """Sort a review's conversation into rounds.

    Args:
        review: the review.
        display_as: how the reader wants to see the outputs, if they chose.
        way: how the reader wants to see changes, if they chose.
    """
    rounds: list[Round[T]] = []
    said: list[T] = []
    output: Round[T] | None = None  # the last one
    base: Round[T] | None = None  # what the next output is made from

    def add(
        number: int,
        content: str,
        at: datetime,
        before: Round[T] | None,
        *,
        edit: T | None = None,
        trace: Trace | None = None,
        is_request: bool = False,
    ) -> Round[T]:
        rounds.append(
            Round(
                number,
                content,
                at,
                _format(review, content, is_request=is_request),
                tuple(said),
                _comparable(before, is_request=is_request, is_edit=edit is not None),
                author_display=review.display_as,
                chosen_display=display_as,
                chosen_way=way,
                edited_by=edit,
                trace=trace,
                is_request=is_request,
                request=review.request if number == review.iteration else None,
                edit_number=0 if edit is None else 1 + sum(one.edited_by is not None for one in rounds),
            )
        )
        said.clear()
        return rounds[-1]

    def add_current(at: datetime) -> Round[T]:
        """Add the current output, which the session has, too."""
        return add(review.iteration, review.current_output, at, base, is_request=review.request is not None)

    for turn in review.conversation:
        if turn.kind == "output":
            is_current = turn.iteration == review.iteration
            content = review.current_output if is_current else turn.content
            more: dict[str, Any] = {"trace": turn.trace, "is_request": turn.is_request}
            output = base = add(turn.iteration, content, turn.timestamp, base, **more)
        elif turn.kind == "edit":
            is_known = output is not None and output.iteration == turn.iteration
            if not is_known and turn.iteration == review.iteration:
                output, is_known = add_current(turn.timestamp), True
            edited = output if is_known else None
            more = {"edit": turn, "is_request": turn.is_request}
            base = add(turn.iteration, turn.content, turn.timestamp, edited, **more)
        else:
            said.append(turn)
            if turn.kind == "error":  # the task did not take the edit
                base = output
    if output is None or output.iteration != review.iteration:  # its own XCom is gone
        output = base = add_current(review.updated_at)
    last = max(place for place, one in enumerate(rounds) if one.edited_by is None)
    edit = base if base is not None and base.edited_by is not None else None
    earlier, edits = map(_quick, rounds[:last]), tuple(rounds[last + 1 :])
    return Rounds(tuple(earlier), output, (*map(_quick, edits[:-1]), *edits[-1:]), edit, tuple(said))


def _comparable(before: Round[T] | None, *, is_request: bool, is_edit: bool) -> Round[T] | None:
    """What a round can be compared with: what an agent asks is no version of what it says."""
    if before is None or before.is_request != is_request or (is_request and not is_edit):
        return None
    return before


def _format(review: Review[T], content: str, *, is_request: bool) -> str:
    """``"json"`` or ``"text"``; the review has it for its current output, which may be a request."""
    if is_request or review.request is None:
        return "json" if is_request else review.output_format
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return "text"
    return "json"


def _quick(one: Round[T]) -> Round[T]:
    """The same round, compared as source if its views would be slow: there can be many."""
    return replace(one, chosen_way="source") if len(one.content) > render.LAID_OUT else one
