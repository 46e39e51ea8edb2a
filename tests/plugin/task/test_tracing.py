"""What a function reports of its work, and when it reaches the reviewer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskAwaitingInput
from airflow.sdk.execution_time.context import set_current_context

from airflow_hitl_review import HITLReviewOperator, trace
from airflow_hitl_review.core.schema import trace_key
from airflow_hitl_review.core.states import Action
from airflow_hitl_review.core.trace import Trace
from airflow_hitl_review.task import tracing
from tests.support.memory_xcoms import MemoryTask

pytestmark = pytest.mark.usefixtures("no_waits")


@pytest.fixture
def task() -> Iterator[MemoryTask]:
    given = MemoryTask()
    context: Any = {"ti": given}
    with set_current_context(context):
        yield given


def first(context: Any) -> str:
    trace("search", {"query": "sales", "api_key": "k-1"}, ["row 1", "row 2"], seconds=0.5)
    trace("model", kind="thinking", result="Sales fell.", input_tokens=10, output_tokens=5, cost=0.001)
    return "Draft 1"


def again(feedback: str, history: Any) -> str:
    trace("search", feedback, "nothing", is_error=True)
    return "Draft 2"


def silent(context: Any) -> str:
    return "Draft"


def operator(generate: Any = first) -> Any:
    return HITLReviewOperator(task_id="t", prompt="p", generate=generate, regenerate=again)


def test_each_output_has_what_was_reported_since_the_one_before(task: MemoryTask) -> None:
    with pytest.raises(TaskAwaitingInput):
        operator().execute({"ti": task})
    stored = Trace.model_validate(task.xcoms[trace_key(1)])
    assert [(step.kind, step.name) for step in stored.steps] == [("tool", "search"), ("thinking", "model")]
    assert stored.steps[0].result == '["row 1", "row 2"]'
    assert (stored.tool_calls, stored.input_tokens, stored.output_tokens) == (1, 10, 5)
    assert (stored.cost, stored.seconds) == (0.001, 0.5)
    assert "k-1" not in str(task.xcoms[trace_key(1)])
    event = task.decide(Action.CHANGES_REQUESTED, "shorter")
    with pytest.raises(TaskAwaitingInput):
        operator().resume_hitl_review({"ti": task}, event)
    (step,) = Trace.model_validate(task.xcoms[trace_key(2)]).steps
    assert (step.args, step.result, step.is_error) == ("shorter", "nothing", True)


def test_a_function_that_reports_nothing_has_no_trace(task: MemoryTask) -> None:
    with pytest.raises(TaskAwaitingInput):
        operator(silent).execute({"ti": task})
    assert trace_key(1) not in task.xcoms


def test_outside_a_task_nothing_is_kept() -> None:
    trace("search")
    assert tracing.take() == []
    assert not tracing._reported


def test_the_number_of_kept_steps_is_limited(task: MemoryTask) -> None:
    for _ in range(6_000):
        trace("search")
    merged = tracing.merged(tracing.take())
    assert merged is not None
    assert merged.tool_calls == len(merged.steps) + merged.left_out == 6_000
