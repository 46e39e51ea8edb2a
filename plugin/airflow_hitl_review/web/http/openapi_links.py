"""OpenAPI links: requests that a client can make next with values from a response."""

from __future__ import annotations

from typing import Any

_KEY = ("dag_id", "run_id", "task_id", "map_index")
_SEEN = ("iteration", "output_sha256")


def of_inbox() -> dict[str, Any]:
    """A link from a notice that the list has changed to its pending reviews."""
    waiting = {"status": ["pending_review"], "dag_id": "", "q": "", "offset": 0}
    return {"waiting": {"operationRef": _ref("get", "/sessions"), "parameters": waiting}}


def of_review(place: str = "") -> dict[str, Any]:
    """Links from a response with a review at ``place``, a JSON pointer, to the requests about that review."""
    return {
        "review": _link("get", "/sessions/find", place),
        "approve": _decision("approve", place),
        "reject": _decision("reject", place, feedback="Not this one."),
        "feedback": _decision("feedback", place, feedback="Shorter, please."),
        "deliveries": _link("get", "/deliveries", place),
    }


def of_delivery(place: str = "") -> dict[str, Any]:
    """A link from a response with a webhook event to the event's review."""
    return {"review": _link("get", "/sessions/find", place)}


def _link(method: str, path: str, place: str) -> dict[str, Any]:
    return {"operationRef": _ref(method, path), "parameters": _values(_KEY, place)}


def _decision(name: str, place: str, **more: str) -> dict[str, Any]:
    return {**_link("post", f"/sessions/{name}", place), "requestBody": {**_values(_SEEN, place), **more}}


def _values(names: tuple[str, ...], place: str) -> dict[str, str]:
    return {name: f"$response.body#{place}/{name}" for name in names}


def _ref(method: str, path: str) -> str:
    return f"#/paths/{path.replace('/', '~1')}/{method}"
