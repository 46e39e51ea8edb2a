from __future__ import annotations

from typing import Any

import pytest

from hitl_notebook import (
    AuthenticationError,
    ConflictError,
    ConnectionFailedError,
    HITLNotebookError,
    PermissionDeniedError,
    ReviewKey,
    ReviewNotFoundError,
    ServerError,
)
from hitl_notebook.panel.actions import Action
from hitl_notebook.panel.bulk.model import BulkModel
from tests.notebook.server import page, review

A, B, C = (ReviewKey(name, "r", "t") for name in "abc")


def picked(*keys: ReviewKey) -> BulkModel:
    bulk = BulkModel()
    bulk.pick([review(key) for key in keys])
    return bulk


def running(action: Action = Action.APPROVE, *keys: ReviewKey) -> BulkModel:
    bulk = picked(*(keys or (A, B, C)))
    bulk.act(action)
    assert bulk.confirm() is not None
    return bulk


def keys(bulk: BulkModel) -> list[ReviewKey]:
    return [pick.key for pick in bulk.picks]


def test_pick_and_unpick() -> None:
    bulk = picked(A, B)
    bulk.pick(iter([review(C)]))
    bulk.pick([review(A)], on=False)
    assert keys(bulk) == [B, C]
    bulk.clear()
    assert keys(bulk) == []


@pytest.mark.parametrize(
    "changes", [{"status": "approved"}, {"status": "changes_requested"}, {"task_completed": True}]
)
def test_only_pending_reviews_can_be_picked(changes: dict[str, Any]) -> None:
    bulk = BulkModel()
    bulk.pick([review(A, **changes), review(B)])
    assert keys(bulk) == [B]


def test_pick_keeps_the_listed_iteration() -> None:
    bulk = picked(A, B)
    bulk.look(page(review(A, iteration=2), review(B)))
    assert bulk.changed == {A}
    assert [pick.iteration for pick in bulk.picks] == [1, 1]
    bulk.look(page())  # another page of the list does not contain it
    assert bulk.changed == {A}
    bulk.pick([review(A, iteration=2)])  # looked at again
    bulk.look(page(review(A, iteration=2), review(B, status="rejected")))
    assert bulk.changed == {B}


@pytest.mark.parametrize(
    ("action", "said", "label"),
    [
        (Action.APPROVE, "Approve 2 reviews?", "Approve 2"),
        (Action.REJECT, "Reject 2 reviews without a reason?", "Reject 2"),
    ],
)
def test_confirmation_is_valid_once(action: Action, said: str, label: str) -> None:
    bulk = picked(A, B)
    assert bulk.confirm() is None
    bulk.act(action)
    assert bulk.confirming is not None
    assert said in bulk.confirming.text
    assert bulk.confirming.label == label
    bulk.cancel()
    assert bulk.confirm() is None
    bulk.act(action)
    run = bulk.confirm()
    assert run is not None
    assert (run.action, [pick.key for pick in run.picks]) == (action, [A, B])
    assert bulk.running
    assert bulk.confirm() is None


def test_changed_picks_need_new_confirmation() -> None:
    bulk = picked(A)
    bulk.act(Action.APPROVE)
    bulk.pick([review(B)])
    assert bulk.confirm() is None


def test_no_action_without_picks() -> None:
    bulk = BulkModel()
    bulk.act(Action.APPROVE)
    assert bulk.confirming is None


def test_picks_do_not_change_during_a_run() -> None:
    bulk = running()
    bulk.pick([review(ReviewKey("d", "r", "t"))])
    bulk.clear()
    bulk.act(Action.REJECT)
    assert keys(bulk) == [A, B, C]
    assert bulk.confirming is None


def test_outcomes() -> None:
    bulk = running()
    bulk.taken(review(A))
    stale = ConflictError("Output 2 is current.", review=review(B, iteration=2), decided_by=None)
    bulk.failed(review(B), stale)
    decided = ConflictError("Already approved by Bob.", review=review(C, status="approved"), decided_by=None)
    bulk.failed(review(C), decided)
    bulk.ended()
    assert bulk.run is not None
    assert [(outcome.key, outcome.problem) for outcome in bulk.run.outcomes] == [
        (A, ""),
        (B, "output 2 has arrived in the meantime: open it and read it"),
        (C, "Already approved by Bob."),
    ]
    assert [outcome.key for outcome in bulk.run.failures] == [B, C]
    assert (keys(bulk), bulk.running) == ([], False)


@pytest.mark.parametrize(
    ("error", "goes_on", "stays"),
    [
        (ServerError("503."), True, True),
        (PermissionDeniedError("Not yours."), True, False),
        (ReviewNotFoundError("Gone."), True, False),
        (AuthenticationError("Expired."), False, True),
        (ConnectionFailedError("No answer."), False, True),
    ],
)
def test_run_stops_if_the_rest_would_fail_too(error: HITLNotebookError, goes_on: bool, stays: bool) -> None:
    bulk = running()
    assert bulk.goes_on
    bulk.failed(review(A), error)
    assert bulk.goes_on is goes_on
    assert (A in keys(bulk)) is stays
    assert bulk.running
    bulk.ended()
    assert not bulk.goes_on
    assert {B, C} <= set(keys(bulk))


def test_stop_keeps_the_rest_picked() -> None:
    bulk = running()
    bulk.taken(review(A))
    bulk.stop()
    assert not bulk.goes_on
    bulk.ended()
    assert keys(bulk) == [B, C]


def test_summary_stays_until_the_next_pick() -> None:
    bulk = running(Action.REJECT, A)
    bulk.draft = "no"
    bulk.taken(review(A))
    bulk.ended()
    assert bulk.run is not None
    assert (bulk.draft, bulk.draft_version) == ("", 1)
    bulk.pick([review(B)])
    assert bulk.run is None
    again = running(Action.REJECT, A)
    again.taken(review(A))
    again.ended()
    again.clear()
    assert again.run is None
