"""The state machine: every status with every event."""

from __future__ import annotations

from itertools import product

import pytest

from airflow_hitl_review.core.states import (
    Action,
    InvalidTransitionError,
    ReviewState,
    SessionStatus,
    Step,
    advance,
)

P, C = SessionStatus.PENDING_REVIEW, SessionStatus.CHANGES_REQUESTED
EVENTS: list[Action | Step] = [*Action, *Step]
ROUNDS = [(1, 1), (1, 3), (2, 3), (3, 3)]


def expected(status: SessionStatus, event: Action | Step, n: int, limit: int) -> tuple[SessionStatus, int] | None:
    """The transition table of the design, written down a second time."""
    table = {
        (P, Action.APPROVE): (SessionStatus.APPROVED, n),
        (P, Action.REJECT): (SessionStatus.REJECTED, n),
        (P, Action.CHANGES_REQUESTED): (C, n),
        (P, Step.TIME_OUT): (SessionStatus.TIMEOUT_EXCEEDED, n),
        (C, Step.FAIL_TO_REGENERATE): (P, n),
        (C, Step.REFUSE_EDIT): (P, n),
        (SessionStatus.APPROVED, Step.REFUSE_EDIT): (P, n),
    }
    if n < limit:
        table[C, Step.REGENERATE] = (P, n + 1)
    else:
        table[C, Step.GIVE_UP] = (SessionStatus.MAX_ITERATIONS_EXCEEDED, n)
    return table.get((status, event))


@pytest.mark.parametrize(("status", "event"), list(product(SessionStatus, EVENTS)))
@pytest.mark.parametrize(("n", "limit"), ROUNDS)
def test_every_transition(status: SessionStatus, event: Action | Step, n: int, limit: int) -> None:
    wanted = expected(status, event, n, limit)
    state = ReviewState(status, n, limit)
    if wanted is None:
        with pytest.raises(InvalidTransitionError):
            advance(state, event)
    else:
        assert advance(state, event) == ReviewState(*wanted, limit)


def test_only_a_refused_edit_leads_on_from_a_final_status() -> None:
    events = [event for event in EVENTS if event is not Step.REFUSE_EDIT]
    for status in SessionStatus:
        leads_on = any(expected(status, event, n, limit) for event in events for n, limit in ROUNDS)
        assert status.is_final is not leads_on


def test_statuses_and_actions_match_the_provider() -> None:
    assert {s.value for s in SessionStatus} == {
        "pending_review",
        "changes_requested",
        "approved",
        "rejected",
        "timeout_exceeded",
        "max_iterations_exceeded",
    }
    assert {a.value for a in Action} == {"approve", "reject", "changes_requested"}
