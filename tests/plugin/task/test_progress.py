"""What a task tells while it makes an output: how often it is written, and that nothing waits for it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskAwaitingInput
from airflow.sdk.execution_time.context import set_current_context

from airflow_hitl_review import HITLReviewOperator, report_progress, trace
from airflow_hitl_review.core.progress import MAX_PARTIAL, MAX_STEPS, Progress, read_progress
from airflow_hitl_review.core.schema import PROGRESS_KEY, SESSION_KEY
from airflow_hitl_review.core.states import Action
from airflow_hitl_review.task import progress, tracing
from airflow_hitl_review.task.progress import reporter_of
from airflow_hitl_review.task.task_xcoms import TaskXComs
from tests.support.memory_xcoms import MemoryTask

pytestmark = pytest.mark.usefixtures("no_waits")


class Told(MemoryTask):
    """A task whose every state of its progress is kept.

    Attributes:
        told: what was written, in order; None where it was deleted.
        begun: when each write began, in seconds.
    """

    task: Any

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Progress | None] = []
        self.begun: list[float] = []

    def xcom_push(self, key: str, value: Any) -> None:
        if key == PROGRESS_KEY:
            self.begun.append(time.monotonic())
        super().xcom_push(key, value)
        if key == PROGRESS_KEY:
            self.told.append(Progress.model_validate(value))

    def delete(self, key: str) -> None:
        """What ``TaskXComs.delete`` does."""
        assert key == PROGRESS_KEY
        del self.xcoms[key]
        self.told.append(None)
        assert SESSION_KEY in self.xcoms, "first the output, then nothing is being made"

    def until(self, is_told: Callable[[Progress], bool]) -> Progress:
        """Wait until that is written."""
        while True:
            for one in self.told:
                if one is not None and is_told(one):
                    return one
            time.sleep(0.005)


@pytest.fixture(params=[True, False], ids=["thread", "inline"])
def task(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    """The running task; as in Airflow 3.2 and newer, and as in 3.1."""
    monkeypatch.setattr(progress, "MAY_USE_THREADS", request.param)
    monkeypatch.setattr(progress, "INTERVAL", 0.1)
    monkeypatch.setattr(TaskXComs, "delete", lambda xcoms, key: xcoms._ti.delete(key))
    given = Told()
    given.task = operator(lambda context: "Draft")
    context: Any = {"ti": given}
    with set_current_context(context):
        yield given
    assert not progress._reporters, "every reporter ends"
    assert not [one for one in threading.enumerate() if one.name == "hitl-review-progress"]


def operator(generate: Callable[[Any], str], regenerate: Callable[[str, Any], str] = lambda f, h: "Next") -> Any:
    return HITLReviewOperator(task_id="t", prompt="p", generate=generate, regenerate=regenerate)


def parked(go_on: Callable[[], Any]) -> None:
    with pytest.raises(TaskAwaitingInput):
        go_on()


def test_what_is_told_is_there_until_the_output_is(task: Told) -> None:
    def generate(context: Any) -> str:
        report_progress("Reading 12 of 40 files", fraction=0.3)
        task.until(lambda told: told.fraction == 0.3)
        assert (task.xcoms[PROGRESS_KEY]["text"], task.xcoms[PROGRESS_KEY].get("iteration", 1)) == (
            "Reading 12 of 40 files",
            1,
        )
        return "Draft"

    parked(lambda: operator(generate).execute({"ti": task}))
    assert task.told[-1] is None
    assert PROGRESS_KEY not in task.xcoms


def test_next_output_is_told_of_by_its_number(task: Told) -> None:
    def regenerate(feedback: str, history: Any) -> str:
        report_progress("Again")
        assert task.until(lambda told: told.text == "Again").iteration == 2
        if feedback == "fail":
            raise OSError("The model is away.")
        return "Next"

    parked(lambda: operator(lambda context: "Draft").execute({"ti": task}))
    for feedback in ("fail", "shorter"):
        event = task.decide(Action.CHANGES_REQUESTED, feedback)
        parked(partial(operator(str, regenerate).resume_hitl_review, {"ti": task}, event))
        assert task.told[-1] is None, "also if the output could not be made"
        task.told.clear()


def test_often_told_is_seldom_written(task: Told) -> None:
    """At most one write in each interval, and what is told last is written."""

    def generate(context: Any) -> str:
        for number in range(20_000):
            report_progress(f"Row {number}")
        while reporter_of(task) and not any(told and told.text == "Row 19999" for told in task.told):
            report_progress("Row 19999")
        for _ in range(1_000):
            report_progress("Row 19999")
        return "Draft"

    parked(lambda: operator(generate).execute({"ti": task}))
    pauses = [after - before for before, after in zip(task.begun, task.begun[1:], strict=False)]
    assert all(pause >= 0.099 for pause in pauses), pauses
    texts = [told.text for told in task.told if told]
    assert len(texts) == len(set(texts)), "nothing is written that has not changed"


@pytest.mark.parametrize("task", [True], indirect=True)
def test_nothing_waits_for_a_slow_write(task: Told) -> None:
    go_on, is_writing = threading.Event(), threading.Event()

    def slow(key: str) -> None:
        if key == PROGRESS_KEY:
            is_writing.set()
            assert go_on.wait(30)

    task.before_push = slow

    def generate(context: Any) -> str:
        report_progress("First")
        assert is_writing.wait(30)
        for number in range(1_000):  # each of them would wait, and nobody would let the write go on
            report_progress(f"Row {number}")
        go_on.set()
        return "Draft"

    parked(lambda: operator(generate).execute({"ti": task}))


def test_writes_that_fail_do_not_fail_the_task(task: Told) -> None:
    def away(key: str) -> None:
        if key == PROGRESS_KEY:
            raise OSError("The API server is away.")

    task.before_push = away

    def generate(context: Any) -> str:
        while len(task.begun) < 3:
            report_progress(f"Try {len(task.begun)}, {time.monotonic()}")
        for number in range(1_000):
            report_progress(f"In vain {number}")
        return "Draft"

    parked(lambda: operator(generate).execute({"ti": task}))
    assert len(task.begun) == 3, "then it gives up"
    assert task.session.current_output == "Draft"


@pytest.mark.parametrize(
    ("given", "kept"), [(0.5, 0.5), (1, 1.0), (-3, 0.0), (1.0000001, 1.0), (float("nan"), None), (None, None)]
)
def test_fraction(task: Told, given: float | None, kept: float | None) -> None:
    report_progress("Working", given)
    reporter = reporter_of(task)
    assert reporter is not None
    assert reporter._now().fraction == kept
    task.xcoms[SESSION_KEY] = {}
    progress.end_progress(task)


def test_steps_and_text_are_cut_and_masked(task: Told) -> None:
    for number in range(30):
        trace("search", {"page": number, "password": "hunter2"}, "x" * 5_000)
    reporter = reporter_of(task)
    assert reporter is not None
    for _ in range(5_000):
        reporter.add_text("word ")
    report_progress("y" * 9_000)
    now = reporter._now()
    assert (len(now.steps), now.left_out) == (MAX_STEPS, 30 - MAX_STEPS)
    assert '"page": 29' in now.steps[-1].args
    assert "hunter2" not in str(now)
    assert len(now.partial) == MAX_PARTIAL
    assert len(str(now.stored())) < 16_000
    assert read_progress(now.stored()) == now
    reporter.add_text("Anew", anew=True)
    assert reporter._now().partial == "Anew"
    assert len(tracing.take()) == 30
    task.xcoms[SESSION_KEY] = {}
    progress.end_progress(task)


def test_nothing_is_told_where_nobody_reviews(task: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    task.task = object()
    report_progress("No operator of ours")
    task.task = operator(lambda context: "Draft")
    task.task.enable_hitl_review = False
    report_progress("Not reviewed")
    task.task.enable_hitl_review = True
    monkeypatch.setenv("AIRFLOW__HITL_REVIEW__PROGRESS", "False")
    report_progress("Switched off")
    assert task.begun == []


def test_outside_a_task_nothing_is_told() -> None:
    report_progress("Nobody hears this")
    assert not progress._reporters


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        {},
        {"at": "2026-01-01T00:00:00Z", "fraction": 2},
        {"at": "2026-01-01T00:00:00Z", "text": "x" * 501},
        {"at": "2026-01-01T00:00:00Z", "steps": [{}] * 21},
        {"at": "2026-01-01T00:00:00Z", "steps": [{"args": "x" * 9_000}]},
        {"at": "2026-01-01T00:00:00Z", "partial": "x" * 2_001},
    ],
)
def test_what_somebody_else_wrote_is_not_shown(value: Any) -> None:
    assert read_progress(value) is None


def test_forked_process_leaves_the_connection_of_its_task_alone(task: Told) -> None:
    try:
        progress._note_fork()  # what Python calls in a child
        report_progress("In a child")
        assert reporter_of(task) is None
    finally:
        progress._forked.clear()
    assert task.begun == []


@pytest.mark.parametrize("task", [False], indirect=True)
def test_without_threads_only_the_main_one_writes(task: Told) -> None:
    """In Airflow 3.1, two requests at once get mixed up."""
    worker = threading.Thread(target=report_progress, args=("In a thread",))
    worker.start()
    worker.join()

    async def tell() -> None:
        report_progress("In an event loop")

    asyncio.run(tell())
    assert task.begun == []
    report_progress("On the main thread")
    assert [told.text for told in task.told if told] == ["On the main thread"]
    task.xcoms[SESSION_KEY] = {}
    progress.end_progress(task)
