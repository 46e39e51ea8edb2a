"""A review as rounds: the feedback, the output made from it, and what changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from markupsafe import Markup

from airflow_hitl_review.core.review import ConversationEntry, ReviewResponse
from airflow_hitl_review.web.pages.templates import safe
from hitl_rendering import render
from hitl_rendering.changes import changes


@dataclass(frozen=True)
class Round:
    """One output, and what led to it.

    Attributes:
        said: feedback and errors since the previous output.
        before: the previous output; None for the first.
    """

    iteration: int
    content: str
    timestamp: datetime
    output_format: str
    said: tuple[ConversationEntry, ...]
    before: Round | None

    @cached_property
    def html(self) -> Markup:
        """The output, rendered."""
        return safe(render.output(self.content, self.output_format))

    @cached_property
    def folded_html(self) -> Markup:
        """The output, rendered where that is fast."""
        return safe(render.earlier_output(self.content, self.output_format))

    @cached_property
    def source_html(self) -> Markup | None:
        """The source text, where Markdown may hide some of it."""
        if self.output_format == "json" or len(self.content) > render.MARKDOWN_LIMIT:
            return None
        return safe(render.plain(self.content))

    @cached_property
    def change(self) -> tuple[str, Markup]:
        """Changes since the previous output: in words, and as HTML, which is empty if nothing changed."""
        assert self.before is not None
        words, html = changes(self.before.content, self.content, self.output_format)
        return words, safe(html)


@dataclass(frozen=True)
class Rounds:
    """All rounds of a review.

    Attributes:
        earlier: outputs before the current one, oldest first.
        current: the output to decide on, or the last one.
        since: feedback and errors since then.
    """

    earlier: tuple[Round, ...]
    current: Round
    since: tuple[ConversationEntry, ...]


def rounds_of(review: ReviewResponse) -> Rounds:
    """Sort a conversation into rounds."""
    rounds: list[Round] = []
    said: list[ConversationEntry] = []

    def add(iteration: int, content: str, timestamp: datetime) -> None:
        before = rounds[-1] if rounds else None
        rounds.append(Round(iteration, content, timestamp, review.output_format, tuple(said), before))
        said.clear()

    for turn in review.conversation:
        if turn.kind != "output":
            said.append(turn)
        elif turn.iteration != review.iteration:
            add(turn.iteration, turn.content, turn.timestamp)
        else:
            add(review.iteration, review.current_output, turn.timestamp)
    if not rounds or rounds[-1].iteration != review.iteration:  # its own XCom is gone, but the session has it too
        add(review.iteration, review.current_output, review.updated_at)
    return Rounds(tuple(rounds[:-1]), rounds[-1], tuple(said))
