"""Edited outputs on the worker: what the task returns, what it refuses, and decisions that nobody made."""

from __future__ import annotations

import datetime
import enum
import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException, AirflowTaskTimeout, TaskAwaitingInput
from pydantic import BaseModel, Field, create_model, model_validator

from airflow_hitl_review import HITLReviewMixin, HITLReviewOperator
from airflow_hitl_review.core.schema import (
    ACTION_KEY,
    SESSION_KEY,
    AgentSession,
    edited_output_key,
    webhook_key,
)
from airflow_hitl_review.core.states import Action, SessionStatus
from airflow_hitl_review.core.texts import sha256_of
from airflow_hitl_review.task import task_xcoms
from airflow_hitl_review.task.decorators import HITLReviewDecoratedOperator
from airflow_hitl_review.task.errors import HITLRejectError, HITLTimeoutError
from hitl_webhooks import EventType
from hitl_webhooks.events import event_id
from tests.support.memory_xcoms import MemoryTask

pytestmark = pytest.mark.usefixtures("no_waits")

DEADLINE = {"error": "Nobody decided in time.", "error_type": "timeout"}

PENDING, APPROVED, REJECTED = SessionStatus.PENDING_REVIEW, SessionStatus.APPROVED, SessionStatus.REJECTED


class Grade(str, enum.Enum):
    GOOD = "good"
    BAD = "bad"


class Region(BaseModel):
    name: str
    revenue: int = Field(ge=0)
    grade: Grade = Grade.GOOD
    until: datetime.date | None = None


class Report(BaseModel):
    title: str
    regions: list[Region]
    total: int

    @model_validator(mode="after")
    def _adds_up(self) -> Report:
        if self.total != sum(region.revenue for region in self.regions):
            raise ValueError("the total is not the sum of the regions")
        return self


REPORT = Report(
    title="Week 3",
    regions=[Region(name="North", revenue=3, until=datetime.date(2026, 1, 2)), Region(name="South", revenue=4)],
    total=7,
)


def operator(first: Any = "Draft 1", **given: Any) -> Any:
    def again(feedback: str, history: Any) -> Any:
        return f"Next: {feedback}" if isinstance(first, str) else first

    defaults = {"task_id": "t", "prompt": "p", "generate": lambda context: first, "regenerate": again}
    return HITLReviewOperator(**{**defaults, **given})


def waiting(reviewed: Any, task: MemoryTask, event: Any = None) -> None:
    """Run the task until it parks: from the beginning, or resumed with ``event``."""
    with pytest.raises(TaskAwaitingInput) as parked:
        go(reviewed, task, event)
    task.kwargs = dict(parked.value.kwargs or {})


def go(reviewed: Any, task: MemoryTask, event: Any = None) -> Any:
    context: Any = {"ti": task}
    if event is None:
        return reviewed.execute(context)
    return reviewed.resume_hitl_review(context, event, **task.kwargs)


def polling(task: MemoryTask, *steps: Callable[[], Any]) -> None:
    """Do one step after the other, each before the worker looks again at a pending review."""
    left = list(steps)

    def look(key: str) -> None:
        if key == SESSION_KEY and left and SESSION_KEY in task.xcoms and task.session.status is PENDING:
            left.pop(0)()

    task.before_pull = look


def changed(**fields: Any) -> str:
    """The report as JSON, with other values in it."""
    return json.dumps({**REPORT.model_dump(mode="json"), **fields}, indent=2)


GOOD_EDIT = changed(
    title="Week 4", regions=[{"name": "East", "revenue": 2, "grade": "bad", "until": "2026-02-03"}], total=2
)


# --- approving an edit


@pytest.mark.parametrize("edited", ["Mine", "", '{"looks": "like JSON"}', "ünïcode \U0001f600\n\ttabs"])
@pytest.mark.parametrize("way", ["park", "poll"])
def test_edited_text_is_the_result(edited: str, way: str) -> None:
    reviewed, task = operator(hitl_wait=way, hitl_poll_interval=0.001), MemoryTask()
    if way == "poll":
        polling(task, lambda: task.decide(Action.APPROVE, edited=edited))
        assert go(reviewed, task) == edited
    else:
        waiting(reviewed, task)
        assert go(reviewed, task, task.decide(Action.APPROVE, edited=edited)) == edited
    assert (task.session.status, task.session.current_output) == (APPROVED, "Draft 1")


