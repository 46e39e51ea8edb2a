"""One review as the page shows it: HTML parts, and the state for the page's script."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from airflow_hitl_review.core.review import EDITS_NOT_SUPPORTED, ReviewResponse
from airflow_hitl_review.core.schema import is_reviewer
from airflow_hitl_review.core.site import task_path
from airflow_hitl_review.core.states import SessionStatus
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.auth import BaseUser
from airflow_hitl_review.server.db.transactions import transaction
from airflow_hitl_review.server.reviews import decisions
from airflow_hitl_review.web.http.field_limits import MAX_FEEDBACK_LENGTH
from airflow_hitl_review.web.pages.templates import fill, safe
from hitl_rendering import decision_words, review_words
from hitl_rendering.conversation import refusal_of
from hitl_rendering.deciders import decider_words, person_words
from hitl_rendering.decision_words import is_last_round
from hitl_rendering.output_box import output_label, preview_of
from hitl_rendering.render import PAUSED_DAG
from hitl_rendering.review_words import state_of, task_name
from hitl_rendering.rounds import rounds_of

PARTS = ("head", "prompt", "earlier", "latest")
"""Parts of the page that are replaced separately when they change."""


@dataclass(frozen=True)
class ReviewView:
    """The view of a review that all users share; made once for all open pages.

    Attributes:
        state: the review's state, for the page's script.
        parts: the HTML parts of the page.
        reviewers: ids of the only users who may decide; if empty, all who may decide for the DAG.
        review: the review itself; None for a task without one.
    """

    state: dict[str, Any]
    parts: dict[str, str] = field(default_factory=dict)
    reviewers: tuple[str, ...] = ()
    review: ReviewResponse | None = field(default=None, repr=False)

    @property
    def is_being_made(self) -> bool:
        """Whether the task makes the next output, or the first one."""
        return bool(self.state["task_active"]) if self.review is None else self.review.is_being_made

    @cached_property
    def data(self) -> str:
        """All of it as JSON."""
        return json.dumps({"version": self.version, "state": self.state, "parts": self.parts})

    @cached_property
    def version(self) -> str:
        """A digest of all of it."""
        told = json.dumps([self.state, self.parts], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:32]


def load_view(key: TaskKey) -> ReviewView:
    """Read a review and make its view, in a separate transaction; also for a task without a session."""
    try:
        with transaction() as db:
            review = decisions.find(db, key)
    except decisions.SessionNotFoundError as error:
        return ReviewView({"status": None, "open": False, "task_active": error.task_active})
    return view_of(review)


def latest_html(key: TaskKey, display_as: str, way: str) -> str:
    """Read a review, and render the part with its current output as a reader chose.

    Raises:
        SessionNotFoundError: there is no review.
    """
    with transaction() as db:
        review = decisions.find(db, key)
    return fill("parts/latest.html", **_values(review, display_as=display_as, way=way))


def edit_preview(key: TaskKey, edited_output: str, display_as: str) -> tuple[str, str]:
    """An edit of a review's current output as it will look, and what changed by hand; both as HTML.

    Raises:
        SessionNotFoundError: there is no review.
    """
    with transaction() as db:
        review = decisions.find(db, key)
    return preview_of(review, edited_output, display_as)


def view_of(review: ReviewResponse) -> ReviewView:
    """Make the view of a review."""
    values = _values(review)
    tone, words = values["tone"], values["words"]
    return ReviewView(
        state={
            "status": review.status.value,
            "words": words,
            "open": tone == "wait",
            "task_active": not review.task_completed,
            "iteration": review.iteration,
            "output_sha256": review.output_sha256,
            "last_round": is_last_round(review.iteration, review.max_iterations, review.request_kind),
            "order": _order(review),
            "decided_by": _decider_name(review),
            "ended_because": None if review.decided_by else decider_words(None, channel=review.channel) or None,
            "decided_by_id": review.decided_by.id if review.decided_by else None,
            "spoken": [[turn.iteration, turn.user.id] for turn in review.conversation if turn.user],
            "asks": review.request_kind is not None,
            "form": _form(review),
            **_editing(review, values["rounds"].current.display),
        },
        parts={name: fill(f"parts/{name}.html", **values) for name in PARTS},
        reviewers=tuple(review.reviewers),
        review=review,
    )


def _form(review: ReviewResponse) -> dict[str, Any]:
    """What the form says; with an edit, and without."""
    kind, form = review.request_kind, decision_words.form_words(review.request_kind)

    def of(*, edited: bool) -> dict[str, dict[str, str]]:
        cannot = decision_words.impossible(kind, edited=edited)
        words = decision_words.action_words(review.on_reject, edited=edited, request_kind=kind)
        return {name: {**one._asdict(), "impossible": cannot.get(name, "")} for name, one in words.items()}

    return {"actions": of(edited=False), "edit_actions": of(edited=True), **form._asdict()}


def _editing(review: ReviewResponse, display: str) -> dict[str, Any]:
    """Whether and how the output can be edited; the script fetches the texts when they are wanted."""
    why_not = review.modifications_refused
    # With which the task did not go on: it refused the edit, or could not make the next output from it.
    has_unused_edit = review.status is SessionStatus.PENDING_REVIEW and review.edited_output is not None
    return {
        "editable": review.allow_modifications and not decision_words.is_one_question(review.request),
        "not_editable": None if why_not == EDITS_NOT_SUPPORTED else why_not,
        "display": display,
        "has_unused_edit": has_unused_edit,
        "edit_refused": has_unused_edit and bool(refusal_of(review.conversation)),
    }


def _values(review: ReviewResponse, **choice: str) -> dict[str, Any]:
    """What the templates of the parts are filled with; ``choice`` is the reader's, as for ``rounds_of``."""
    rounds = rounds_of(review, **choice)
    tone, words = state_of(
        review.status.value,
        task_completed=review.task_completed,
        edited=review.edited,
        channel=review.channel,
        request_kind=review.request_kind,
    )
    name = task_name(review)
    values = {"review": review, "rounds": rounds, "tone": tone, "words": words, "name": name}
    values["approved_edit"] = rounds.edit if review.status is SessionStatus.APPROVED else None
    values["deadline"] = review_words.deadline_words(review.on_hitl_timeout, review.request_kind)
    values["paused_dag"] = PAUSED_DAG
    values["round"] = review_words.round_words(review.iteration, review.max_iterations)
    values["waiting_for"] = review_words.WAITING_FOR
    words_then = decision_words.WORKING if review.request_kind is None else decision_words.GOING_ON
    values["working"] = words_then if review.is_being_made else ""
    values["label"] = output_label(rounds.current, is_pending=tone == "wait")
    return values


