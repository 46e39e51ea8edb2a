"""Answers given in Airflow's Required Actions become decisions like any other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import HTTPException

from airflow_hitl_review import internals
from airflow_hitl_review.decisions import ConflictError, NotAReviewerError, Request, decide
from airflow_hitl_review.limits import MAX_FEEDBACK_LENGTH
from airflow_hitl_review.required_action import ACTIONS, FEEDBACK, OUTPUT
from airflow_hitl_review.review import UnreadableXComError
from airflow_hitl_review.schema import TaskKey
from airflow_hitl_review.states import Action


@contextmanager
def taken_as_decisions(decided: Callable[[TaskKey], None]) -> Iterator[None]:
    """For the time of the block, each such answer in this process is a decision.

    Args:
        decided: called after a commit, in the thread of Airflow's request: it must be quick.
    """
    listener = internals.AnswerListener(_take, decided)
    listener.start()
    try:
        yield
    finally:
        listener.stop()


def _take(db: internals.Session, key: TaskKey, answer: internals.GivenAnswer) -> None:
    """Decide as the answer says, in the transaction of ``db``.

    Raises:
        HTTPException: it cannot be taken, or not just now; Airflow's own route answers with it, and stores nothing.
    """
    try:
        decide(db, key, request_of(answer), answer, now=internals.utcnow())
    except NotAReviewerError as error:
        raise HTTPException(403, str(error)) from error
    except ConflictError as error:
        raise HTTPException(409, str(error)) from error
    except UnreadableXComError as error:
        raise HTTPException(503, f"{error}. Nothing is decided yet: try again.") from error


def request_of(answer: internals.GivenAnswer) -> Request:
    """What the reviewer asks for.

    Raises:
        HTTPException: 400, with what is wrong in words.
    """
    feedback: Any = answer.params.get(FEEDBACK) or ""
    if not isinstance(feedback, str) or len(feedback) > MAX_FEEDBACK_LENGTH:
        raise HTTPException(400, f"The feedback must be a text of at most {MAX_FEEDBACK_LENGTH} characters.")
    action = ACTIONS[answer.option]
    if action is Action.CHANGES_REQUESTED and not feedback.strip():
        raise HTTPException(400, "Say what should change: the feedback is empty.")
    output: Any = answer.params.get(OUTPUT)
    seen = output if isinstance(output, int) and not isinstance(output, bool) else None
    return Request(action, feedback, seen, channel="airflow")