def test_numbers_and_order_of_an_edit_survive() -> None:
    reviewed, task = operator({"b": 1, "a": 2}), MemoryTask()
    waiting(reviewed, task)
    edited = '{"z": 9007199254740993, "a": 1.0, "b": [1, true, null, -0.0], "k": 123456789012345678901234567890}'
    result = go(reviewed, task, task.decide(Action.APPROVE, edited=edited))
    assert json.dumps(result) == edited
    assert type(result["a"]) is float


def test_edit_of_a_declared_type_is_the_result() -> None:
    reviewed, task = operator(REPORT, output_type=Report), MemoryTask()
    waiting(reviewed, task)
    session = task.session
    assert (session.allow_modifications, session.modifications_refused) == (True, None)
    assert session.output_schema is not None
    assert list(session.output_schema["properties"]) == ["title", "regions", "total"]
    result = go(reviewed, task, task.decide(Action.APPROVE, edited=GOOD_EDIT))
    assert result == json.loads(GOOD_EDIT)
    assert type(result["regions"][0]["grade"]) is str


@pytest.mark.parametrize(
    ("edited", "words"),
    [
        (changed(total=8), "the total is not the sum of the regions"),
        (changed(total="many"), "total: Input should be a valid integer"),
        (changed(regions=[{"name": "North", "revenue": -7}], total=-7), "regions[0].revenue: Input should be gr"),
        (
            changed(regions=[{"name": "North", "revenue": 7, "grade": "ugly", "until": "someday"}]),
            "regions[0].grade: Input should be 'good' or 'bad'; regions[0].until: Input should be a valid date",
        ),
        ("{", "Invalid JSON"),
    ],
)
@pytest.mark.parametrize("action", [Action.APPROVE, Action.CHANGES_REQUESTED])
def test_refused_edit_gives_the_review_back(edited: str, words: str, action: Action) -> None:
    reviewed, task = operator(REPORT, output_type=Report, max_hitl_iterations=2), MemoryTask()
    waiting(reviewed, task)
    feedback = "" if action is Action.APPROVE else "shorter"
    waiting(reviewed, task, task.decide(action, feedback, edited=edited))
    session = task.session
    assert (session.status, session.iteration) == (PENDING, 1)
    assert words in (session.last_error or "")
    (failure,) = session.failures
    assert (failure.kind, failure.error, failure.feedback) == ("edit", session.last_error, feedback)
    assert failure.user is not None
    assert failure.edited_output_sha256 == session.decisions[-1].edited_output_sha256 is not None
    assert task.xcoms[edited_output_key(1)] == edited
    # The review goes on: with a better edit, or without one.
    waiting(reviewed, task, task.decide(Action.CHANGES_REQUESTED, "again", edited=GOOD_EDIT))
    assert (task.session.iteration, task.session.last_error) == (2, None)
    assert go(reviewed, task, task.decide(Action.APPROVE)) == REPORT.model_dump(mode="json")


def test_refused_edit_of_the_last_output_gives_the_review_back() -> None:
    reviewed, task = operator(REPORT, output_type=Report, max_hitl_iterations=1), MemoryTask()
    waiting(reviewed, task)
    waiting(reviewed, task, task.decide(Action.CHANGES_REQUESTED, "shorter", edited=changed(total=8)))
    assert task.session.status is PENDING
    assert go(reviewed, task, task.decide(Action.APPROVE, edited=GOOD_EDIT)) == json.loads(GOOD_EDIT)


