"""Routes that list, show and decide reviews."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, BackgroundTasks, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from airflow_hitl_review.core.review import ReviewResponse
from airflow_hitl_review.core.schema import GivenChannel, User
from airflow_hitl_review.core.states import Action
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.core.tool_calls import CallAnswer
from airflow_hitl_review.server.db.auth import BaseUser
from airflow_hitl_review.server.db.transactions import transaction, utcnow
from airflow_hitl_review.server.reviews import decisions
from airflow_hitl_review.server.reviews.inbox import ReviewList, list_reviews
from airflow_hitl_review.web.http import error_schemas
from airflow_hitl_review.web.http.conditional import accepted_age, has, not_modified, revalidated
from airflow_hitl_review.web.http.dependencies import CurrentUser, DecidableTask, ReadableTask
from airflow_hitl_review.web.http.field_limits import (
    MAX_CALLS,
    MAX_EDIT_LENGTH,
    MAX_FEEDBACK_LENGTH,
    MAX_NUMBER,
    Id,
    Text,
)
from airflow_hitl_review.web.http.inbox_query import InboxFilters
from airflow_hitl_review.web.http.request_limits import PlainJsonRoute
from airflow_hitl_review.web.services import CurrentServices, Services

router = APIRouter(route_class=PlainJsonRoute)


class ActingFor(BaseModel):
    """For whom a service decides. Kept as the service says it; it gives no right."""

    id: Id = Field(min_length=1, description="The person's id, in whatever system the service is for")
    name: Id = Field(min_length=1, description="The person's name")


class DecisionBody(BaseModel):
    """Body of a decision; may be left out for an approval or a rejection."""

    iteration: int | None = Field(
        default=None, ge=1, le=MAX_NUMBER, description="Number of the output that the reviewer saw"
    )
    channel: GivenChannel = Field(default="rest", description="Where the reviewer decided")
    output_sha256: Text | None = Field(
        default=None, max_length=64, description="Hex digest of the output that the reviewer saw"
    )
    feedback: Text = Field(
        default="",
        max_length=MAX_FEEDBACK_LENGTH,
        description="A comment on the approval, or the reason of the rejection, if any",
    )
    acting_for: ActingFor | None = Field(
        default=None, description="For whom the caller decides, if it is a service such as a chat bridge"
    )

    def request(self, action: Action) -> decisions.Request:
        """What the reviewer asks for."""
        return decisions.Request(
            action,
            self.feedback,
            self.iteration,
            self.channel,
            self.output_sha256,
            acting_for=User(id=self.acting_for.id, name=self.acting_for.name) if self.acting_for else None,
        )


class CallAnswerBody(BaseModel):
    """What the reviewer says of one call that an agent wants to make."""

    approved: bool = Field(default=True, description="Whether the call is made")
    args: dict[str, Any] | None = Field(default=None, description="Its arguments, if the reviewer edited them")
    reason: Text = Field(default="", max_length=MAX_FEEDBACK_LENGTH, description="Why it is denied, for the agent")
    answer: Text = Field(default="", max_length=MAX_FEEDBACK_LENGTH, description="The answer to a question")


class EditBody(DecisionBody):
    """Body of an approval, with which the reviewer can edit the output."""

    edited_output: Text | None = Field(
        default=None,
        max_length=MAX_EDIT_LENGTH,
        description="The output as the reviewer edited it: text, or the JSON of an output that is not text",
    )

    def request(self, action: Action) -> decisions.Request:
        """What the reviewer asks for."""
        return replace(super().request(action), edited_output=self.edited_output)


class ApprovalBody(EditBody):
    """Body of an approval; ``calls`` answers what an agent asks, by the calls' ids. Without, all are approved."""

    calls: dict[Id, CallAnswerBody] | None = Field(
        default=None, max_length=MAX_CALLS, description="Answers to the calls that wait, by tool_call_id"
    )

    def request(self, action: Action) -> decisions.Request:
        """What the reviewer asks for."""
        if self.calls is None:
            return super().request(action)
        answers = {id_: CallAnswer(**call.model_dump(exclude_unset=True)) for id_, call in self.calls.items()}
        return replace(super().request(action), calls=answers)


