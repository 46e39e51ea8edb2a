"""What a task did, shortened so that XCom can hold it."""

from __future__ import annotations

import json
import time
from typing import Any

from airflow_hitl_review.core.trace import MAX_BYTES, Trace, TraceStep, read_trace
from demo.processes import PATIENCE


def test_short_trace_stays_as_it_is() -> None:
    trace = Trace(steps=[TraceStep(name="search", args='{"q": "x"}', result="found")], tool_calls=1)
    assert trace.fitted() == trace


def test_long_texts_are_cut_and_say_how_long_they_were() -> None:
    trace = Trace(steps=[TraceStep(name="read", result="x" * 100_000)], tool_calls=1)
    (step,) = trace.fitted().steps
    assert step.result == "x" * 2_000 + "… (100,000 characters)"


def test_two_hundred_steps_with_5_mb_of_results_fit() -> None:
    steps = [TraceStep(name=f"tool_{n}", args="a" * 500, result="ü" * 25_000, seconds=0.1) for n in range(200)]
    began = time.perf_counter()
    fitted = Trace(steps=steps, tool_calls=200, seconds=20.0).fitted()
    assert time.perf_counter() - began < 5 * PATIENCE
    assert len(json.dumps(fitted.stored())) <= MAX_BYTES
    assert fitted.tool_calls == 200
    names = [step.name for step in fitted.steps]
    assert (names[0], names[-1]) == ("tool_0", "tool_199")
    assert len(names) + fitted.left_out == 200


def test_thousands_of_steps_keep_the_first_and_the_last() -> None:
    steps = [TraceStep(name=f"tool_{n}" + "é" * 300, args="🙂" * 300, result="🙂" * 300) for n in range(3_000)]
    fitted = Trace(steps=steps, tool_calls=3_000, left_out=7).fitted()
    assert len(json.dumps(fitted.stored())) <= MAX_BYTES
    assert fitted.left_out == 7 + 3_000 - len(fitted.steps)
    assert fitted.steps[0].name.startswith("tool_0é")
    assert fitted.steps[-1].name.startswith("tool_2999")


def test_trace_is_read_back_and_anything_else_is_none() -> None:
    trace = Trace(steps=[TraceStep(kind="thinking", result="\x00 hm")], requests=2, input_tokens=5, cost=0.1)
    stored = json.loads(json.dumps(trace.stored()))
    assert read_trace(stored) == trace
    assert trace.steps[0].result == "\ufffd hm"
    others: list[Any] = [None, 5, "text", [], {"steps": "many"}, {"steps": [{"kind": "dance"}]}]
    for other in others:
        assert read_trace(other) is None


def test_trace_without_steps_and_requests_is_empty() -> None:
    assert Trace().is_empty
    assert not Trace(requests=1).is_empty