@pytest.mark.parametrize("error", [ValueError("no emoji, please"), KeyError("x"), AirflowTaskTimeout("300 s")])
def test_an_operators_own_check_can_refuse_an_edit(error: BaseException) -> None:
    class Checking(HITLReviewOperator):
        def check_edited_output(self, edited_output: str, output_format: Any) -> None:
            super().check_edited_output(edited_output, output_format)
            if edited_output == "bad":
                raise error

    reviewed: Any = Checking(
        task_id="t", prompt="p", generate=lambda context: "Draft 1", regenerate=lambda feedback, history: "Draft 2"
    )
    task = MemoryTask()
    waiting(reviewed, task)
    waiting(reviewed, task, task.decide(Action.APPROVE, edited="bad"))
    told = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
    assert task.session.last_error == told
    assert go(reviewed, task, task.decide(Action.APPROVE, edited="good")) == "good"


# --- going on from an edit


def regenerated(first: Any, edited: str, history: Any = None) -> list[Any]:
    """The arguments of ``regenerate`` after a request for changes with an edit."""
    calls: list[Any] = []

    def again(feedback: str, given: Any) -> Any:
        calls.append((feedback, given))
        return ("Draft 2", history) if history is not None else "Draft 2"

    reviewed, task = operator(first, regenerate=again), MemoryTask()
    waiting(reviewed, task)
    if history is not None:
        waiting(reviewed, task, task.decide(Action.CHANGES_REQUESTED, "first"))
    waiting(reviewed, task, task.decide(Action.CHANGES_REQUESTED, "shorter", edited=edited))
    return list(calls[-1])


def test_history_has_the_edit_in_place_of_the_last_output() -> None:
    assert regenerated("Draft 1", "Mine") == ["shorter", [{"role": "assistant", "content": "Mine"}]]
    given = regenerated({"a": 1}, '{"b": 9007199254740993}')
    assert given == ["shorter", [{"role": "assistant", "content": {"b": 9007199254740993}}]]


PARTS = [{"role": "assistant", "content": [{"type": "text", "text": "Draft 2"}]}]


@pytest.mark.parametrize("history", [{"turns": [1]}, ["Draft 2"], [], PARTS])
def test_history_of_another_shape_stays_and_the_feedback_has_the_edit(history: Any) -> None:
    feedback, given = regenerated("Draft 1", "Mine", history)
    assert given == history
    assert feedback.startswith("shorter\n")
    assert feedback.endswith("\n\nMine")


def test_function_of_the_decorator_gets_the_edit_in_its_history() -> None:
    calls: list[Any] = []

    def draft(feedback: str | None = None, history: Any = None) -> str:
        calls.append((feedback, history))
        return f"Draft {len(calls)}"

    reviewed: Any = HITLReviewDecoratedOperator(task_id="t", python_callable=draft)
    task = MemoryTask()
    waiting(reviewed, task)
    waiting(reviewed, task, task.decide(Action.CHANGES_REQUESTED, "shorter", edited="Mine"))
    assert calls[-1] == ("shorter", [{"role": "assistant", "content": "Mine"}])
    reviewed.regenerate_from_edit(edited_output="Mine", feedback="shorter", message_history=None)  # it is gone
    assert calls[-1][0].endswith("\n\nMine")
    assert go(reviewed, task, task.decide(Action.APPROVE, edited="Yours")) == "Yours"


class Own(HITLReviewMixin):
    """A custom operator with the mixin."""

    prompt = "p"
    on_reject = "fail"

    def __init__(self, **given: Any) -> None:
        self.calls: list[Any] = []
        self.__dict__.update(given)

    def execute(self, context: Any) -> Any:
        return self.run_hitl_review(context, "Draft 1", message_history=["mine"])

    def regenerate_with_feedback(self, *, feedback: str, message_history: Any) -> tuple[Any, Any]:
        self.calls.append((feedback, message_history))
        return "Draft 2", message_history


def test_feedback_of_an_operator_of_ones_own_has_the_edit() -> None:
    reviewed, task = Own(), MemoryTask()
    waiting(reviewed, task)
    waiting(reviewed, task, task.decide(Action.CHANGES_REQUESTED, "shorter", edited="Mine"))
    ((feedback, history),) = reviewed.calls
    assert history == ["mine"]
    assert feedback.startswith("shorter\n")
    assert feedback.endswith("\n\nMine")
    assert go(reviewed, task, task.decide(Action.APPROVE)) == "Draft 2"


