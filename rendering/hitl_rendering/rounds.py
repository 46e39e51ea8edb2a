"""A review as rounds: the feedback, the output made from it, and what changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Generic, Protocol, TypeVar

from hitl_rendering import render
from hitl_rendering.changes import changes, ways
from hitl_rendering.display import display_of, unfenced


class Turn(Protocol):
    """An entry of a review's conversation; other attributes are the caller's."""

    @property
    def kind(self) -> str:
        """``"output"``, ``"feedback"`` or ``"error"``."""

    @property
    def content(self) -> str:
        """Text of the output, the reviewer or the error."""

    @property
    def iteration(self) -> int:
        """Number of the output that it is, or is about."""

    @property
    def timestamp(self) -> datetime:
        """When it was written."""


_LONG_CHANGE = 12_000
"""Characters of HTML, some thirty lines with marks."""

T = TypeVar("T", bound=Turn)
T_co = TypeVar("T_co", bound=Turn, covariant=True)


@dataclass(frozen=True)
class Round(Generic[T]):
    """One output, and what led to it.

    Attributes:
        said: feedback and errors since the previous output.
        before: the previous output; None for the first.
        author_display: ``display_as`` of the operator, if it has one.
        chosen_display: ``display_as`` that the reader chose, if any.
        chosen_way: how the reader wants to see changes, one of ``changes.WAYS``, if they chose.
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

    @cached_property
    def display(self) -> str:
        """How the output is shown, as ``display.display_of`` has it."""
        return display_of(self.content, self.output_format, self.display_as)

    @property
    def display_as(self) -> str | None:
        """What the reader chose, else what the author did."""
        return self.chosen_display or self.author_display

    @cached_property
    def html(self) -> str:
        """The output, rendered."""
        return render.output(self.content, self.output_format, self.display_as)

    @cached_property
    def folded_html(self) -> str:
        """The output, rendered where that is fast."""
        return render.earlier_output(self.content, self.output_format, self.display_as)

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
        """Changes since the previous output: in words, and as HTML, which is empty if nothing changed."""
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
        earlier: outputs before the current one, oldest first.
        current: the output to decide on, or the last one.
        since: feedback and errors since then.
    """

    earlier: tuple[Round[T], ...]
    current: Round[T]
    since: tuple[T, ...]


class Review(Protocol[T_co]):
    """A review with its conversation, as the client and the server have it."""

    @property
    def conversation(self) -> Sequence[T_co]:
        """Turns, oldest first."""

    @property
    def iteration(self) -> int:
        """Number of the current output."""

    @property
    def current_output(self) -> str:
        """Text of the current output."""

    @property
    def output_format(self) -> str:
        """``"text"`` or ``"json"``."""

    @property
    def display_as(self) -> str | None:
        """How the operator wants its output shown, if it says so."""

    @property
    def updated_at(self) -> datetime:
        """When the review changed last."""


def rounds_of(review: Review[T], *, display_as: str | None = None, way: str | None = None) -> Rounds[T]:
    """Sort a review's conversation into rounds.

    Args:
        review: the review.
        display_as: how the reader wants to see the outputs, if they chose.
        way: how the reader wants to see changes, if they chose.
    """
    rounds: list[Round[T]] = []
    said: list[T] = []

    def add(number: int, content: str, timestamp: datetime) -> None:
        before = rounds[-1] if rounds else None
        rounds.append(
            Round(
                number,
                content,
                timestamp,
                review.output_format,
                tuple(said),
                before,
                author_display=review.display_as,
                chosen_display=display_as,
                chosen_way=way,
            )
        )
        said.clear()

    for turn in review.conversation:
        if turn.kind != "output":
            said.append(turn)
        else:
            is_current = turn.iteration == review.iteration
            add(turn.iteration, review.current_output if is_current else turn.content, turn.timestamp)
    if not rounds or rounds[-1].iteration != review.iteration:  # its own XCom is gone, but the session has it too
        add(review.iteration, review.current_output, review.updated_at)
    earlier = (
        replace(one, chosen_way="source") if len(one.content) > render.LAID_OUT else one for one in rounds[:-1]
    )
    return Rounds(tuple(earlier), rounds[-1], tuple(said))
