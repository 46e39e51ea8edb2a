"""A small server for the review API, with sessions in memory, on a free loopback port."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs

import uvicorn
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from demo.processes import PATIENCE
from hitl_notebook.client.review_page import ReviewPage
from hitl_notebook.records import Review, ReviewKey, parse_review
from hitl_rendering.conversation import failure_words
from tests.notebook.delivery_server import Deliveries
from tests.notebook.session_list import OrderBy, in_order, key_in, mentions, row, waits
from tests.notebook.times import stamp

THREAD = "review-server"
"""Name of each server's thread."""


def session(key: ReviewKey | None = None, **changes: Any) -> dict[str, Any]:
    """A review as the API returns it."""
    key = key or ReviewKey("reports", "manual__2030", "draft")
    output = changes.get("current_output", "# First draft")
    value: dict[str, Any] = {
        **key._asdict(),
        "status": "pending_review",
        "iteration": 1,
        "max_iterations": 3,
        "prompt": "Write the report.",
        "current_output": output,
        "output_format": "text",
        **_about(output),
        "conversation": [turn("output", output, 1)],
        "task_state": "awaiting_input",
        "task_completed": False,
        "created_at": stamp(0),
        "updated_at": stamp(0),
        "deadline_at": None,
        "last_error": None,
        "decided_by": None,
        "decided_at": None,
        "reviewers": [],
    }
    return {**value, **changes}


def _about(output: str) -> dict[str, str]:
    """Fields of an output in the list."""
    digest = hashlib.sha256(output.encode(errors="surrogatepass")).hexdigest()
    return {"output_sha256": digest, "output_excerpt": " ".join(output.split())[:200]}


def turn(kind: str, content: str, iteration: int, user: dict[str, str] | None = None) -> dict[str, Any]:
    """One turn of a conversation as the API returns it."""
    role = "human" if kind in ("edit", "feedback") else "assistant"
    return {
        "role": role,
        "kind": kind,
        "content": content,
        "iteration": iteration,
        "timestamp": stamp(0),
        "user": user,
    }


def review(key: ReviewKey | None = None, **changes: Any) -> Review:
    """A review as a record."""
    return parse_review(session(key, **changes))


def page(*reviews: Review) -> ReviewPage:
    """A page with these reviews."""
    return ReviewPage(reviews, len(reviews))


def jwt(user: str, expires_at: float, number: int = 0) -> str:
    """A token with an expiry and an invalid signature."""
    claims = json.dumps({"sub": user, "exp": expires_at, "jti": number}).encode()
    return f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.c2ln"


class DecisionBody(BaseModel):
    """Body of every decision."""

    iteration: int | None = Field(None, ge=1)
    channel: Literal["rest", "notebook", "provider"] = "rest"
    output_sha256: str | None = None
    feedback: str = Field("", max_length=1000)
    edited_output: str | None = None
    calls: dict[str, dict[str, Any]] | None = None


class FeedbackBody(DecisionBody):
    """Body of a request for changes."""

    feedback: str = Field(max_length=1000)


