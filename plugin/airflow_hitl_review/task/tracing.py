"""``trace()``: a function tells the reviewer what it did to make its output."""

from __future__ import annotations

import json
import logging
import math
import threading
from collections.abc import Callable
from typing import Any

from airflow_hitl_review.core.airflow_sdk import FAILURES, redact
from airflow_hitl_review.core.trace import StepKind, Trace, TraceStep, total
from airflow_hitl_review.task.current_task import current_ti
from airflow_hitl_review.task.progress import reporter_of

log = logging.getLogger(__name__)

_MOST_STEPS = 5_000
"""So many steps of one output are kept; only their number is told of later ones."""

_lock = threading.Lock()
_reported: dict[str, list[Trace]] = {}  # by the id of the task instance


def trace(
    name: str,
    args: Any = None,
    result: Any = None,
    *,
    kind: StepKind = "tool",
    is_error: bool = False,
    seconds: float | None = None,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    cost: float | None = None,
) -> None:
    """Report one step of the running task to the reviewer of its output; outside a task, this does nothing.

    The steps are shown folded under the output that the task makes next. Values that look like secrets are masked,
    and long texts are cut.

    Args:
        name: what was called, such as the name of a tool.
        args: with which arguments: text, or anything that JSON can write.
        result: what came of it, likewise.
        kind: ``"tool"``, ``"thinking"`` or ``"text"``.
        is_error: whether it failed.
        seconds: how long it took.
        input_tokens: tokens that a model read for it.
        output_tokens: tokens that a model wrote.
        cost: in US dollars.
    """
    took = _finite(seconds)
    step = TraceStep(
        kind=kind, name=str(name), args=as_text(args), result=as_text(result), is_error=is_error, seconds=took
    )
    report(
        Trace(
            steps=[step],
            tool_calls=int(kind == "tool"),
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cost=_finite(cost),
            seconds=took,
        )
    )


def report(one: Trace) -> None:
    """Report steps of the running task; outside a task, this does nothing."""
    ti = current_ti()
    if ti is None:
        return
    with _lock:
        _reported.setdefault(str(ti.id), []).append(one)
    if one.steps and (reporter := reporter_of(ti)) is not None:
        reporter.add_steps(one.steps)


def take() -> list[Trace]:
    """What was reported since the last output of the running task."""
    ti = current_ti()
    with _lock:
        return _reported.pop(str(ti.id), []) if ti is not None else []


def traced(tell: Callable[[Any, Any], Trace | None], history: Any, before: Any) -> Trace | None:
    """What an operator tells of its work; None if it cannot: the output is worth more."""
    try:
        return tell(history, before)
    except FAILURES:
        log.exception("What the task did for its output cannot be told.")
        return None


def merged(traces: list[Trace]) -> Trace | None:
    """Several traces as one, shortened; None if there is nothing to tell."""
    steps = [step for one in traces for step in one.steps]
    whole = Trace(
        steps=steps[:_MOST_STEPS],
        left_out=max(len(steps) - _MOST_STEPS, 0) + sum(one.left_out for one in traces),
        tool_calls=sum(one.tool_calls for one in traces),
        requests=_whole(total([one.requests for one in traces])),
        input_tokens=_whole(total([one.input_tokens for one in traces])),
        output_tokens=_whole(total([one.output_tokens for one in traces])),
        cost=total([one.cost for one in traces]),
        seconds=total([one.seconds for one in traces]),
    )
    return None if whole.is_empty else whole.fitted()


def as_text(value: Any) -> str:
    """A value as a trace shows it: text, or JSON, with secrets masked."""
    if value is None:
        return ""
    masked: Any = redact(value)
    if isinstance(masked, str):
        return masked
    try:
        return json.dumps(masked, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):  # such as keys that JSON does not have
        return str(masked)


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def _whole(number: float | None) -> int | None:
    return int(number) if number is not None else None
