"""``POST /ag-ui``: one run of AG-UI 1.0 about one review."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from ag_ui.core import (
    AgentCapabilities,
    BaseEvent,
    HumanInTheLoopCapabilities,
    IdentityCapabilities,
    RunAgentInput,
    RunErrorEvent,
    StateCapabilities,
    TransportCapabilities,
)
from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sse_starlette import EventSourceResponse, ServerSentEvent

from airflow_hitl_review.core.review import ReviewResponse
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.auth import BaseUser
from airflow_hitl_review.server.db.transactions import transaction, utcnow
from airflow_hitl_review.server.reviews import decisions
from airflow_hitl_review.server.reviews.edits import InvalidEditError
from airflow_hitl_review.web.ag_ui.resume import InputError, decision_of, is_look, is_repeated
from airflow_hitl_review.web.ag_ui.runs import Run
from airflow_hitl_review.web.http import error_schemas
from airflow_hitl_review.web.http.dependencies import CurrentUser, ReadableTask, may_read, require_decidable
from airflow_hitl_review.web.http.request_limits import PlainJsonRoute
from airflow_hitl_review.web.live.following import follow
from airflow_hitl_review.web.live.streams import PING_SECONDS, STREAM_SECONDS
from airflow_hitl_review.web.services import CurrentServices

log = logging.getLogger(__name__)

router = APIRouter(route_class=PlainJsonRoute)

_LINE_END = "\n"
"""``@ag-ui/client`` knows no other end of an event's lines."""

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "description": "RunAgentInput of AG-UI 1.0",
                    "required": ["threadId", "runId", "messages"],
                    "properties": {
                        "threadId": {"type": "string"},
                        "runId": {"type": "string"},
                        "messages": {"type": "array", "items": {"type": "object"}},
                        "resume": {"type": "array", "items": {"type": "object"}},
                    },
                }
            }
        },
    }
}
"""Its schema is the protocol's, not ours: as a model, it would bring 40 others into our document."""

_CAPABILITIES = AgentCapabilities(
    identity=IdentityCapabilities(name="hitl-notebook", description="Reviews of what Airflow tasks have made."),
    transport=TransportCapabilities(streaming=True),
    state=StateCapabilities(snapshots=True, deltas=False, persistent_state=True),
    human_in_the_loop=HumanInTheLoopCapabilities(
        supported=True, approvals=True, feedback=True, interrupts=True, approve_with_edits=True
    ),
)


@router.get("/ag-ui/capabilities", responses=error_schemas.LOGGED_IN)
def capabilities(user: CurrentUser) -> dict[str, Any]:
    """What ``POST /ag-ui`` can do: ``AgentCapabilities`` of AG-UI 1.0."""
    return _CAPABILITIES.model_dump(mode="json", by_alias=True)


async def _run_input(request: Request) -> RunAgentInput:
    try:
        return RunAgentInput.model_validate(await request.json())
    except ValidationError as error:
        found = error.errors(include_context=False, include_url=False)
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in found]) from None


@router.post(
    "/ag-ui",
    response_class=EventSourceResponse,
    responses={**error_schemas.STREAM, **error_schemas.RUN},
    openapi_extra=_BODY,
)
async def run(
    key: ReadableTask,
    user: CurrentUser,
    services: CurrentServices,
    given: Annotated[RunAgentInput, Depends(_run_input)],
) -> EventSourceResponse:
    """One run: read the review, or answer what it waits for, and follow it until it waits for somebody or ends.

    The answer is a stream of AG-UI's events. What the input asks for is decided before the stream begins: a client
    that drops then loses nothing.
    """
    error: InputError | None = None
    try:
        # In the threads of plain routes: a decision may wait for a lock, and the watchers must not wait with it.
        if await run_in_threadpool(_decide, key, user, given):
            services.resumer.wake_later(key)
            services.watchers.nudge()
    except InputError as refused:
        error = refused

    async def allowed() -> bool:
        return await asyncio.to_thread(may_read, user, key)

    watchers = services.watchers
    updates = follow(watchers.reviews, watchers.progress, key, seen="", seconds=STREAM_SECONDS, allowed=allowed)

    async def events() -> AsyncIterator[ServerSentEvent]:
        async with aclosing(updates):
            try:
                async for event in Run(given.thread_id, given.run_id).events(updates, error):
                    yield _sent(event)
            except Exception:
                log.exception("A run of AG-UI about %s failed.", key)
                yield _sent(RunErrorEvent(code="unavailable", message="The review cannot be read now. Try again."))

    return EventSourceResponse(events(), ping=PING_SECONDS, sep=_LINE_END)


def _sent(event: BaseEvent) -> ServerSentEvent:
    return ServerSentEvent(data=event.model_dump_json(by_alias=True), sep=_LINE_END)


def _decide(key: TaskKey, user: BaseUser, given: RunAgentInput) -> bool:
    """Make the decision that the input asks for; returns whether it asks for one that was made now.

    Raises:
        HTTPException: 403: the caller may not decide.
        InputError: it cannot be made.
    """
    if is_look(given):
        return False
    review = _find(key)
    if review is None:
        raise InputError("no_review", "There is nothing to answer: the task has no output yet.")
    require_decidable(user, key)
    wanted = decision_of(given, review)
    if wanted is None:
        return False
    try:
        with transaction() as db:
            decisions.decide(db, key, wanted, user, now=utcnow())
    except decisions.ConflictError as late:
        if is_repeated(wanted, late.session, str(user.get_id())):
            return False
        raise InputError("conflict", str(late)) from None
    except decisions.NotAReviewerError as refused:
        raise InputError("not_a_reviewer", str(refused)) from None
    except decisions.SessionNotFoundError as gone:
        raise InputError("no_review", str(gone)) from None
    except InvalidEditError as invalid:
        places = [f"{'.'.join(map(str, one.path))} {one.message}" for one in invalid.errors]
        raise InputError("invalid_payload", " ".join([str(invalid), "; ".join(places)]).strip()) from None
    return True


def _find(key: TaskKey) -> ReviewResponse | None:
    try:
        with transaction() as db:
            return decisions.find(db, key)
    except decisions.SessionNotFoundError:
        return None
