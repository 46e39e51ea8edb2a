"""How pages are answered: their headers, the way to the log-in, and errors as pages."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from airflow_hitl_review.server.db.transactions import site
from airflow_hitl_review.web.pages.templates import fill

HEADERS = {
    # Nothing but our own files. The page stands in a frame of Airflow's UI, and in nobody else's.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

PAGES = ("/chat", "/chat-by-task", "/inbox")
"""Paths, below the plugin's prefix, that people open."""

INVALID_TOKEN = "Invalid JWT token"  # noqa: S105 - what Airflow says of one whose signature is of another key
"""Airflow answers 403 with these words. To a person it means the same as 401."""

_TITLES = {400: "This address is not complete", 403: "Not for you", 404: "Nothing here", 422: "Not a valid address"}


def page(html: str, status_code: int = 200) -> Response:
    """A page."""
    return HTMLResponse(html, status_code, headers={**HEADERS, "Cache-Control": "private, no-cache"})


def is_page(request: Request) -> bool:
    """Whether the request is for a page, and not for data."""
    return request.method == "GET" and request.url.path.endswith(PAGES)


def inbox_before(request: Request) -> str:
    """The list of reviews, relative to a page, with the filters that the reader had when coming from it."""
    try:
        before = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return "inbox"
    return f"inbox?{before.query}" if before.path.endswith("/inbox") and before.query else "inbox"


def to_login(request: Request) -> Response:
    """Send the reader to Airflow's log-in, and back here afterwards."""
    name = request.url.path.rpartition("/")[2]
    query = f"?{request.url.query}" if request.url.query else ""
    here = f"{site().path}/{name}{query}"
    # Relative, so that it holds behind every proxy.
    location = f"../api/v2/auth/login?next={quote(here, safe='')}"
    return Response(status_code=307, headers={**HEADERS, "Location": location, "Cache-Control": "no-store"})


def error_page(status_code: int, text: str) -> Response:
    """An error as a page."""
    return page(fill("message.html", title=_TITLES.get(status_code, "This did not work"), text=text), status_code)
