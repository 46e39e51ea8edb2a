"""Responses for pages: headers, redirect to the login, error pages, and when these are given."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException

from airflow_hitl_review.core.stored import UnreadableXComError
from airflow_hitl_review.server.db.transactions import site
from airflow_hitl_review.web.http.error_schemas import FieldProblem, InvalidRequest
from airflow_hitl_review.web.pages.templates import fill

HEADERS = {
    # Only our own files, and images of outputs, which the reader loads. Only Airflow's UI may show the page in
    # a frame.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https: data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

_PAGES = ("/chat", "/chat-by-task", "/inbox")
"""Paths, below the plugin's prefix, that people open."""

_INVALID_TOKEN = "Invalid JWT token"  # noqa: S105 - Airflow's message for a signature by another key
"""Airflow answers 403 with this text; for a user it means the same as 401."""

_TITLES = {400: "This address is not complete", 403: "Not allowed", 404: "Not found", 422: "Not a valid address"}


def page(html: str, status_code: int = 200) -> Response:
    """A page's response."""
    return HTMLResponse(html, status_code, headers={**HEADERS, "Cache-Control": "private, no-cache"})


def _is_page(request: Request) -> bool:
    """Whether the request is for a page, and not for data."""
    return request.method == "GET" and request.url.path.endswith(_PAGES)


def inbox_before(request: Request) -> str:
    """Relative URL of the list of reviews, with the filters that the reader came from."""
    try:
        before = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return "inbox"
    return f"inbox?{before.query}" if before.path.endswith("/inbox") and before.query else "inbox"


def _to_login(request: Request) -> Response:
    """Redirect the reader to Airflow's login, and back here afterwards."""
    name = request.url.path.rpartition("/")[2]
    query = f"?{request.url.query}" if request.url.query else ""
    here = f"{site().path}/{name}{query}"
    # Relative, so that it works behind every proxy.
    location = f"../api/v2/auth/login?next={quote(here, safe='')}"
    return Response(status_code=307, headers={**HEADERS, "Location": location, "Cache-Control": "no-store"})


def _error_page(status_code: int, text: str) -> Response:
    """An error as a page."""
    return page(
        fill("message.html", title=_TITLES.get(status_code, "Something went wrong"), text=text), status_code
    )


def install_error_handlers(app: FastAPI) -> None:
    """Answer a page's request with an error page or the login, and an API request with JSON as usual."""

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        if not _is_page(request):
            return await http_exception_handler(request, error)
        if error.status_code == 401 or error.detail == _INVALID_TOKEN:
            return _to_login(request)
        return _error_page(error.status_code, str(error.detail))

    @app.exception_handler(UnreadableXComError)
    def unreadable(request: Request, error: UnreadableXComError) -> Response:
        text = f"{error}. Try again."
        return _error_page(503, text) if _is_page(request) else JSONResponse({"detail": text}, status_code=503)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        if not _is_page(request):
            # Without the input: it may be long, or not representable in JSON, such as NaN.
            told = [FieldProblem.model_validate(problem) for problem in error.errors()]
            return JSONResponse(InvalidRequest(detail=told).model_dump(), status_code=422)
        problems = [f"{problem['loc'][-1]}: {problem['msg']}." for problem in error.errors()]
        return _error_page(422, "Something in the address is missing or wrong. " + " ".join(problems))
