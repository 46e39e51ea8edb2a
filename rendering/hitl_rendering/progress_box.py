"""What a task does while it makes an output that nobody has seen; alike in the panel and on the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hitl_rendering.plain_text import inline, plain
from hitl_rendering.trace_box import TraceStep, count_words, duration

_STEPS = 5
"""So many of the last steps are shown."""

_CUT_FROM = 2_000
"""A text of so many characters is the end of a longer one."""


class Progress(Protocol):
    """What a task does; all texts are untrusted."""

    @property
    def text(self) -> str:
        """What it does, in one sentence."""

    @property
    def fraction(self) -> float | None:
        """How much of it is done, 0 to 1."""

    @property
    def steps(self) -> Sequence[TraceStep]:
        """The last steps."""

    @property
    def left_out(self) -> int:
        """How many there were before."""

    @property
    def partial(self) -> str:
        """The end of the output, as far as it is made."""


def progress_html(progress: Progress) -> str:
    """Return what a task does: a bar where a fraction is known, the last steps, and the text that grows."""
    return f'<div class="hitl-progress">{_doing(progress)}{_steps(progress)}{_partial(progress.partial)}</div>'


def _doing(progress: Progress) -> str:
    parts = [f"<span>{inline(progress.text)}</span>"] if progress.text else []
    if progress.fraction is not None:
        percent = f"{progress.fraction:.0%}"
        bar = f'<progress max="1" value="{progress.fraction:.4f}" aria-label="Done">{percent}</progress>'
        parts.append(f"<span>{bar} {percent}</span>")
    return f'<div class="hitl-doing">{"".join(parts)}</div>' if parts else ""


def _steps(progress: Progress) -> str:
    last = progress.steps[-_STEPS:]
    earlier = progress.left_out + len(progress.steps) - len(last)
    items = [f"<li>{count_words(earlier, 'earlier step')}</li>"] if earlier else []
    items += map(_step, last)
    return f'<ol class="hitl-doing-steps" aria-label="Steps">{"".join(items)}</ol>' if items else ""


def _step(step: TraceStep) -> str:
    facts = " · ".join(part for part in (duration(step.seconds), "failed" if step.is_error else "") if part)
    css = ' class="is-error"' if step.is_error else ""
    told = " ".join(inline(part) for part in (facts, step.args) if part)
    return f"<li{css}><b>{inline(step.name or 'Step')}</b> {told}</li>"


def _partial(text: str) -> str:
    if not text:
        return ""
    start = "…" if len(text) >= _CUT_FROM else ""
    return f'<div class="hitl-partial" tabindex="0" aria-label="The output so far">{plain(start + text)}</div>'
