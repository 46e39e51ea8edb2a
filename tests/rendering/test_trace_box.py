"""What a task did, as reviewers see it."""

from __future__ import annotations

import pytest

from hitl_notebook.traces import Trace, TraceStep
from hitl_rendering.trace_box import duration, totals, trace_box


@pytest.mark.parametrize(
    ("trace", "words"),
    [
        (
            Trace(tool_calls=3, input_tokens=1_000, output_tokens=240, seconds=8.02),
            "3 tool calls, 1,240 tokens, 8 s",
        ),
        (Trace(tool_calls=1, cost=0.01234), "1 tool call, $0.0123"),
        (Trace(requests=2, seconds=125), "2 model requests, 2 min 5 s"),
        (Trace(steps=(TraceStep(kind="text"),)), "1 step"),
        (Trace(), ""),
    ],
)
def test_totals_in_one_line(trace: Trace, words: str) -> None:
    assert totals(trace) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, ""), (0.01, ""), (0.42, "0.4 s"), (8.0, "8 s"), (59.7, "1 min 0 s"), (3_725, "62 min 5 s")],
)
def test_duration_in_words(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_steps_are_told_in_order() -> None:
    trace = Trace(
        steps=(
            TraceStep(kind="thinking", result="First look it up."),
            TraceStep(name="lookup", args='{"order": 7}', result="paid", seconds=0.5),
            TraceStep(name="refund", args='{"order": 7}', result="no such order", is_error=True),
        ),
        left_out=2,
        tool_calls=4,
    )
    html = trace_box(trace, "trace-1")
    assert html.startswith(
        '<details class="hitl-trace" data-fold="trace-1"><summary>What the task did: 4 tool calls'
    )
    places = [html.index(text) for text in ("Thinking", "First look it up.", "lookup", "paid", "refund", "failed")]
    assert places == sorted(places)
    assert "Not shown: 2 other steps" in html


def test_hostile_texts_stay_texts() -> None:
    bad = "<img src=x onerror=alert(1)>"
    html = trace_box(Trace(steps=(TraceStep(name=bad, args=bad, result=bad),), tool_calls=1), bad)
    assert "<img" not in html


def test_nothing_is_shown_where_nothing_is_told() -> None:
    assert trace_box(None, "trace-1") == trace_box(Trace(), "trace-1") == ""