def _decider_name(review: ReviewResponse) -> str | None:
    if review.decided_by is None:
        return None
    return person_words(review.decided_by.name, review.acting_for.name if review.acting_for else None)


def _order(review: ReviewResponse) -> tuple[float, int]:
    """A sequence number that grows with each change of a review, and with each new try.

    The page's script ignores updates older than what it shows: another API server process may learn of a decision a
    second later. Does not use the times of later writes, which come from the clocks of several machines.
    """
    return review.created_at.timestamp(), len(review.conversation) + review.status.is_final


def page(view: ReviewView, key: TaskKey, *, user: BaseUser, may_decide: bool, inbox: str) -> str:
    """Render the whole page; ``inbox`` is the URL of the list that it links back to."""
    return fill(
        "review.html",
        key=key,
        task_path=task_path(key),
        view=view,
        parts={name: safe(html) for name, html in view.parts.items()},
        draft_key=hashlib.sha256(f"{user.get_id()}\n{key}".encode()).hexdigest()[:16],
        user_id=str(user.get_id()),
        may_decide=may_decide,
        waits_for="you" if may_decide else "all" if is_reviewer(str(user.get_id()), view.reviewers) else "others",
        max_feedback_length=MAX_FEEDBACK_LENGTH,
        feedback_label=decision_words.FEEDBACK_LABEL,
        last_round=decision_words.LAST_ROUND,
        last_round_question=decision_words.LAST_ROUND_QUESTION,
        hold_seconds=decision_words.HOLD_SECONDS,
        open_next=decision_words.OPEN_NEXT,
        inbox=inbox,
    )