@pytest.mark.usefixtures("_quick_last_look")
def test_edit_is_not_taken_for_a_later_output() -> None:
    """It was about the first output; the clock approves the second one as it is."""
    reviewed, task = operator(hitl_wait="poll", **{**BY_CLOCK, "hitl_timeout": SOON}), MemoryTask()
    polling(task, lambda: task.decide(Action.CHANGES_REQUESTED, "shorter", edited="Mine"))
    assert go(reviewed, task) == "Next: shorter"
    assert task.session.decisions[-1].channel == "timeout"


# --- edits that somebody changed in XCom


def overwritten(task: MemoryTask) -> None:
    task.xcoms[edited_output_key(1)] = "Forged"


def forged(task: MemoryTask) -> None:
    overwritten(task)
    digest = sha256_of("Forged")
    task.xcoms[ACTION_KEY]["edited_output_sha256"] = digest
    task.xcoms[SESSION_KEY]["decisions"][-1]["edited_output_sha256"] = digest


def removed(task: MemoryTask) -> None:
    del task.xcoms[edited_output_key(1)]


def denied(task: MemoryTask) -> None:
    """As if there had been no edit."""
    task.xcoms[ACTION_KEY]["edited_output_sha256"] = None


@pytest.mark.parametrize("change", [overwritten, forged, removed, denied])
@pytest.mark.parametrize("event", ["of the decision", "of the deadline", "none"])
@pytest.mark.parametrize("action", [Action.APPROVE, Action.CHANGES_REQUESTED])
def test_changed_edit_does_not_end_a_parked_review(
    change: Callable[[MemoryTask], None], event: str, action: Action
) -> None:
    made: list[Any] = []
    reviewed, task = operator(regenerate=lambda feedback, history: made.append(history)), MemoryTask()
    waiting(reviewed, task)
    told = task.decide(action, "words", edited="Mine")
    change(task)
    waiting(reviewed, task, {"of the decision": told, "of the deadline": DEADLINE, "none": {}}[event])
    assert made == []
    if event == "of the decision":
        assert task.session.status is PENDING
        assert go(reviewed, task, task.decide(Action.APPROVE)) == "Draft 1"


@pytest.mark.parametrize("change", [overwritten, removed])
def test_changed_edit_does_not_end_a_polled_review(change: Callable[[MemoryTask], None]) -> None:
    reviewed, task = operator(hitl_wait="poll", hitl_poll_interval=0.001), MemoryTask()

    def decide() -> None:
        task.decide(Action.APPROVE, edited="Mine")
        change(task)

    polling(task, decide, lambda: task.decide(Action.APPROVE))
    assert go(reviewed, task) == "Draft 1"
    assert len(task.session.decisions) == 2


# --- outputs that cannot be edited


class Rounded(BaseModel):
    revenue: float

    @model_validator(mode="after")
    def _round(self) -> Rounded:
        self.revenue = round(self.revenue)
        return self


@pytest.mark.parametrize(
    ("output", "given", "words"),
    [
        ("Draft 1", {"allow_modifications": False}, "allow_modifications is False for this task"),
        ({"revenue": 1.4}, {"output_type": Rounded}, "does not come back the same"),
        ({"revenue": "much"}, {"output_type": Rounded}, "it is not of its output_type"),
        (["North"], {"output_type": set[int]}, "it is not of its output_type"),
    ],
)
def test_session_says_why_an_output_cannot_be_edited(output: Any, given: dict[str, Any], words: str) -> None:
    reviewed, task = operator(output, **given), MemoryTask()
    waiting(reviewed, task)
    assert task.session.allow_modifications is False
    assert words in (task.session.modifications_refused or "")
    assert task.session.output_schema is None
    assert go(reviewed, task, task.decide(Action.APPROVE)) == output


def test_each_output_says_whether_it_can_be_edited() -> None:
    outputs = iter([{"revenue": 1.4}, {"revenue": 2.0}])
    reviewed = operator({"revenue": 1.0}, output_type=Rounded, regenerate=lambda feedback, history: next(outputs))
    task = MemoryTask()
    waiting(reviewed, task)
    seen = [task.session.allow_modifications]
    for _ in range(2):
        waiting(reviewed, task, task.decide(Action.CHANGES_REQUESTED, "again"))
        seen.append(task.session.allow_modifications)
    assert seen == [True, False, True]
    assert task.session.modifications_refused is None


