"""The webhook part of the test server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from fastapi import FastAPI, HTTPException, Query, Request
from pydantic import BaseModel

from hitl_notebook.client.deliveries import Delivery, DeliveryPage, parse_delivery
from hitl_notebook.records import ReviewKey
from tests.notebook.times import stamp

KEY = ReviewKey("reports", "manual__2030", "draft")


def attempt(**changes: Any) -> dict[str, Any]:
    """An attempt as the API returns it."""
    value = {"at": stamp(0), "duration_ms": 12, "status_code": 204, "error": None, "retry_after": None}
    return {**value, **changes}


def endpoint(name: str = "audit", **changes: Any) -> dict[str, Any]:
    """An endpoint of an event as the API returns it."""
    value: dict[str, Any] = {
        "endpoint": name,
        "format": "standard",
        "status": "delivered",
        "attempts": 1,
        "next_attempt_at": None,
        "last_error": None,
        "log": [attempt()],
    }
    return {**value, **changes}


def failing(name: str = "audit", **changes: Any) -> dict[str, Any]:
    """An endpoint that refused an event once."""
    error = "answered 503 Service Unavailable"
    value: dict[str, Any] = {
        "status": "pending",
        "next_attempt_at": stamp(5),
        "last_error": error,
        "log": [attempt(status_code=503, error=error, retry_after=5.0)],
    }
    return endpoint(name, **{**value, **changes})


def event(key: ReviewKey = KEY, **changes: Any) -> dict[str, Any]:
    """An event as the API returns it."""
    value: dict[str, Any] = {
        "event_id": "00000000-0000-5000-8000-000000000001",
        "type": "hitl_review.output_ready",
        "iteration": 1,
        "timestamp": stamp(0),
        **key._asdict(),
        "endpoints": [endpoint()],
    }
    value |= changes
    states = {item["status"] for item in value["endpoints"]}
    status = "pending" if "pending" in states else "failed" if states & {"failed", "gone"} else "delivered"
    return {"status": status, **value}


def delivery(key: ReviewKey = KEY, **changes: Any) -> Delivery:
    """An event as a record."""
    return parse_delivery(event(key, **changes))


def page(*deliveries: Delivery, total: int | None = None) -> DeliveryPage:
    """A page with these deliveries."""
    return DeliveryPage(deliveries, len(deliveries) if total is None else total)


class ResendBody(BaseModel):
    """Body of a request to resend an event; optional."""

    endpoint: str


class TestBody(BaseModel):
    """Body of a request to test an endpoint."""

    __test__ = False
    conn_id: str | None = None
    url: str | None = None
    format: Literal["standard", "cloudevents", "slack"] = "standard"


class Deliveries:
    """Events and connections; filled by tests.

    Attributes:
        events: by their id, oldest first.
        connections: connection id or URL -> result of an attempt there.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.events: dict[str, dict[str, Any]] = {}
        self.connections: dict[str, dict[str, Any]] = {}

    def add(self, key: ReviewKey = KEY, **changes: Any) -> str:
        """Add an event as the newest; returns its id."""
        number = len(self.events) + 1
        name = f"00000000-0000-5000-8000-{number:012}"
        value = event(key, **{"event_id": name, "timestamp": stamp(number), **changes})
        self.events[value["event_id"]] = value
        return str(value["event_id"])

    def set(self, event_id: str, *endpoints: dict[str, Any]) -> None:
        """Change the endpoints of an event."""
        value = {**self.events[event_id], "endpoints": list(endpoints)}
        del value["status"]
        self.events[event_id] = event(**value)

    def add_routes(self, app: FastAPI, user_of: Callable[[Request], str]) -> None:
        """Add the webhook routes."""

        @app.get("/hitl-review/deliveries")
        async def deliveries(
            request: Request,
            dag_id: str | None = None,
            run_id: str | None = None,
            task_id: str | None = None,
            map_index: int = -1,
            status: Literal["pending", "delivered", "failed"] | None = None,
            limit: int = Query(50, ge=1, le=500),
            offset: int = Query(0, ge=0),
        ) -> dict[str, Any]:
            if user_of(request) == "stranger":
                raise HTTPException(403, "You may not read the reviews of DAG 'reports'.")
            wanted: dict[str, Any] = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id}
            if run_id is not None:
                wanted["map_index"] = map_index
            found = [
                item
                for item in reversed(self.events.values())
                if all(value in (None, item[name]) for name, value in wanted.items())
                and status in (None, item["status"])
            ]
            return {"deliveries": found[offset : offset + limit], "total_entries": len(found)}

        @app.post("/hitl-review/deliveries/{event_id}/resend")
        async def resend(request: Request, event_id: str, body: ResendBody | None = None) -> dict[str, Any]:
            if user_of(request) == "viewer":
                raise HTTPException(403, "You may not decide the reviews of DAG 'reports'.")
            if event_id not in self.events:
                raise HTTPException(404, f"No webhook event {event_id}.")
            wanted = body.endpoint if body else None
            if wanted not in (None, *(item["endpoint"] for item in self.events[event_id]["endpoints"])):
                raise HTTPException(404, f"The event has no endpoint {wanted!r}.")
            self.set(
                event_id,
                *(
                    {**item, "status": "pending", "next_attempt_at": stamp(60)}
                    if wanted in (None, item["endpoint"])
                    else item
                    for item in self.events[event_id]["endpoints"]
                ),
            )
            return self.events[event_id]

        @app.post("/hitl-review/webhooks/test")
        async def test(request: Request, body: TestBody) -> dict[str, Any]:
            if user_of(request) == "viewer":
                raise HTTPException(403, "You may not use connections.")
            name = body.conn_id or body.url or ""
            if name not in self.connections:
                raise HTTPException(404, f"There is no connection {name!r}.")
            made = self.connections[name]
            return {"endpoint": name, "event_id": "test", "delivered": made["error"] is None, "attempt": made}
