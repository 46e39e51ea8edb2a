"""Tasks that version 0.1.0 parked: resumed by its event or ours, they continue with what it stored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskAwaitingInput

from airflow_hitl_review import HITLRejectError, HITLReviewOperator
from airflow_hitl_review.core.schema import output_key
from airflow_hitl_review.core.states import Action
from tests.support.memory_xcoms import MemoryTask
from tests.support.version_before import resume_event, task_instance_id, xcoms_of

TEA = {"title": "Tea", "n": 1}


pytestmark = pytest.mark.usefixtures("no_waits")


def parked(review: str) -> MemoryTask:
    """The task as version 0.1.0 left it."""
    task = MemoryTask()
    task.id = task_instance_id(review)
    task.xcoms = xcoms_of(review)
    return task


def resumed(task: MemoryTask, event: dict[str, Any]) -> Any:
    """Resume the task; returns its result or raises its error."""
    operator = HITLReviewOperator(
        task_id="t",
        prompt="A drink",
        generate=lambda context: TEA,
        regenerate=lambda feedback, history: {"title": f"Tea: {feedback}", "n": len(history)},
    )
    context: Any = {"ti": task}
    return operator.resume_hitl_review(context, event)


def test_approval_of_an_old_review() -> None:
    assert resumed(parked("approved"), resume_event("approved")) == TEA


def test_rejection_of_an_old_review() -> None:
    with pytest.raises(HITLRejectError) as error:
        resumed(parked("rejected"), resume_event("rejected"))
    assert error.value.feedback == "no"


def test_request_for_changes_in_an_old_review() -> None:
    task = parked("changes_requested")
    with pytest.raises(TaskAwaitingInput):
        resumed(task, resume_event("changes_requested"))
    assert (task.session.iteration, task.session.status.value) == (2, "pending_review")
    assert task.xcoms[output_key(2)] == '{\n  "title": "Tea: colder",\n  "n": 1\n}'
    assert resumed(task, task.decide(Action.APPROVE)) == {"title": "Tea: colder", "n": 1}


@pytest.mark.parametrize("review", ["waiting", "second_round", "told"])
def test_old_review_is_approved_by_this_version(review: str) -> None:
    task = parked(review)
    shown = json.loads(task.session.current_output)
    assert shown["title"] == ("Tea: hotter" if review == "second_round" else "Tea")
    assert resumed(task, task.decide(Action.APPROVE)) == shown


@pytest.mark.parametrize("review", ["waiting", "second_round"])
def test_old_review_gets_another_round(review: str) -> None:
    """The history is the single one that version 0.1.0 stored for all outputs."""
    task = parked(review)
    with pytest.raises(TaskAwaitingInput):
        resumed(task, task.decide(Action.CHANGES_REQUESTED, "sweeter"))
    rounds = 2 if review == "waiting" else 3
    assert task.session.iteration == rounds
    assert f'"n": {2 * rounds - 3}' in task.session.current_output


def test_old_review_can_be_edited_from_its_next_output_on() -> None:
    """The worker of version 0.1.0 does not know edits, so its session says that the output cannot be edited."""
    task = parked("waiting")
    assert not task.session.allow_modifications
    with pytest.raises(TaskAwaitingInput):
        resumed(task, task.decide(Action.CHANGES_REQUESTED, "sweeter"))
    assert task.session.allow_modifications
    edit = '{"title": "Tea, sweeter", "n": 1.0}'
    result = resumed(task, task.decide(Action.APPROVE, edited=edit))
    assert repr(result) == "{'title': 'Tea, sweeter', 'n': 1.0}"