def test_task_refuses_an_edit_that_its_settings_do_not_allow() -> None:
    """The session in XCom, which somebody has changed, allowed it."""
    reviewed, task = operator(allow_modifications=False), MemoryTask()
    waiting(reviewed, task)
    waiting(reviewed, task, task.decide(Action.APPROVE, edited="Mine"))
    assert "allow_modifications is False" in (task.session.last_error or "")


def test_too_large_schema_is_left_out() -> None:
    names = {f"field_{number}": (int, 0) for number in range(3_000)}
    large: Any = create_model("Large", **names)  # type: ignore[call-overload]
    reviewed, task = operator({f"field_{number}": 0 for number in range(3_000)}, output_type=large), MemoryTask()
    waiting(reviewed, task)
    assert (task.session.allow_modifications, task.session.output_schema) == (True, None)
    waiting(reviewed, task, task.decide(Action.APPROVE, edited='{"field_7": "x"}'))
    assert "field_7: Input should be a valid integer" in (task.session.last_error or "")


# --- how a review ends


def told(task: MemoryTask, type_: EventType, iteration: int = 1) -> Any:
    """The data of an event in the outbox; None if it was not told."""
    entry = task.xcoms.get(webhook_key(event_id(str(task.id), type_, iteration)))
    return json.loads(entry["body"])["data"] if entry is not None else None


WEBHOOKS = {"webhooks": ["https://127.0.0.1:1/"]}


def test_rejected_task_can_be_skipped() -> None:
    reviewed, task = operator(on_reject="skip", **WEBHOOKS), MemoryTask()
    waiting(reviewed, task)
    assert task.session.on_reject == "skip"
    with pytest.raises(AirflowSkipException, match="Output 1 was rejected by Ann; the reason is in the review"):
        go(reviewed, task, task.decide(Action.REJECT, "no"))
    final = told(task, EventType.FINALIZED)
    assert (final["status"], final["feedback"], final["edited"]) == ("rejected", "no", False)


def test_final_event_of_an_edit_has_both_digests() -> None:
    reviewed, task = operator(**WEBHOOKS), MemoryTask()
    waiting(reviewed, task)
    waiting(reviewed, task, task.decide(Action.CHANGES_REQUESTED, "shorter", edited="Ours"))
    asked = told(task, EventType.CHANGES_REQUESTED)
    assert (asked["output"], asked["edited"], asked["edited_by"]["name"]) == ("Ours", True, "Ann")
    go(reviewed, task, task.decide(Action.APPROVE, edited="Mine"))
    final = told(task, EventType.FINALIZED, 2)
    assert (final["output"], final["edited"], final["edited_by"]) == ("Mine", True, {"id": "ann", "name": "Ann"})
    assert final["output_sha256"] == sha256_of("Mine")
    assert final["shown_output_sha256"] == sha256_of("Next: shorter")


BY_CLOCK: dict[str, Any] = {
    "on_hitl_timeout": "approve",
    "hitl_timeout": timedelta(hours=1),
    "hitl_poll_interval": 0.001,
}


SOON = timedelta(seconds=0.4)


def end_soon(task: MemoryTask) -> None:
    """The deadline of the review is over."""
    past = datetime.datetime.now(datetime.timezone.utc) - timedelta(minutes=1)
    task.kwargs["parked"]["deadline"] = past.isoformat()
    task.xcoms[SESSION_KEY]["updated_at"] = (past - timedelta(minutes=1)).isoformat()


def at_the_deadline(task: MemoryTask, way: str, **given: Any) -> Any:
    """The result of a review about which nobody decides."""
    if way == "poll":
        return go(operator(hitl_wait=way, **{**BY_CLOCK, **WEBHOOKS, **given, "hitl_timeout": SOON}), task)
    reviewed = operator(**{**BY_CLOCK, **WEBHOOKS, **given})
    waiting(reviewed, task)
    end_soon(task)
    return go(reviewed, task, DEADLINE)


