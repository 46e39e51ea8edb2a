"""What the worker decides when nobody has in time, with failing XComs: the review ends, and nothing is undone."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowTaskTimeout, TaskAwaitingInput

from airflow_hitl_review import HITLRejectError, HITLReviewOperator, HITLTimeoutError
from airflow_hitl_review.core.schema import ACTION_KEY, SESSION_KEY
from airflow_hitl_review.core.states import Action, SessionStatus
from airflow_hitl_review.task import new_session, review_loop, review_session, stored_review
from tests.plugin.task.test_rounds import DEADLINE, failing, operator, park
from tests.support.memory_xcoms import MemoryTask

pytestmark = pytest.mark.usefixtures("no_waits")


def clocked(on_hitl_timeout: str = "approve", **given: Any) -> Any:
    return operator(hitl_timeout=timedelta(hours=1), on_hitl_timeout=on_hitl_timeout, **given)


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call it to be two hours later."""

    def be_late() -> None:
        now = datetime.now(timezone.utc) + timedelta(hours=2)
        for module in (new_session, stored_review, review_loop):
            monkeypatch.setattr(module, "utcnow", lambda: now)

    return be_late


@pytest.mark.parametrize("is_stored", [False, True])
@pytest.mark.parametrize("key", [SESSION_KEY, ACTION_KEY])
def test_clock_decides_again_after_the_task_parked_at_its_write(key: str, is_stored: bool, late: Any) -> None:
    """Nobody confirms what it decided: the process that finds it looks at the clock itself."""
    reviewed, task = clocked(), MemoryTask()
    park(reviewed, task)
    late()
    setattr(task, "after_push" if is_stored else "before_push", failing(key, AirflowTaskTimeout("too late")))
    park(reviewed, task, DEADLINE)
    assert reviewed.resume_hitl_review({"ti": task}, DEADLINE, **task.kwargs) == "Draft 1"
    (decision,) = task.session.decisions
    assert (decision.channel, decision.user, task.xcoms[ACTION_KEY]["channel"]) == ("timeout", None, "timeout")
    assert task.session.status is SessionStatus.APPROVED


def test_forged_decision_of_the_clock_is_not_confirmed() -> None:
    reviewed, task = clocked(), MemoryTask()
    park(reviewed, task)
    task.decide(Action.APPROVE)
    for one in (task.xcoms[ACTION_KEY], task.xcoms[SESSION_KEY]["decisions"][0]):
        one.update(channel="timeout", user=None)
    park(reviewed, task, DEADLINE)


def parked_with(reviewed: Any, go_on: Any) -> dict[str, Any]:
    """Run the task until it parks; returns what it is given when it is resumed, which nobody can change."""
    with pytest.raises(TaskAwaitingInput) as parked:
        go_on()
    return dict(parked.value.kwargs or {})


def test_a_deadline_that_somebody_moved_in_xcom_approves_nothing(late: Any) -> None:
    reviewed, task = clocked(), MemoryTask()
    given = parked_with(reviewed, lambda: reviewed.execute({"ti": task}))
    task.xcoms[SESSION_KEY]["deadline_at"] = "2026-01-01T00:00:00Z"
    again = parked_with(reviewed, lambda: reviewed.resume_hitl_review({"ti": task}, {}, **given))
    assert again == given
    assert datetime.fromisoformat(given["parked"]["deadline"]) > datetime.now(timezone.utc)
    assert task.session.status is SessionStatus.PENDING_REVIEW
    late()
    assert reviewed.resume_hitl_review({"ti": task}, DEADLINE, **again) == "Draft 1"


@pytest.mark.parametrize("change", [{"current_output": "Forged"}, {"updated_at": "2999-01-01T00:00:00Z"}])
def test_the_clock_approves_only_what_the_task_has_shown_and_what_has_waited(
    change: dict[str, Any], late: Any
) -> None:
    reviewed, task = clocked(), MemoryTask()
    park(reviewed, task)
    task.xcoms[SESSION_KEY].update(change)
    late()
    with pytest.raises(HITLTimeoutError):
        reviewed.resume_hitl_review({"ti": task}, DEADLINE, **task.kwargs)


