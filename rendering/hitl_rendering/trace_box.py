"""What a task did to make an output, folded under it; alike in the panel and on the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hitl_rendering.plain_text import inline, plain


class TraceStep(Protocol):
    """One step; all texts are untrusted."""

    @property
    def kind(self) -> str:
        """``"tool"``, ``"thinking"`` or ``"text"``."""

    @property
    def name(self) -> str:
        """Of the tool."""

    @property
    def args(self) -> str:
        """The call's arguments."""

    @property
    def result(self) -> str:
        """What came of it, or the text."""

    @property
    def is_error(self) -> bool:
        """Whether it failed."""

    @property
    def seconds(self) -> float | None:
        """How long it took."""


class Trace(Protocol):
    """The steps between two outputs."""

    @property
    def steps(self) -> Sequence[TraceStep]:
        """The steps that are told."""

    @property
    def left_out(self) -> int:
        """How many others there were."""

    @property
    def tool_calls(self) -> int:
        """Number of calls of tools."""

    @property
    def requests(self) -> int | None:
        """Number of requests to models."""

    @property
    def input_tokens(self) -> int | None:
        """Tokens that models read."""

    @property
    def output_tokens(self) -> int | None:
        """Tokens that models wrote."""

    @property
    def cost(self) -> float | None:
        """In US dollars."""

    @property
    def seconds(self) -> float | None:
        """From the first step to the last."""


_HEADINGS = {"thinking": "Thinking", "text": "Said"}


def trace_box(trace: Trace | None, fold: str) -> str:
    """Return a trace as a fold whose summary has the totals; empty if there is none.

    Args:
        trace: what the task did.
        fold: name of the fold, so that the page keeps it open when it shows the output anew.
    """
    if trace is None or not (words := totals(trace)):
        return ""
    steps = [_step(step) for step in trace.steps]
    if trace.left_out:
        steps.append(f'<li class="hitl-meta">Not shown: {count_words(trace.left_out, "other step")}</li>')
    summary = f"<summary>What the task did: {inline(words)}</summary>"
    return (
        f'<details class="hitl-trace" data-fold="{inline(fold)}">{summary}'
        f'<ol class="hitl-steps" tabindex="0" aria-label="Steps">{"".join(steps)}</ol></details>'
    )


def totals(trace: Trace) -> str:
    """A trace in one line, such as ``3 tool calls, 1,240 tokens, 8 s``."""
    tokens = [number for number in (trace.input_tokens, trace.output_tokens) if number]
    parts = [
        count_words(trace.tool_calls, "tool call") if trace.tool_calls else "",
        count_words(trace.requests, "model request") if trace.requests and not trace.tool_calls else "",
        count_words(sum(tokens), "token") if tokens else "",
        f"${trace.cost:.4f}" if trace.cost else "",
        duration(trace.seconds),
    ]
    told = ", ".join(part for part in parts if part)
    return told or (count_words(len(trace.steps), "step") if trace.steps else "")


def duration(seconds: float | None) -> str:
    """Seconds in words, such as ``0.4 s``, ``8 s`` or ``2 min 5 s``; empty if not known or too short to tell."""
    if seconds is None or seconds < 0.05:
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _step(step: TraceStep) -> str:
    took = duration(step.seconds)
    facts = " · ".join(part for part in (took, "failed" if step.is_error else "") if part)
    heading = f"<b>{inline(_HEADINGS.get(step.kind, step.name or 'Step'))}</b>"
    args = f'<div class="hitl-step-args">{plain(step.args)}</div>' if step.args else ""
    result = f'<div class="hitl-step-result">{plain(step.result)}</div>' if step.result else ""
    css = "hitl-step is-error" if step.is_error else "hitl-step"
    told = f' <span class="hitl-meta">{facts}</span>' if facts else ""
    return f'<li class="{css}">{heading}{told}{args}{result}</li>'


def count_words(number: int, noun: str) -> str:
    """A number of things, such as ``3 tool calls``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