@pytest.fixture
def _quick_last_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_hitl_review.task.review_loop._LAST_LOOK", 0.0)


@pytest.mark.usefixtures("_quick_last_look")
@pytest.mark.parametrize("way", ["park", "poll"])
@pytest.mark.parametrize("ending", ["approve", "reject", "fail", "skip"])
def test_clock_decides_as_the_settings_say(way: str, ending: str) -> None:
    task = MemoryTask()
    given = {"on_hitl_timeout": "reject", "on_reject": "skip"} if ending == "skip" else {"on_hitl_timeout": ending}
    if ending == "approve":
        assert at_the_deadline(task, way, **given) == "Draft 1"
    else:
        error = {"reject": HITLRejectError, "skip": AirflowSkipException, "fail": HITLTimeoutError}[ending]
        with pytest.raises(error, match="in time"):
            at_the_deadline(task, way, **given)
    final = told(task, EventType.FINALIZED)
    assert final["decided_by"] is final["edited_by"] is None
    if ending == "fail":
        assert task.session.status is SessionStatus.TIMEOUT_EXCEEDED
        assert (task.session.decisions, final["channel"]) == ([], None)
        return
    status = APPROVED if ending == "approve" else REJECTED
    assert task.session.status is status
    (decision,) = task.session.decisions
    assert (decision.channel, decision.user) == ("timeout", None)
    assert task.xcoms[ACTION_KEY]["channel"] == "timeout"
    assert (final["status"], final["channel"]) == (status.value, "timeout")


@pytest.mark.usefixtures("_quick_last_look")
def test_refused_edit_is_not_what_the_clock_approves() -> None:
    reviewed = operator(REPORT, output_type=Report, hitl_wait="poll", **{**BY_CLOCK, "hitl_timeout": SOON})
    task = MemoryTask()
    polling(task, lambda: task.decide(Action.APPROVE, edited=changed(total=8)))
    with pytest.raises(HITLTimeoutError):  # somebody had declined the output as it was
        go(reviewed, task)
    assert [one.channel for one in task.session.decisions] == ["rest"]


@pytest.mark.parametrize("key", [SESSION_KEY, ACTION_KEY])
@pytest.mark.parametrize("is_stored", [False, True])
@pytest.mark.parametrize("error", [ConnectionError("away"), AirflowTaskTimeout("300 s")])
@pytest.mark.parametrize("ending", ["approve", "reject"])
def test_clock_decides_again_if_its_decision_was_stored_in_part(
    key: str, is_stored: bool, error: BaseException, ending: str
) -> None:
    reviewed, task = operator(**{**BY_CLOCK, "on_hitl_timeout": ending}), MemoryTask()
    waiting(reviewed, task)
    end_soon(task)

    def away(written: str) -> None:
        if written == key:
            task.before_pull = unreadable
            raise error

    def unreadable(read: str) -> None:
        raise ConnectionError("away")

    setattr(task, "after_push" if is_stored else "before_push", away)
    waiting(reviewed, task, DEADLINE)
    task.after_push = task.before_push = task.before_pull = lambda key: None
    if ending == "approve":
        assert go(reviewed, task, DEADLINE) == "Draft 1"
    else:
        with pytest.raises(HITLRejectError):
            go(reviewed, task, DEADLINE)
    assert task.session.status is (APPROVED if ending == "approve" else REJECTED)
    assert task.session.decisions[-1].channel == "timeout"


@pytest.mark.usefixtures("_quick_last_look")
def test_polled_review_is_still_pending_if_the_clocks_decision_cannot_be_stored() -> None:
    """The task fails; the API server then tells that its review was left undecided."""
    reviewed, task = operator(hitl_wait="poll", **{**BY_CLOCK, "hitl_timeout": SOON}), MemoryTask()

    def away(written: str) -> None:
        if written == ACTION_KEY:
            raise ConnectionError("away")

    task.before_push = away
    with pytest.raises(task_xcoms.XComsAwayError):
        go(reviewed, task)
    assert task.session.status is PENDING


