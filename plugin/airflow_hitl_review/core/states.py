"""The state machine of a review: pure functions, no Airflow imports.

::

    pending_review ── approve ──────────────> approved
                   ── reject ───────────────> rejected
                   ── time_out ─────────────> timeout_exceeded
                   ── request_changes ──────> changes_requested
                   ── approve, of a request > changes_requested: the agent goes on (``core.tool_calls``)
    approved ── refuse_edit ────────────────> pending_review, same iteration
    changes_requested ── refuse_edit ───────> pending_review, same iteration
    changes_requested ── regenerate ────────> pending_review, next iteration
                      ── fail_to_regenerate > pending_review, same iteration
                      ── give_up ───────────> max_iterations_exceeded

The six statuses are those of the Airflow AI provider's sessions; store no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class SessionStatus(str, Enum):
    """Where a review stands."""

    PENDING_REVIEW = "pending_review"
    CHANGES_REQUESTED = "changes_requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    TIMEOUT_EXCEEDED = "timeout_exceeded"
    MAX_ITERATIONS_EXCEEDED = "max_iterations_exceeded"

    @property
    def is_final(self) -> bool:
        """Whether the review has ended; an approval with an edit, once the task has accepted the edit."""
        return self in _FINAL


_FINAL = frozenset(
    {
        SessionStatus.APPROVED,
        SessionStatus.REJECTED,
        SessionStatus.TIMEOUT_EXCEEDED,
        SessionStatus.MAX_ITERATIONS_EXCEEDED,
    }
)


class Action(str, Enum):
    """What a reviewer can decide; the values are those stored in ``human_action``."""

    APPROVE = "approve"
    REJECT = "reject"
    CHANGES_REQUESTED = "changes_requested"


class Step(str, Enum):
    """What the worker can do to a review."""

    REGENERATE = "regenerate"
    FAIL_TO_REGENERATE = "fail_to_regenerate"
    GIVE_UP = "give_up"
    REFUSE_EDIT = "refuse_edit"
    TIME_OUT = "time_out"


_NEXT: dict[tuple[SessionStatus, Action | Step], SessionStatus] = {
    (SessionStatus.PENDING_REVIEW, Action.APPROVE): SessionStatus.APPROVED,
    (SessionStatus.PENDING_REVIEW, Action.REJECT): SessionStatus.REJECTED,
    (SessionStatus.PENDING_REVIEW, Action.CHANGES_REQUESTED): SessionStatus.CHANGES_REQUESTED,
    (SessionStatus.PENDING_REVIEW, Step.TIME_OUT): SessionStatus.TIMEOUT_EXCEEDED,
    (SessionStatus.APPROVED, Step.REFUSE_EDIT): SessionStatus.PENDING_REVIEW,
    (SessionStatus.CHANGES_REQUESTED, Step.REFUSE_EDIT): SessionStatus.PENDING_REVIEW,
    (SessionStatus.CHANGES_REQUESTED, Step.REGENERATE): SessionStatus.PENDING_REVIEW,
    (SessionStatus.CHANGES_REQUESTED, Step.FAIL_TO_REGENERATE): SessionStatus.PENDING_REVIEW,
    (SessionStatus.CHANGES_REQUESTED, Step.GIVE_UP): SessionStatus.MAX_ITERATIONS_EXCEEDED,
}


@dataclass(frozen=True)
class ReviewState:
    """Status and iteration of a review.

    Attributes:
        iteration: number of the output shown to the reviewer, from 1.
        max_iterations: number of outputs that may be shown in all, at least 1; each request counts as one more.
        is_request: whether that output is what an agent asks before it goes on.
    """

    status: SessionStatus
    iteration: int
    max_iterations: int
    is_request: bool = False

    @property
    def may_regenerate(self) -> bool:
        """Whether a request for changes leads to another output."""
        return self.is_request or self.iteration < self.max_iterations


class InvalidTransitionError(Exception):
    """The review's status does not allow this."""


def advance(state: ReviewState, event: Action | Step) -> ReviewState:
    """Return the state after ``event``.

    Raises:
        InvalidTransitionError: the status does not allow the event; or it would show more outputs than
            ``max_iterations``, or give up before that many were shown.
    """
    status = _NEXT.get((state.status, event))
    if event is Action.APPROVE and state.is_request and status is not None:
        status = SessionStatus.CHANGES_REQUESTED  # it ends nothing: the agent goes on
    if status is None:
        raise InvalidTransitionError(f"A review that is {state.status.value} cannot {event.value}.")
    if event is Step.REGENERATE and not state.may_regenerate:
        raise InvalidTransitionError(f"All {state.max_iterations} outputs were shown already.")
    if event is Step.GIVE_UP and state.may_regenerate:
        raise InvalidTransitionError(f"Only {state.iteration} of {state.max_iterations} outputs were shown so far.")
    iteration = state.iteration + 1 if event is Step.REGENERATE else state.iteration
    return ReviewState(status, iteration, state.max_iterations, state.is_request and event is not Step.REGENERATE)
