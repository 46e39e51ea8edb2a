"""Responses for pages: headers, redirect to the login, and error pages."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from airflow_hitl_review.server.db.transactions import site
from airflow_hitl_review.web.pages.templates import fill

HEADERS = {
    # Only our own files, and images of outputs, which the reader loads. Only Airflow's UI may show the page in a frame.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https: data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

PAGES = ("/chat", "/chat-by-task", "/inbox")
"""Paths, below the plugin's prefix, that people open."""

INVALID_TOKEN = "Invalid JWT token"  # noqa: S105 - Airflow's message for a signature by another key
"""Airflow answers 403 with this text; for a user it means the same as 401."""

_TITLES = {400: "This address is not complete", 403: "Not for you", 404: "Nothing here", 422: "Not a valid address"}


def page(html: str, status_code: int = 200) -> Response:
    """A page's response."""
    return HTMLResponse(html, status_code, headers={**HEADERS, "Cache-Control": "private, no-cache"})


def is_page(request: Request) -> bool:
    """Whether the request is for a page, and not for data."""
    return request.method == "GET" and request.url.path.endswith(PAGES)


def inbox_before(request: Request) -> str:
    """Relative URL of the list of reviews, with the filters that the reader came from."""
    try:
        before = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return "inbox"
    return f"inbox?{before.query}" if before.path.endswith("/inbox") and before.query else "inbox"


def to_login(request: Request) -> Response:
    """Redirect the reader to Airflow's login, and back here afterwards."""
    name = request.url.path.rpartition("/")[2]
    query = f"?{request.url.query}" if request.url.query else ""
    here = f"{site().path}/{name}{query}"
    # Relative, so that it works behind every proxy.
    location = f"../api/v2/auth/login?next={quote(here, safe='')}"
    return Response(status_code=307, headers={**HEADERS, "Location": location, "Cache-Control": "no-store"})


def error_page(status_code: int, text: str) -> Response:
    """An error as a page."""
    return page(fill("message.html", title=_TITLES.get(status_code, "This did not work"), text=text), status_code)
