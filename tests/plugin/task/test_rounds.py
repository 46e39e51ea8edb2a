"""Review rounds on the worker, with failing XComs: outputs are not mixed up, and nothing is lost."""

from __future__ import annotations

import io
import math
from collections import namedtuple
from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowTaskTimeout, TaskAwaitingInput
from pydantic import BaseModel

from airflow_hitl_review import HITLReviewMixin, HITLReviewOperator
from airflow_hitl_review.core.schema import (
    ACTION_KEY,
    HISTORY_KEY,
    SESSION_KEY,
    history_key,
    output_key,
    webhook_key,
)
from airflow_hitl_review.core.states import Action, SessionStatus
from airflow_hitl_review.task import task_xcoms
from hitl_webhooks import EventType
from hitl_webhooks.events import event_id
from tests.support.memory_xcoms import MemoryTask

HISTORIES = [history_key(2), output_key(2), SESSION_KEY]
"""The XComs that the second round writes, in order."""


pytestmark = pytest.mark.usefixtures("no_waits")


DEADLINE = {"error": "Nobody decided in time.", "error_type": "timeout"}


class Drafts:
    """Generates drafts, and records the histories that it was called with."""

    def __init__(self) -> None:
        self.histories: list[Any] = []

    def first(self, context: Any) -> str:
        return "Draft 1"

    def next(self, feedback: str, history: Any) -> str:
        self.histories.append(history)
        return f"Draft {len(self.histories) + 1}: {feedback}"


def operator(**given: Any) -> Any:
    drafts = Drafts()
    return HITLReviewOperator(
        **{"task_id": "t", "prompt": "p", "generate": drafts.first, "regenerate": drafts.next, **given}
    )


def park(reviewed: Any, task: MemoryTask, event: Any = None) -> None:
    """Run the task until it parks: from the beginning, or resumed with ``event``."""
    context = {"ti": task}
    resume = partial(reviewed.resume_hitl_review, context, event, **task.kwargs)
    with pytest.raises(TaskAwaitingInput) as parked:
        (partial(reviewed.execute, context) if event is None else resume)()
    task.kwargs = dict(parked.value.kwargs or {})


def once(error: BaseException) -> Any:
    """Returns a function that raises an error the first time that it is called."""
    left = [error]

    def fail(key: str) -> None:
        if left:
            raise left.pop()

    return fail


def failing(key: str, error: BaseException) -> Any:
    fail = once(error)
    return lambda written: fail(written) if written == key else None


# --- writes of a round


@pytest.mark.parametrize("is_stored", [False, True])
@pytest.mark.parametrize("key", HISTORIES)
@pytest.mark.parametrize("error", [ConnectionError("away"), AirflowTaskTimeout("too late")])
def test_result_is_the_shown_output_after_a_failed_write(key: str, is_stored: bool, error: Exception) -> None:
    drafts, task = Drafts(), MemoryTask()
    reviewed = operator(generate=drafts.first, regenerate=drafts.next)
    park(reviewed, task)
    hook = "after_push" if is_stored else "before_push"
    setattr(task, hook, failing(key, error))
    park(reviewed, task, task.decide(Action.CHANGES_REQUESTED, "shorter"))
    is_on_show = key == SESSION_KEY and is_stored
    session = task.session
    assert session.status is SessionStatus.PENDING_REVIEW
    assert session.current_output == ("Draft 2: shorter" if is_on_show else "Draft 1")
    assert (session.last_error is None) == is_on_show
    # The next round's history has only what a reviewer has seen.
    park(reviewed, task, task.decide(Action.CHANGES_REQUESTED, "longer"))
    seen = ["Draft 1", "shorter", "Draft 2: shorter"] if is_on_show else ["Draft 1"]
    assert [turn["content"] for turn in drafts.histories[-1]] == seen
    shown = task.session.current_output
    result = reviewed.resume_hitl_review({"ti": task}, task.decide(Action.APPROVE))
    assert result == shown == task.xcoms[output_key(task.session.iteration)] == "Draft 3: longer"


