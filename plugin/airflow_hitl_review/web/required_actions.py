"""Turns answers given in Airflow's Required Actions into decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import HTTPException

from airflow_hitl_review.core.required_action_form import ACTIONS, EDITED_OUTPUT, FEEDBACK, OUTPUT, OUTPUT_SHA256
from airflow_hitl_review.core.states import Action
from airflow_hitl_review.core.stored import UnreadableXComError
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.hitl_detail import AnswerListener, GivenAnswer
from airflow_hitl_review.server.db.transactions import Session, utcnow
from airflow_hitl_review.server.reviews.decisions import ConflictError, NotAReviewerError, Request, decide
from airflow_hitl_review.server.reviews.edits import InvalidEditError
from airflow_hitl_review.web.http.field_limits import MAX_FEEDBACK_LENGTH


@contextmanager
def taken_as_decisions(decided: Callable[[TaskKey], None]) -> Iterator[None]:
    """Within the block, turn each such answer in this process into a decision.

    Args:
        decided: called after a commit, in the thread of Airflow's request: it must be fast.
    """
    listener = AnswerListener(_take, decided)
    listener.start()
    try:
        yield
    finally:
        listener.stop()


def _take(db: Session, key: TaskKey, answer: GivenAnswer) -> None:
    """Make the answer's decision, in the transaction of ``db``.

    Raises:
        HTTPException: the decision is not possible, or not now; Airflow's route returns it, and stores nothing.
    """
    try:
        decide(db, key, request_of(answer), answer, now=utcnow())
    except NotAReviewerError as error:
        raise HTTPException(403, str(error)) from error
    except ConflictError as error:
        raise HTTPException(409, str(error)) from error
    except InvalidEditError as error:
        raise HTTPException(422, f"{error} Nothing is decided yet.") from error
    except UnreadableXComError as error:
        raise HTTPException(503, f"{error}. Nothing is decided yet: try again.") from error


def request_of(answer: GivenAnswer) -> Request:
    """Convert an answer to the reviewer's request.

    Raises:
        HTTPException: 400, with the reason.
    """
    feedback: Any = answer.params.get(FEEDBACK) or ""
    if not isinstance(feedback, str) or len(feedback) > MAX_FEEDBACK_LENGTH:
        raise HTTPException(400, f"The feedback must be a text of at most {MAX_FEEDBACK_LENGTH} characters.")
    action = ACTIONS[answer.option]
    if action is Action.CHANGES_REQUESTED and not feedback.strip():
        raise HTTPException(400, "Say what should change: the feedback is empty.")
    output: Any = answer.params.get(OUTPUT)
    seen = output if isinstance(output, int) and not isinstance(output, bool) else None
    digest: Any = answer.params.get(OUTPUT_SHA256)
    seen_sha256 = digest if isinstance(digest, str) and digest else None
    edited: Any = answer.params.get(EDITED_OUTPUT) if action is not Action.REJECT else None
    if edited is not None and not isinstance(edited, str):
        raise HTTPException(422, f"{EDITED_OUTPUT} must be a text, also where it is JSON. Nothing is decided yet.")
    return Request(action, feedback, seen, channel="airflow", output_sha256=seen_sha256, edited_output=edited)