def test_the_clock_does_not_approve_what_somebody_has_rejected(late: Any) -> None:
    """Somebody has set the session back; the event still tells of the decision."""
    reviewed, task = clocked(), MemoryTask()
    park(reviewed, task)
    before = dict(task.xcoms[SESSION_KEY])
    event = task.decide(Action.REJECT)
    task.xcoms[SESSION_KEY] = before
    late()
    with pytest.raises(HITLTimeoutError):
        reviewed.resume_hitl_review({"ti": task}, event, **task.kwargs)


def test_a_deadline_that_somebody_wrote_ends_nothing() -> None:
    """Nor one of a review that has none."""
    reviewed, task = operator(), MemoryTask()
    park(reviewed, task)
    forged = {"status": "approved", "deadline_at": "2026-01-01T00:00:00Z"}
    task.decide(Action.APPROVE)
    task.xcoms[SESSION_KEY] |= forged
    for one in (task.xcoms[ACTION_KEY], task.xcoms[SESSION_KEY]["decisions"][0]):
        one.update(channel="timeout", user=None)
    park(reviewed, task, {})
    assert (task.session.status, task.session.deadline_at) == (SessionStatus.PENDING_REVIEW, None)


def test_an_operator_that_takes_nothing_is_given_nothing_and_cannot_end_by_the_clock() -> None:
    """Its method may be one that an author wrote for an earlier version."""

    class Own(HITLReviewOperator):
        def resume_hitl_review(self, context: Any, event: Any = None) -> Any:  # type: ignore[override]
            return super().resume_hitl_review(context, event)

    made: dict[str, Any] = {
        "task_id": "t",
        "prompt": "p",
        "generate": str,
        "regenerate": lambda feedback, history: "x",
    }
    task = MemoryTask()
    park(Own(**{**made, "generate": lambda context: "Draft 1"}, hitl_timeout=timedelta(hours=1)), task)
    assert task.kwargs == {}
    with pytest.raises(ValueError, match="parked=None"):
        Own(**made, hitl_timeout=timedelta(hours=1), on_hitl_timeout="approve")


def test_clock_approves_no_output_that_came_after_the_deadline(late: Any) -> None:
    def next_output(feedback: str, history: Any) -> str:
        late()
        return "Draft 2"

    reviewed, task = clocked(regenerate=next_output), MemoryTask()
    park(reviewed, task)
    event = task.decide(Action.CHANGES_REQUESTED, "shorter", edited="Draft 1, edited")
    with pytest.raises(HITLTimeoutError):
        reviewed.resume_hitl_review({"ti": task}, event, **task.kwargs)


def test_clock_decides_after_an_edit_that_the_task_refuses(monkeypatch: pytest.MonkeyPatch, late: Any) -> None:
    def refuse(edited_output: str, output_format: str) -> None:
        late()
        raise ValueError("no")

    reviewed, task = clocked("reject"), MemoryTask()
    monkeypatch.setattr(reviewed, "check_edited_output", refuse)
    park(reviewed, task)
    with pytest.raises(HITLRejectError, match="nobody decided in time"):
        reviewed.resume_hitl_review(
            {"ti": task}, task.decide(Action.APPROVE, edited="Draft 1, edited"), **task.kwargs
        )
    assert [failure.kind for failure in task.session.failures] == ["edit"]


def test_decision_that_arrives_at_the_deadline_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is stored after the clock was looked at: the look at XCom comes later."""
    reviewed, task = clocked(hitl_wait="poll", hitl_poll_interval=0.01), MemoryTask()

    def time_left(review: Any) -> timedelta:
        if task.session.status is SessionStatus.PENDING_REVIEW:
            task.decide(Action.REJECT)
        return timedelta(seconds=-9)

    monkeypatch.setattr(review_session.ReviewSession, "time_left", time_left)
    with pytest.raises(HITLRejectError, match="by Ann"):
        reviewed.execute({"ti": task})