@pytest.mark.parametrize("key", HISTORIES)
def test_approval_right_after_a_failed_write_returns_the_shown_output(key: str) -> None:
    reviewed, task = operator(), MemoryTask()
    park(reviewed, task)
    task.before_push = failing(key, ConnectionError("away"))
    park(reviewed, task, task.decide(Action.CHANGES_REQUESTED, "shorter"))
    assert "away" in (task.session.last_error or "")
    assert reviewed.resume_hitl_review({"ti": task}, task.decide(Action.APPROVE)) == "Draft 1"


def approve_and_lose_the_answer(task: MemoryTask) -> None:
    """The next session is stored and immediately approved, but the worker gets no response to its write."""

    def lose(key: str) -> None:
        if key == SESSION_KEY:
            task.after_push = lambda key: None
            task.decide(Action.APPROVE)
            raise ConnectionError("away")

    task.after_push = lose


@pytest.mark.parametrize("tries", [(), (0.0, 0.0)])
def test_decision_is_not_undone_if_the_output_write_seemed_to_fail(
    tries: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session was stored, the response was lost, and a reviewer decided quickly."""
    monkeypatch.setattr(task_xcoms, "SECOND_TRIES", tries)
    reviewed, task = operator(), MemoryTask()
    park(reviewed, task)
    event = task.decide(Action.CHANGES_REQUESTED, "shorter")

    approve_and_lose_the_answer(task)
    assert reviewed.resume_hitl_review({"ti": task}, event) == "Draft 2: shorter"
    assert task.session.status is SessionStatus.APPROVED


def test_decision_after_a_failed_regeneration_is_not_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_xcoms, "SECOND_TRIES", (0.0, 0.0))

    def fail(feedback: str, history: Any) -> str:
        raise ValueError("no")

    reviewed, task = operator(regenerate=fail), MemoryTask()
    park(reviewed, task)
    event = task.decide(Action.CHANGES_REQUESTED, "shorter")

    approve_and_lose_the_answer(task)
    assert reviewed.resume_hitl_review({"ti": task}, event) == "Draft 1"
    assert task.session.status is SessionStatus.APPROVED


def test_task_parks_and_checks_again_if_the_stored_state_is_unknown() -> None:
    reviewed, task = operator(), MemoryTask()
    park(reviewed, task)
    event = task.decide(Action.CHANGES_REQUESTED, "shorter")

    def gone(key: str) -> None:
        raise ConnectionError("away")

    def go(key: str) -> None:
        task.before_pull = gone
        raise ConnectionError("away")

    task.before_push = lambda key: go(key) if key == output_key(2) else None
    park(reviewed, task, event)
    task.before_push = task.before_pull = lambda key: None
    assert task.session.status is SessionStatus.CHANGES_REQUESTED  # as the reviewer left it
    park(reviewed, task, event)  # the API server wakes it again, since it is decided and parked
    assert task.session.current_output == "Draft 3: shorter"


def test_output_is_announced_later_if_the_worker_could_not_see_that_it_is_stored() -> None:
    reviewed, task = operator(webhooks=["https://127.0.0.1:1/"]), MemoryTask()
    park(reviewed, task)
    event = task.decide(Action.CHANGES_REQUESTED, "shorter")

    def away(key: str) -> None:
        if key == SESSION_KEY:
            task.before_pull = away
            raise ConnectionError("away")

    task.after_push = away
    park(reviewed, task, event)
    task.after_push = task.before_pull = lambda key: None
    ready = webhook_key(event_id(str(task.id), EventType.OUTPUT_READY, 2))
    assert (task.session.iteration, ready in task.xcoms) == (2, False)
    for _ in range(2):
        park(reviewed, task, DEADLINE)
        assert ready in task.xcoms
    assert task.pushed.count(ready) <= 2  # once, and again with the result of the first delivery attempt


def test_failed_write_of_a_round_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_xcoms, "SECOND_TRIES", (0.0,))
    reviewed, task = operator(), MemoryTask()
    park(reviewed, task)
    task.before_push = failing(SESSION_KEY, ConnectionError("away"))
    park(reviewed, task, task.decide(Action.CHANGES_REQUESTED, "shorter"))
    assert (task.session.iteration, task.session.last_error) == (2, None)


def test_history_of_the_previous_version_is_read() -> None:
    drafts, task = Drafts(), MemoryTask()
    reviewed = operator(generate=drafts.first, regenerate=drafts.next)
    park(reviewed, task)
    task.xcoms[HISTORY_KEY] = task.xcoms.pop(history_key(1))
    park(reviewed, task, task.decide(Action.CHANGES_REQUESTED, "shorter"))
    assert drafts.histories == [[{"role": "assistant", "content": "Draft 1"}]]
    assert task.shown.count("message_history_2") == 1


# --- reads that fail


@pytest.mark.parametrize("key", [SESSION_KEY, ACTION_KEY, history_key(1)])
def test_task_that_cannot_read_xcoms_parks_and_continues_later(key: str) -> None:
    reviewed, task = operator(), MemoryTask()
    park(reviewed, task)
    event = task.decide(Action.APPROVE)
    task.before_pull = failing(key, ConnectionError("503"))
    park(reviewed, task, event)
    assert task.session.status is SessionStatus.APPROVED
    assert reviewed.resume_hitl_review({"ti": task}, event) == "Draft 1"


# --- errors while generating and in callbacks


@pytest.mark.parametrize("error", [AirflowTaskTimeout("300 s"), SystemExit(1), ValueError("no")])
def test_error_while_regenerating_makes_the_review_pending_again(error: BaseException) -> None:
    def fail(feedback: str, history: Any) -> str:
        raise error

    reviewed, task = operator(regenerate=fail), MemoryTask()
    park(reviewed, task)
    park(reviewed, task, task.decide(Action.CHANGES_REQUESTED, "shorter"))
    assert task.session.status is SessionStatus.PENDING_REVIEW
    assert task.session.last_error == f"{type(error).__name__}: {error}"
    assert reviewed.resume_hitl_review({"ti": task}, task.decide(Action.APPROVE)) == "Draft 1"


def test_timeout_in_a_callback_does_not_end_the_review() -> None:
    def hang(context: Any) -> None:
        raise AirflowTaskTimeout("300 s")

    task = MemoryTask()
    park(operator(on_output_ready_callback=hang), task)
    assert task.session.status is SessionStatus.PENDING_REVIEW


# --- outputs


Point = namedtuple("Point", "x y")


class Names(BaseModel):
    names: Iterable[str]


def pairs() -> Iterator[dict[str, int]]:
    yield {"a": 1}
    yield {"b": 2}


@pytest.mark.parametrize(
    ("make", "value"),
    [
        (pairs, [{"a": 1}, {"b": 2}]),
        (lambda: map(str, [1, 2]), ["1", "2"]),
        (lambda: zip([1], [2], strict=True), [[1, 2]]),
        (lambda: io.StringIO("one\ntwo\n"), ["one\n", "two\n"]),
        (lambda: Names(names=iter(["Ann", "Bob"])), {"names": ["Ann", "Bob"]}),
        (lambda: Point(1, 2), [1, 2]),
        (lambda: {"nul": "a\0b"}, {"nul": "a\ufffdb"}),
        (lambda: "a\0b", "a\ufffdb"),
    ],
)
def test_output_is_read_once_and_is_the_same_everywhere(make: Any, value: Any) -> None:
    histories: list[Any] = []

    def again(feedback: str, history: Any) -> Any:
        histories.append(history)
        return make()

    reviewed, task = operator(generate=lambda context: make(), regenerate=again), MemoryTask()
    park(reviewed, task)
    for number in (1, 2):
        park(reviewed, task, task.decide(Action.CHANGES_REQUESTED, "again"))
        assert histories[-1][-1] == {"role": "assistant", "content": value}
        assert task.session.iteration == number + 1
    assert reviewed.resume_hitl_review({"ti": task}, task.decide(Action.APPROVE)) == value


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ([{"revenue": 1.0}, {"revenue": math.nan}], "The output cannot be stored in XCom: [1].revenue is NaN"),
        ({"a": {"b c": [math.inf]}}, "a.b c[0] is Infinity"),
        (-math.inf, "it is -Infinity"),
        ({"__classname__": 1}, "it has the key '__classname__'"),
        (object(), "must be text or JSON-like; object is neither"),
    ],
)
def test_unstorable_output_is_refused_before_anything_is_stored(output: Any, words: str) -> None:
    task = MemoryTask()
    with pytest.raises(TypeError) as refused:
        operator(generate=lambda context: output).execute({"ti": task})
    assert words in str(refused.value)
    assert task.pushed == []
    # If it is a later output, the reviewer gets the review back.
    reviewed, task = operator(regenerate=lambda feedback, history: output), MemoryTask()
    park(reviewed, task)
    park(reviewed, task, task.decide(Action.CHANGES_REQUESTED, "shorter"))
    assert words in (task.session.last_error or "")
    assert task.session.current_output == "Draft 1"


def test_deeply_nested_output_is_refused_with_a_clear_error() -> None:
    inside: list[Any] = []
    for _ in range(220):
        inside = [inside]
    with pytest.raises(TypeError, match="has more than 200 levels"):
        operator(generate=lambda context: inside).execute({"ti": MemoryTask()})


class Own(HITLReviewMixin):
    """A custom operator with the mixin."""

    template_fields = ("prompt",)

    def __init__(self, history: Any, **given: Any) -> None:
        self.history = history
        self.__dict__.update(given)

    def execute(self, context: Any) -> Any:
        return self.run_hitl_review(context, "Draft 1", message_history=self.history)

    def regenerate_with_feedback(self, *, feedback: str, message_history: Any) -> tuple[Any, Any]:
        return "Draft 2", self.history


@pytest.mark.parametrize(
    ("history", "words"),
    [
        ([{"at": math.nan}], r"The message history cannot be stored in XCom: \[0\].at is NaN"),
        ({"turns": [1, object()]}, r"turns\[1\] is a object, not a JSON value"),
    ],
)
def test_unstorable_history_is_refused_before_anything_is_stored(history: Any, words: str) -> None:
    task = MemoryTask()
    with pytest.raises(TypeError, match=words + ".*hitl_wait='poll'"):
        Own(history).execute({"ti": task})
    assert task.pushed == []


# --- rendered settings


@pytest.mark.parametrize(
    ("prompt", "shown"), [(5, "5"), ({"a": [1]}, '{\n  "a": [\n    1\n  ]\n}'), (None, "null")]
)
def test_prompt_rendered_to_a_non_string_is_shown_as_json(prompt: Any, shown: str) -> None:
    reviewed, task = operator(), MemoryTask()
    reviewed.prompt = prompt  # as Airflow does after rendering
    park(reviewed, task)
    assert task.session.prompt == shown


@pytest.mark.parametrize(
    ("rendered", "ids"),
    [(["ann"], ["ann"]), ("['ann', 'bob']", ["ann", "bob"]), ("ann", ["ann"]), (("ann",), ["ann"])],
)
def test_reviewers_can_be_a_template(rendered: Any, ids: list[str]) -> None:
    reviewed, task = operator(reviewers="{{ params.owners }}"), MemoryTask()
    assert "reviewers" in reviewed.template_fields
    reviewed.reviewers = rendered
    park(reviewed, task)
    assert task.session.reviewers == ids


@pytest.mark.parametrize("rendered", [["{{ params.owner }}"], "{{ params.owner }}", 5, "[1]", "[", ""])
def test_invalid_rendered_reviewers_are_refused_before_generating(rendered: Any) -> None:
    made: list[Any] = []
    reviewed = operator(reviewers="{{ params.owners }}", generate=made.append)
    reviewed.reviewers = rendered
    with pytest.raises(ValueError, match="reviewers"):
        reviewed.execute({"ti": MemoryTask()})
    assert made == []


def test_reviewers_outside_template_fields_are_refused_at_dag_parsing() -> None:
    with pytest.raises(ValueError, match=r"reviewers still holds a template.*template_fields"):
        Own(None, reviewers=["{{ params.owner }}"]).check_hitl_settings()


@pytest.mark.parametrize("timeout", [timedelta.max, timedelta(days=400_000)])
def test_too_long_timeout_is_refused_at_dag_parsing(timeout: timedelta) -> None:
    with pytest.raises(ValueError, match="hitl_timeout must be a positive timedelta of at most a hundred years"):
        operator(hitl_timeout=timeout)


# --- decisions written by hand


@pytest.mark.parametrize("event", [DEADLINE, None, {"decided": True, "recorded": {"action": "approve"}}])
def test_unconfirmed_decision_does_not_end_a_parked_review(event: Any) -> None:
    reviewed, task = operator(), MemoryTask()
    park(reviewed, task)
    task.decide(Action.APPROVE)
    park(reviewed, task, event or {})
    # For a recorded decision, the API server wakes the task; otherwise it makes the review pending again.
    pending = event is not None and "decided" in event
    assert task.session.status is (SessionStatus.PENDING_REVIEW if pending else SessionStatus.APPROVED)


def test_output_changed_after_the_wake_is_not_returned() -> None:
    reviewed, task = operator(), MemoryTask()
    park(reviewed, task)
    event = task.decide(Action.APPROVE)
    task.xcoms[SESSION_KEY]["current_output"] = "Something else"
    park(reviewed, task, event)
    assert task.session.status is SessionStatus.PENDING_REVIEW


# --- compatibility with the provider's mixin


def polled(*actions: Any) -> int:
    """Poll a review with one action after the other in XCom; returns the number of polls."""
    task, left, looks = MemoryTask(), list(actions), [0]

    def look(key: str) -> None:
        if key == SESSION_KEY:
            looks[0] += 1
            task.xcoms[SESSION_KEY]["status"] = "approved"
            task.xcoms[ACTION_KEY] = left.pop(0) if len(left) > 1 else left[0]

    task.before_pull = look
    assert Own(None, hitl_wait="poll", hitl_poll_interval=0.001).execute({"ti": task}) == "Draft 1"
    return looks[0]


def test_polled_action_may_be_json_text() -> None:
    assert polled('{"action": "approve", "feedback": "", "iteration": 1}') == 1


@pytest.mark.parametrize("malformed", [None, "approve", 5, {"action": "approved"}])
def test_malformed_polled_action_is_ignored(malformed: Any) -> None:
    good = {"action": "approve", "iteration": 1}
    assert polled(*[malformed] * 15, good) == 16


def test_zero_settings_mean_the_same_as_in_the_provider() -> None:
    given = {"hitl_poll_interval": 0, "hitl_timeout": timedelta(0), "max_hitl_iterations": 0}
    task = MemoryTask()
    park(Own(None, **given), task)
    assert (task.session.deadline_at, task.session.max_iterations) == (None, 1)


def test_context_may_have_task_instance_instead_of_ti() -> None:
    task = MemoryTask()
    with pytest.raises(TaskAwaitingInput):
        Own([1]).execute({"task_instance": task})
    assert task.xcoms[history_key(1)] == [1]
    assert Own._to_string({"a": 1}) == '{\n  "a": 1\n}'
    assert Own._to_string(object()).startswith("<object")