@pytest.mark.parametrize("channel", ["timeout", "policy"])
def test_decision_of_the_clock_that_somebody_forged_is_undone(channel: str) -> None:
    reviewed, task = operator(**BY_CLOCK), MemoryTask()
    waiting(reviewed, task)
    task.decide(Action.APPROVE)
    task.xcoms[ACTION_KEY] |= {"channel": channel, "user": None}
    task.xcoms[SESSION_KEY]["decisions"][-1] |= {"channel": channel, "user": None}
    waiting(reviewed, task, DEADLINE)
    assert task.session.status is PENDING


# --- outputs that nobody need review


def test_output_that_review_when_lets_pass_is_not_reviewed() -> None:
    seen: list[Any] = []

    def is_bad(report: Report) -> bool:
        seen.append(report)
        return report.total > 7

    reviewed, task = operator(REPORT, output_type=Report, review_when=is_bad, **WEBHOOKS), MemoryTask()
    assert go(reviewed, task) == REPORT.model_dump(mode="json")
    assert seen == [REPORT]
    session = task.session
    assert (session.status, session.decisions[-1].channel, session.decisions[-1].user) == (APPROVED, "policy", None)
    assert told(task, EventType.OUTPUT_READY) is None
    final = told(task, EventType.FINALIZED)
    assert (final["status"], final["channel"], final["decided_by"]) == ("approved", "policy", None)


def test_rejected_by_nobody_is_not_possible_for_later_outputs() -> None:
    """``review_when`` is asked about the first output only."""
    asked: list[Any] = []

    def ask(output: Any) -> bool:
        asked.append(output)
        return True

    reviewed, task = operator(review_when=ask), MemoryTask()
    waiting(reviewed, task)
    waiting(reviewed, task, task.decide(Action.CHANGES_REQUESTED, "shorter"))
    assert asked == ["Draft 1"]


class NoTruth:
    def __bool__(self) -> bool:
        raise ValueError("ambiguous")


def no(output: Any) -> Any:
    raise KeyError("x")


def leave(output: Any) -> Any:
    raise SystemExit(1)


@pytest.mark.parametrize(
    "review_when", [no, leave, lambda output: None, lambda output: NoTruth(), lambda output: 1]
)
@pytest.mark.parametrize("way", ["park", "poll"])
def test_output_is_reviewed_if_review_when_does_not_say_no(review_when: Any, way: str) -> None:
    reviewed = operator(review_when=review_when, hitl_wait=way, hitl_poll_interval=0.001)
    task = MemoryTask()
    if way == "poll":
        polling(task, partial(task.decide, Action.REJECT))
        with pytest.raises(HITLRejectError):
            go(reviewed, task)
    else:
        waiting(reviewed, task)
        assert task.session.status is PENDING


def test_output_that_is_not_of_its_type_is_reviewed_though_review_when_cannot_be_asked() -> None:
    reviewed = operator({"revenue": "much"}, output_type=Rounded, review_when=lambda output: False)
    task = MemoryTask()
    waiting(reviewed, task)


# --- settings


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"on_hitl_timeout": "approve"}, "on_hitl_timeout='approve' needs hitl_timeout"),
        ({"on_hitl_timeout": "reject"}, "on_hitl_timeout='reject' needs hitl_timeout"),
        ({"on_hitl_timeout": "skip", "hitl_timeout": timedelta(1)}, "must be 'fail', 'approve' or 'reject'"),
        ({"on_reject": "retry"}, "on_reject must be 'fail' or 'skip', not 'retry'"),
        ({"on_reject": None}, "on_reject must be 'fail' or 'skip', not None"),
        ({"review_when": True}, "review_when must be a function of the output, not True"),
        ({"output_type": object()}, "output_type must be a type that pydantic can read as JSON"),
        ({"output_type": MemoryTask}, "output_type must be a type that pydantic can read as JSON"),
    ],
)
def test_wrong_setting_is_refused_when_the_dag_is_read(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        operator(**given)
    with pytest.raises(ValueError, match=words):
        HITLReviewDecoratedOperator(task_id="t", python_callable=lambda feedback=None: "x", **given)


def test_session_of_another_worker_allows_no_edits() -> None:
    assert AgentSession().allow_modifications is False
