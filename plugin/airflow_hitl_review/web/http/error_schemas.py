"""Error responses, and their declarations for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from airflow_hitl_review.core.review import ReviewResponse
from airflow_hitl_review.core.schema import User
from airflow_hitl_review.web.http import openapi_links

Declared = dict[int | str, dict[str, Any]]
"""The type of FastAPI's ``responses`` argument."""


class Problem(BaseModel):
    """What is wrong, in words."""

    detail: str


class FieldProblem(BaseModel):
    """What is wrong with one part of what was sent. The part itself is not repeated: it may be anything."""

    type: str
    loc: list[str | int] = Field(description="Where: `query`, `path` or `body`, then names and indexes")
    msg: str


class InvalidRequest(BaseModel):
    """What was sent cannot be used, as a whole or in some parts."""

    detail: str | list[FieldProblem]


class EditError(BaseModel):
    """What is wrong in one place of an edited output; an empty ``path`` is the whole of it."""

    path: list[str | int]
    message: str


class InvalidEdit(BaseModel):
    """Body of a 422 about an edited output; without ``errors``, it cannot be edited at all."""

    detail: str
    errors: list[EditError]


class NoReview(BaseModel):
    """There is no review. ``task_active``: its task is active, so a review may still appear."""

    message: str
    task_active: bool


class ReviewNotFound(BaseModel):
    """Body of a 404."""

    detail: NoReview


class Conflict(BaseModel):
    """Why a decision was not taken, who has decided, and the review as it is now."""

    message: str
    decided_by: User | None
    session: ReviewResponse


class DecisionConflict(BaseModel):
    """Body of a 409."""

    detail: Conflict


_HTML = {"content": {"text/html": {"schema": {"type": "string"}}}}

LOGGED_IN: Declared = {
    401: {"model": Problem, "description": "No token, or an expired one"},
    403: {"model": Problem, "description": "The token is signed with another key"},
    422: {"model": InvalidRequest, "description": "What was sent cannot be used"},
}

_NAMES_ONE: Declared = {400: {"model": Problem, "description": "An id is empty or `~`"}}

_BODY: Declared = {413: {"model": Problem, "description": "The body is too large"}}

STREAM: Declared = {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}

UNCHANGED: Declared = {304: {"description": "Not modified"}}

INBOX: Declared = {200: {"links": openapi_links.of_inbox()}, **UNCHANGED, **LOGGED_IN}

LIST: Declared = {200: {"links": openapi_links.of_review("/sessions/0")}, **UNCHANGED, **LOGGED_IN}

REVIEW: Declared = {
    **_NAMES_ONE,
    **LOGGED_IN,
    403: {"model": Problem, "description": "The caller may not do this for that DAG"},
}

_UNREADABLE: Declared = {
    503: {"model": Problem, "description": "It exists but cannot be read at the moment: try again"}
}

REVIEW_PART: Declared = {
    **REVIEW,
    **_UNREADABLE,
    404: {
        "model": ReviewNotFound,
        "description": "No such review; `task_active` says whether one may still appear",
    },
}

RUN: Declared = {**REVIEW, **_UNREADABLE, **_BODY}

PREVIEW: Declared = {**REVIEW_PART, **_BODY}

FOUND_REVIEW: Declared = {200: {"links": openapi_links.of_review()}, **REVIEW_PART}

DECISION: Declared = {
    **FOUND_REVIEW,
    409: {
        "model": DecisionConflict,
        "description": "Not pending, or another output is current; carries the session",
    },
    **_BODY,
}

EDITING: Declared = {
    **DECISION,
    422: {
        "model": InvalidRequest | InvalidEdit,
        "description": "What was sent cannot be used; `errors` say where the edited output does not fit",
    },
}

FEEDBACK: Declared = {
    **EDITING,
    400: {"model": Problem, "description": "An id is empty or `~`, or the feedback is empty"},
}

DELIVERIES: Declared = {
    200: {"links": openapi_links.of_delivery("/deliveries/0")},
    **REVIEW,
    400: {"model": Problem, "description": "Some of the three ids of a review are missing, empty or `~`"},
}

WEBHOOK: Declared = {
    **LOGGED_IN,
    403: {"model": Problem, "description": "The caller may not do this"},
    404: {"model": Problem, "description": "No such event, endpoint or connection"},
    **_BODY,
}

RESEND: Declared = {**WEBHOOK, **_UNREADABLE, 200: {"links": openapi_links.of_delivery()}}

LIST_PAGE: Declared = {
    307: {"description": "Redirect to the login: no token, or an expired one"},
    422: {"description": "HTML page: the address is wrong", **_HTML},
}

REVIEW_PAGE: Declared = {
    **LIST_PAGE,
    400: {"description": "HTML page: an id is empty or `~`", **_HTML},
    403: {"description": "HTML page: the caller may not do this for that DAG", **_HTML},
    404: {"description": "HTML page: no such review", **_HTML},
    503: {"description": "HTML page: the review cannot be read at the moment", **_HTML},
}
