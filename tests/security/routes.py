"""The app's routes: their requests, and their answers to each caller."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any

from tests.support.api_server import ReviewServer

LIST_ROUTES = """
import json
from airflow_hitl_review.web.app import create_app

def walk(routes, before=""):
    for route in routes:
        path = before + route.path
        if getattr(route, "methods", None):
            yield from ([method, path] for method in route.methods if method != "HEAD")
        else:
            yield ["mount", path]

print(json.dumps(sorted(walk(create_app().routes))))
"""


class Right(IntEnum):
    """Rights of a caller; each includes those before it."""

    NOT_LOGGED_IN = 0
    FORGED = 1
    NOT_THIS_DAG = 2
    READ = 3
    DECIDE = 4
    CONNECT = 5


EMPTY = "200, empty"
LOGIN = "307"


class Kind(Enum):
    """Kind of a route; the value has its answer for each ``Right``, in order."""

    OPEN = ("200", "200", "200", "200", "200", "200")
    LOGGED_IN = ("401", "403", "200", "200", "200", "200")
    LIST = ("401", "403", EMPTY, "200", "200", "200")
    LIST_PAGE = (LOGIN, LOGIN, EMPTY, "200", "200", "200")
    REVIEW = ("401", "403", "403", "200", "200", "200")
    REVIEW_PAGE = (LOGIN, LOGIN, "403", "200", "200", "200")
    DECISION = ("401", "403", "403", "403", "200", "200")
    CONNECTION = ("401", "403", "403", "403", "403", "200")

    def to(self, right: Right) -> str:
        """The expected answer."""
        return str(self.value[right])


@dataclass(frozen=True, eq=False)
class Route:
    """A route and its request.

    Attributes:
        method: HTTP method; ``mount`` for a folder of files.
        path: as declared in the app.
        body: JSON of the request.
        asked: requested path, if different.
    """

    method: str
    path: str
    kind: Kind
    body: Any = None
    asked: str = ""

    @property
    def name(self) -> str:
        """Name in the table."""
        return f"`GET {self.path}/...`" if self.method == "mount" else f"`{self.method} {self.path}`"


ROUTES = (
    Route("GET", "/health", Kind.OPEN),
    Route("mount", "/assets", Kind.OPEN, asked="/assets/page.css"),
    Route("GET", "/openapi.json", Kind.LOGGED_IN),
    Route("GET", "/inbox/updates", Kind.LOGGED_IN),
    Route("GET", "/inbox/events", Kind.LOGGED_IN),
    Route("GET", "/ag-ui/capabilities", Kind.LOGGED_IN),
    Route("GET", "/sessions", Kind.LIST),
    Route("GET", "/deliveries", Kind.LIST),
    Route("GET", "/inbox", Kind.LIST_PAGE),
    Route("GET", "/sessions/find", Kind.REVIEW),
    Route("GET", "/sessions/progress", Kind.REVIEW),
    Route("GET", "/chat/latest", Kind.REVIEW),
    Route("GET", "/chat/updates", Kind.REVIEW),
    Route("GET", "/chat/events", Kind.REVIEW),
    Route("POST", "/ag-ui", Kind.REVIEW, {"threadId": "t", "runId": "r", "messages": []}),  # a look, no answer
    Route("GET", "/chat", Kind.REVIEW_PAGE),
    Route("GET", "/chat-by-task", Kind.REVIEW_PAGE),
    Route("POST", "/sessions/approve", Kind.DECISION),
    Route("POST", "/sessions/reject", Kind.DECISION),
    Route("POST", "/sessions/feedback", Kind.DECISION, {"feedback": "shorter"}),
    Route("POST", "/chat/preview", Kind.DECISION, {"edited_output": "edited"}),
    Route("POST", "/deliveries/{event_id}/resend", Kind.DECISION),
    Route("POST", "/webhooks/test", Kind.CONNECTION),
)


def routes_of(server: ReviewServer) -> set[tuple[str, str]]:
    """Method and path of each route of the app that this server runs, as declared in the app."""
    listed = server.airflow.run("python", "-c", LIST_ROUTES).splitlines()[-1]
    return {(method, path) for method, path in json.loads(listed)}