class FeedbackBody(EditBody):
    """Body of a request for changes; with an edit, the task goes on from that."""

    feedback: Text = Field(max_length=MAX_FEEDBACK_LENGTH, description="What to change")


@router.get("/sessions", response_model=ReviewList, responses=error_schemas.LIST)
def sessions(
    request: Request,
    user: CurrentUser,
    filters: InboxFilters,
    services: CurrentServices,
) -> Response:
    """The reviews that the caller may read, newest change first.

    With ``Cache-Control: max-age`` in the request, an unchanged list may be answered from memory.
    """
    reader = (str(user.get_id()), filters)
    # The watcher polls only open reviews: it would not detect changes of ended ones.
    seen = services.watchers.inbox_seen(accepted_age(request)) if not filters.include_ended else None
    if seen is not None and (tag := services.last_etags.tag(reader, seen.stamp)) and has(request, tag):
        return not_modified(tag)
    with transaction() as db:
        totals = services.counter.totals(db)
        body = list_reviews(db, user, filters, totals).model_dump_json().encode()
    answer = revalidated(request, body, "application/json")
    if seen is not None and totals.counted_at >= seen.since:  # otherwise the totals are older than the list
        services.last_etags.keep(reader, seen.stamp, answer.headers["ETag"])
    return answer


@router.get("/sessions/find", response_model=ReviewResponse, responses=error_schemas.FOUND_REVIEW)
def find(key: ReadableTask) -> ReviewResponse:
    """One review, with its conversation."""
    with transaction() as db:
        return decisions.find(db, key)


def _decide(
    services: Services,
    background: BackgroundTasks,
    key: TaskKey,
    user: BaseUser,
    wanted: decisions.Request,
) -> ReviewResponse:
    with transaction() as db:
        review = decisions.decide(db, key, wanted, user, now=utcnow())
    # Committed: from here on, the sweep resumes the task even if this process dies.
    background.add_task(services.resumer.wake_soon, key)
    services.watchers.nudge()
    return review


@router.post("/sessions/feedback", response_model=ReviewResponse, responses=error_schemas.FEEDBACK)
def feedback(
    services: CurrentServices,
    background: BackgroundTasks,
    key: DecidableTask,
    user: CurrentUser,
    body: FeedbackBody,
) -> Response | ReviewResponse:
    """Ask for changes: the task makes the next output, and waits for a review again."""
    if not body.feedback.strip():
        return JSONResponse({"detail": "Say what to change: the feedback is empty."}, status_code=400)
    return _decide(services, background, key, user, body.request(Action.CHANGES_REQUESTED))


@router.post("/sessions/approve", response_model=ReviewResponse, responses=error_schemas.EDITING)
def approve(
    services: CurrentServices,
    background: BackgroundTasks,
    key: DecidableTask,
    user: CurrentUser,
    body: ApprovalBody | None = None,
) -> ReviewResponse:
    """Approve the current output, as it is or as the reviewer edited it: the task ends with it.

    If it is a request of an agent, the agent goes on: it makes the approved calls.
    """
    body = body or ApprovalBody()
    return _decide(services, background, key, user, body.request(Action.APPROVE))


@router.post("/sessions/reject", response_model=ReviewResponse, responses=error_schemas.DECISION)
def reject(
    services: CurrentServices,
    background: BackgroundTasks,
    key: DecidableTask,
    user: CurrentUser,
    body: DecisionBody | None = None,
) -> ReviewResponse:
    """Reject: the task fails and is not retried, or it is skipped, as ``on_reject`` says."""
    body = body or DecisionBody()
    return _decide(services, background, key, user, body.request(Action.REJECT))
