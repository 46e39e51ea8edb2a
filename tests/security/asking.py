"""Requests to each route by each caller, on a running server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.security.callers import Caller
from tests.security.routes import EMPTY, ROUTES, Kind, Route
from tests.support.api_server import URL_SECRET, ReviewServer
from tests.support.hook_server import Hook, HookServer

ENOUGH = 60
"""Number of reviews: one for each requested decision."""


@dataclass
class Asked:
    """The requests and their answers.

    Attributes:
        run_id: the run of the reviews; the first review is read, each of the others is for one decision.
        hook: receives the webhooks.
        event_id: id of a webhook event.
        answers: answers by caller and route.
        refused: reviews whose decision was refused, by map index.
    """

    server: ReviewServer
    run_id: str
    hook: Hook
    event_id: str
    answers: dict[tuple[Caller, Route], str] = field(default_factory=dict)
    refused: set[int] = field(default_factory=set)
    _used: int = 0

    def ask_all(self, everybody: Iterable[Caller]) -> None:
        """Send a request to each route as each caller."""
        for caller in everybody:
            for route in ROUTES:
                self.ask(caller, route)

    def ask(self, caller: Caller, route: Route) -> None:
        """Send one request and store the answer."""
        index = 0
        if route.path.startswith("/sessions/") and route.method == "POST":
            self._used += 1
            index = self._used
        path = (route.asked or route.path).replace("{event_id}", self.event_id)
        body = {"url": self.hook.url} if route.kind is Kind.CONNECTION else route.body
        params: dict[str, Any] = {}
        if route.kind in (Kind.REVIEW, Kind.REVIEW_PAGE) or route.path == "/chat/preview" or index:
            params = self.server.params(self.run_id, index)
        with self.server.call(
            "GET" if route.method == "mount" else route.method,
            path,
            user=None,
            headers=caller.headers,
            params=params,
            json=body,
            allow_redirects=False,
            stream=True,
        ) as answer:
            status = str(answer.status_code)
            is_stream = answer.headers.get("Content-Type", "").startswith("text/event-stream")
            text = "" if is_stream else answer.text
        if answer.status_code != 200:
            assert "Draft of item" not in text, f"{caller.name}, {route.name}"
            if index:
                self.refused.add(index)
        if answer.status_code == 307:
            assert answer.headers["Location"].startswith("../api/v2/auth/login?next=")
        if status == "200" and route.kind in (Kind.LIST, Kind.LIST_PAGE) and not self._shows_reviews(text):
            status = EMPTY
        self.answers[caller, route] = status

    def _shows_reviews(self, text: str) -> bool:
        return self.run_id.partition("+")[2] in text or self.event_id in text or "Draft of item" in text

    def still_pending(self) -> set[int]:
        """Map indexes of the undecided reviews, except the first."""
        params = {"q": self.run_id, "status": "pending_review", "limit": ENOUGH + 1}
        listed = self.server.call("GET", "/sessions", user="admin", params=params).json()["sessions"]
        return {row["map_index"] for row in listed} & set(range(1, self._used + 1))


@contextmanager
def asking(server: ReviewServer) -> Iterator[Asked]:
    """Reviews and webhooks, without any requests yet."""
    with HookServer() as hooks:
        hook = hooks.add("/hook", [URL_SECRET])
        told = server.seed(1, "due", hook.url)
        found = server.call("GET", "/deliveries", user="admin", params=server.params(told)).json()
        yield Asked(server, server.seed(ENOUGH), hook, found["deliveries"][0]["event_id"])