@dataclass(frozen=True)
class Seen:
    """A received request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    output_sha256: str | None = None  # from the body


class ReviewServer:
    """Serves until ``stop``; tests add sessions and inspect the requests.

    Attributes:
        sessions: the sessions by key.
        seen: the received requests, oldest first.
        broken: path prefix -> status, media type and body of the response sent instead.
        moved: path prefix -> redirect target.
        refused: tokens that are no longer accepted.
        progress: what tasks do just now; those without a session make their first output.
        unreadable: sessions that are counted but not listed, as if something else was stored there.
        edit_errors: what is wrong with edits: path and message.
        lifetime: lifetime of new tokens, in seconds.
        webhooks: the webhook events and connections.

    Args:
        outdated: simulate a version without webhook routes and with fewer fields in the list.
    """

    def __init__(self, *, outdated: bool = False) -> None:
        self.webhooks = Deliveries()
        self.reset()
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(self._app(outdated), log_level="critical", ws="none", lifespan="off")
        self._listener = listener
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name=THREAD)
        self._thread.start()
        until = time.monotonic() + 10 * PATIENCE
        while not self._server.started:
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.01)

    def reset(self) -> None:
        """Forget everything."""
        self.sessions: dict[ReviewKey, dict[str, Any]] = {}
        self.seen: list[Seen] = []
        self.broken: dict[str, tuple[int, str, str]] = {}
        self.moved: dict[str, str] = {}
        self.refused: set[str] = set()
        self.unreadable: set[ReviewKey] = set()
        self.progress: dict[ReviewKey, dict[str, Any]] = {}
        self.edit_errors: list[tuple[list[str | int], str]] = []
        self.lifetime = 3600.0
        self.webhooks.reset()
        self._ticks = 0
        self._tokens = 0

    def stop(self) -> None:
        """Stop serving, and wait for the end."""
        self._server.should_exit = True
        self._thread.join(10)
        self._listener.close()
        assert not self._thread.is_alive()

    def add(self, dag_id: str = "reports", run_id: str = "manual__2030", **changes: Any) -> ReviewKey:
        """Add a review; later ones are listed first."""
        key = ReviewKey(dag_id, run_id, "draft")
        self.sessions[key] = session(key, **{"updated_at": self._now(), **changes})
        return key

    def change(self, key: ReviewKey, **changes: Any) -> None:
        """Change a review behind the client's back."""
        about = _about(changes["current_output"]) if "current_output" in changes else {}
        self.sessions[key] = {**self.sessions[key], "updated_at": self._now(), **about, **changes}

    def next_output(self, key: ReviewKey, output: str) -> None:
        """Do what the task does when changes are requested."""
        number = self.sessions[key]["iteration"] + 1
        turns = [*self.sessions[key]["conversation"], turn("output", output, number)]
        self.change(
            key,
            iteration=number,
            current_output=output,
            status="pending_review",
            conversation=turns,
            decided_by=None,
            decided_at=None,
            edited=False,
            edited_output=None,
            request=None,
            request_kind=None,
        )

    def refuse_edit(self, key: ReviewKey, reason: str, *, of_edit: bool = True) -> None:
        """Do what the task does when its type does not take an edit, or no output can be made from it."""
        now = self.sessions[key]
        turns = [*now["conversation"], turn("error", failure_words(reason, of_edit=of_edit), now["iteration"])]
        changes = {"conversation": turns, "decided_by": None, "decided_at": None, "edited": False}
        self.change(key, status="pending_review", last_error=reason, **changes)

    def asked(self, path: str) -> list[Seen]:
        """The requests for this path."""
        return [seen for seen in self.seen if seen.path == path]

    def _now(self) -> str:
        self._ticks += 1
        return stamp(self._ticks)

    def _app(self, outdated: bool) -> FastAPI:
        app = FastAPI()
        if not outdated:
            self.webhooks.add_routes(app, self._user)

        @app.middleware("http")
        async def look(
            request: Request, call_next: Callable[[Request], Awaitable[Response]]
        ) -> Response | JSONResponse:
            body = await request.body()
            query = {name: values[-1] for name, values in parse_qs(request.url.query).items()}
            read = json.loads(body) if body else None
            digest = read.pop("output_sha256", None) if isinstance(read, dict) else None
            self.seen.append(Seen(request.method, request.url.path, query, dict(request.headers), read, digest))
            for start, (status, media_type, text) in self.broken.items():
                if request.url.path.startswith(start):
                    return Response(text, status, media_type=media_type)
            for start, address in self.moved.items():
                if request.url.path.startswith(start):
                    return Response(status_code=307, headers={"Location": address})
            return await call_next(request)

        @app.post("/auth/token")
        async def token(request: Request) -> JSONResponse:
            who = await request.json()
            if who["password"] != f"{who['username']}-password":
                return JSONResponse({"detail": "Invalid credentials"}, status_code=401)
            self._tokens += 1
            value = jwt(who["username"], time.time() + self.lifetime, self._tokens)
            return JSONResponse({"access_token": value}, status_code=201)

        @app.get("/hitl-review/sessions")
        async def sessions(
            request: Request,
            status: Annotated[list[str] | None, Query()] = None,
            dag_id: str | None = None,
            q: str | None = None,
            include_ended: bool = False,
            limit: Annotated[int, Query(ge=1, le=500)] = 50,
            offset: Annotated[int, Query(ge=0)] = 0,
            order_by: OrderBy = "-updated_at",
        ) -> Response:
            self._user(request)
            found = [
                item
                for item in in_order(order_by, self.sessions.values())
                if (include_ended or not item["task_completed"])
                and (not status or item["status"] in status)
                and dag_id in (None, item["dag_id"])
                and mentions(item, q or "")
            ]
            listed = found[offset : offset + limit]
            answer: dict[str, Any] = {
                "sessions": [row(item) for item in listed if key_in(item) not in self.unreadable],
                "total_entries": len(found),
            }
            if outdated:
                for item in answer["sessions"]:
                    del item["output_excerpt"]
            else:
                answer["waiting"] = sum(map(waits, self.sessions.values()))
                answer["dag_ids"] = sorted({key.dag_id for key in self.sessions})
                answer["being_made"] = [
                    {**key._asdict(), "started_at": stamp(0)} for key in self.progress if key not in self.sessions
                ]
            body = json.dumps(answer).encode()
            headers = {"ETag": f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'}
            if request.headers.get("if-none-match") == headers["ETag"]:
                return Response(status_code=304, headers=headers)
            return Response(body, media_type="application/json", headers=headers)

        @app.get("/hitl-review/sessions/progress")
        async def progress(
            request: Request, dag_id: str, run_id: str, task_id: str, map_index: int = -1
        ) -> JSONResponse:
            self._user(request)
            key = ReviewKey(dag_id, run_id, task_id, map_index)
            if outdated:
                return JSONResponse({"detail": "Not Found"}, status_code=404)
            review = self.sessions.get(key)
            version = hashlib.sha256(json.dumps(review).encode()).hexdigest()
            being_made = review is None or review["status"] == "changes_requested"
            told = self.progress.get(key) if being_made else None
            return JSONResponse({"version": version, "being_made": being_made, "progress": told})

        @app.get("/hitl-review/sessions/find")
        async def find(
            request: Request, dag_id: str, run_id: str, task_id: str, map_index: int = -1
        ) -> JSONResponse:
            self._user(request)
            return self._one(ReviewKey(dag_id, run_id, task_id, map_index))

        @app.post("/hitl-review/sessions/feedback")
        async def feedback(
            request: Request, dag_id: str, run_id: str, task_id: str, map_index: int, body: FeedbackBody
        ) -> JSONResponse:
            key = ReviewKey(dag_id, run_id, task_id, map_index)
            return self._decide(request, key, "changes_requested", body)

        @app.post("/hitl-review/sessions/{action}")
        async def decide(
            request: Request,
            action: Literal["approve", "reject"],
            dag_id: str,
            run_id: str,
            task_id: str,
            map_index: int,
            body: DecisionBody,
        ) -> JSONResponse:
            key = ReviewKey(dag_id, run_id, task_id, map_index)
            return self._decide(request, key, f"{action}d".replace("rejectd", "rejected"), body)

        return app

    def _user(self, request: Request) -> str:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not token:
            raise HTTPException(401, "Not authenticated")
        if token in self.refused or token.count(".") != 2:
            raise HTTPException(401, "Invalid JWT token")
        claims = token.split(".")[1]
        return str(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"])

    def _one(self, key: ReviewKey) -> JSONResponse:
        if key not in self.sessions:
            active = key.dag_id == "running"
            detail = {"message": f"No review was found for {key.dag_id}.", "task_active": active}
            return JSONResponse({"detail": detail}, status_code=404)
        return JSONResponse(self.sessions[key])

    def _decide(self, request: Request, key: ReviewKey, status: str, body: DecisionBody) -> JSONResponse:
        user = self._user(request)
        if user == "viewer":
            raise HTTPException(403, f"You may not decide the reviews of DAG {key.dag_id!r}.")
        if status == "changes_requested" and not body.feedback.strip():
            raise HTTPException(400, "Say what to change: the feedback is empty.")
        now = self.sessions.get(key)
        if now is None:
            return self._one(key)
        message = ""
        if now["status"] != "pending_review":
            message = f"Already {now['status']} by {(now['decided_by'] or {}).get('name')}."
        elif body.output_sha256 not in (None, now["output_sha256"]) and body.iteration == now["iteration"]:
            message = f"Output {now['iteration']} is not the one that you saw: the task was started again."
        elif body.iteration not in (None, now["iteration"]):
            message = f"You decided about output {body.iteration}, but output {now['iteration']} is current."
        if message:
            detail = {"message": message, "decided_by": now["decided_by"], "session": now}
            return JSONResponse({"detail": detail}, status_code=409)
        edited = body.edited_output if body.edited_output != now["current_output"] else None
        if edited is not None and self.edit_errors:
            errors = [{"path": path, "message": message} for path, message in self.edit_errors]
            return JSONResponse({"detail": "The edited output is not valid.", "errors": errors}, status_code=422)
        who = {"id": user, "name": user}
        turns = list(now["conversation"])
        if edited is not None:
            turns.append(turn("edit", edited, now["iteration"], who))
        if body.feedback:
            turns.append(turn("feedback", body.feedback, now["iteration"], who))
        edit = {} if edited is None else {"edited": True, "edited_output": edited}
        if now.get("request") is not None:
            turns = [{**one, "is_request": True} for one in turns]
            status = "changes_requested" if status == "approved" else status
        self.change(key, status=status, decided_by=who, decided_at=stamp(0), conversation=turns, **edit)
        return JSONResponse(self.sessions[key])
