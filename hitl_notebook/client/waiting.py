"""Waits until a review is decided or has its next output."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Literal, Union

from hitl_notebook.errors import (
    ConnectionFailedError,
    RegenerationFailedError,
    ReviewNotFoundError,
    ServerError,
    WaitTimeoutError,
)
from hitl_notebook.records import Review, ReviewKey, ReviewSummary, key_of
from hitl_rendering.conversation import refusal_of
from hitl_rendering.review_words import task_name

log = logging.getLogger(__name__)

Until = Union[Literal["decided", "output"], Callable[[Review], bool]]  # noqa: UP007 - run-time value, also on 3.10
"""What to wait for; see ``Client.wait_for``."""


def wait_for(
    find: Callable[[ReviewKey], Review],
    review: ReviewKey | ReviewSummary,
    *,
    until: Until = "decided",
    timeout: float | None = None,
    interval: float = 2.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Review:
    """Wait for a review; see ``Client.wait_for``.

    Args:
        find: fetches the review.
        review: which review, and its known state.
        until: what to wait for.
        timeout: seconds after which to give up; None for no timeout.
        interval: seconds between two polls.
        clock: monotonic time in seconds.
        sleep: sleeps for a number of seconds.
    """
    if not interval > 0:
        raise ValueError(f"interval must be more than 0 seconds, not {interval}.")
    if timeout is not None and not timeout >= 0:
        raise ValueError(f"timeout must be None, 0 or more seconds, not {timeout}.")
    key, happened = key_of(review), _condition(until, review)
    ends_at = None if timeout is None else clock() + timeout
    last: Review | None = None
    problem = ""
    while True:
        try:
            last = find(key)
            problem = ""
        except ReviewNotFoundError as error:
            if not error.task_active:
                raise
            last, problem = None, ""
        except (ConnectionFailedError, ServerError) as error:
            if not _may_pass(error):
                raise
            if not problem:
                log.warning("Still waiting for a review, after an error: %s", error)
            problem = str(error)
        else:
            if happened(last):
                return last
            if until == "output" and isinstance(review, ReviewSummary) and _failed_since(review, last):
                raise RegenerationFailedError(_why(last), review=last)
        left = None if ends_at is None else ends_at - clock()
        if left is not None and left <= 0:
            break
        sleep(interval if left is None else min(interval, left))
    raise WaitTimeoutError(
        f"Waited {timeout:g} s for {task_name(key)}, run {key.run_id}. {_state(last, problem)}",
        review=last,
    )


def _condition(until: Until, review: ReviewKey | ReviewSummary) -> Callable[[Review], bool]:
    if callable(until):
        return until
    if until == "decided":
        # The task may still refuse an approved edit, and then the review waits again.
        return lambda now: not now.is_open and (now.task_completed or not now.edited)
    if until == "output":
        known = review.iteration if isinstance(review, ReviewSummary) else 0
        return lambda now: not now.is_open or (now.is_pending and now.iteration > known)
    raise ValueError(f'until must be "decided", "output" or a function of a review, not {until!r}.')


def _why(review: Review) -> str:
    """Say why the same output waits again."""
    reason = (review.last_error or "").rstrip(".")
    if refusal_of(review.conversation):
        return f"The task refused the edit: {reason}. Output {review.iteration} waits for a decision again."
    return f"Making the next output failed: {reason}. Output {review.iteration} waits for a decision again."


def _failed_since(known: ReviewSummary, now: Review) -> bool:
    """Whether the next output was requested, but making it has failed since.

    A review pending at the same output changes only by a request and its failure, which makes it pending again.
    """
    return (
        now.is_pending
        and now.last_error is not None
        and (now.iteration, now.created_at) == (known.iteration, known.created_at)
        and now.updated_at != known.updated_at
    )


def _may_pass(error: ConnectionFailedError | ServerError) -> bool:
    """Whether the error may be temporary, so that a retry makes sense."""
    if isinstance(error, ConnectionFailedError):
        return True
    return error.status_code is not None and (error.status_code == 429 or error.status_code >= 500)


def _state(review: Review | None, problem: str) -> str:
    if problem:
        return f"Last error: {problem}"
    if review is None:
        return "There is no review yet; its task is active."
    if review.is_pending:
        return f"Output {review.iteration} waits for a decision."
    if review.is_open:
        return f"Changes to output {review.iteration} were requested; the next output is not ready yet."
    if review.task_completed:
        return f"It is {review.status}, and its task has ended ({review.task_state})."
    return f"It is {review.status}."
