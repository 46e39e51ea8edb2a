"""Runs of AG-UI over random conversations: every event passes the protocol's own checks."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ag_ui.core import Event
from pydantic import TypeAdapter

from airflow_hitl_review.core.progress import Progress
from airflow_hitl_review.core.review import ReviewResponse, assemble
from airflow_hitl_review.core.schema import (
    SESSION_KEY,
    AgentSession,
    Decision,
    FailedRegeneration,
    User,
    edited_output_key,
    feedback_key,
    output_key,
)
from airflow_hitl_review.core.states import Action, SessionStatus
from airflow_hitl_review.core.stored import StoredValue
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.core.texts import sha256_of
from airflow_hitl_review.web.ag_ui.runs import Run
from airflow_hitl_review.web.live.progress import ProgressUpdate
from tests.support.call_samples import question, refunds
from tests.support.node import Program, node_program

CONVERSATIONS = 100
START = datetime(2026, 3, 1, tzinfo=timezone.utc)
ANN = User(id="ann", name="Ann 🎉")
OUTPUTS = [
    "",
    "# Sales\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n$x^2$ and `code`",
    "x" * 300_000,
    "one endless line " * 500,
    "漢字 \u202eright to left 🎉 \u2028",
    '{"total": 9007199254740993, "rows": [[1.0, null, "é"]], "nested": {"a": {"b": []}}}',
    "def f(x):\n    return x ** 2\n",
]
STATUSES = [status for status in SessionStatus if status is not SessionStatus.CHANGES_REQUESTED]


@dataclass(frozen=True)
class Update:
    """A review as a watcher has it."""

    review: ReviewResponse | None
    is_being_made: bool
    version: str = ""
    data: str = ""


class Conversation:
    """A review that goes on by chance, as a worker and reviewers would have it."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._xcoms: dict[str, Any] = {}
        self._session = AgentSession(created_at=START, prompt=self._pick(["", "Write it.", "x" * 5_000]))
        self._session.deadline_at = self._pick([None, START + timedelta(days=1)])
        self._session.max_iterations = 50

    def updates(self) -> Iterator[Update | ProgressUpdate]:
        """What a client that follows it sees, from some point on; at its end it waits, has ended, or goes on."""
        if self._pick([True, False]):
            yield Update(None, is_being_made=True)
            yield from self._progress()
        for _ in range(self._random.randrange(1, 6)):
            self._show()
            if self._pick([True, False, False]):
                break
            self._decide()
            yield self._as_seen()
            yield from self._progress()
            if self._pick([True, False, False, False]):
                self._fail()
                break
        else:
            return  # the stream's time is over
        if self._pick([True, False]):
            self._session.status = self._pick(STATUSES)
        yield self._as_seen(self._pick(["awaiting_input", "awaiting_input", "failed"]))

    def _pick(self, values: list[Any]) -> Any:
        return self._random.choice(values)

    def _progress(self) -> Iterator[ProgressUpdate]:
        for number in range(self._random.randrange(4)):
            yield ProgressUpdate(
                Progress(
                    iteration=self._session.iteration + 1,
                    at=START,
                    text=self._pick(["", "Reading 🎉"]),
                    fraction=self._pick([None, 0.0, number / 4, 1.0]),
                    partial=self._pick(["", "The next", "x" * 2_000]),
                )
            )
        yield ProgressUpdate()

    def _show(self) -> None:
        shown = self._pick([refunds(), question(), None, None, None])
        if self._xcoms:
            self._session.iteration += 1
        session = self._session
        if shown is None:
            session.current_output = self._pick(OUTPUTS)
            session.request = session.output_schema = None
            session.output_format = "json" if session.current_output.startswith("{") else "text"
        else:
            again = AgentSession.model_validate({**session.model_dump(), **_request_of(shown)})
            session.current_output, session.request = again.current_output, again.request
            session.output_schema, session.output_format = again.output_schema, "json"
            session.requests.append(session.iteration)
        session.allow_modifications = self._pick([True, False])
        session.status = SessionStatus.PENDING_REVIEW
        self._xcoms[output_key(session.iteration)] = session.current_output

    def _decide(self) -> None:
        session = self._session
        edited = self._pick([None, session.current_output + " "])
        is_asked = session.request is not None
        action = self._pick([Action.APPROVE, Action.CHANGES_REQUESTED]) if is_asked else Action.CHANGES_REQUESTED
        decision = Decision(
            action=action,
            iteration=session.iteration,
            user=ANN,
            at=START,
            output_sha256=sha256_of(session.current_output),
            edited_output_sha256=sha256_of(edited) if edited is not None else None,
        )
        session.decisions.append(decision)
        self._xcoms[feedback_key(session.iteration)] = "Shorter, please."
        if edited is not None:
            self._xcoms[edited_output_key(session.iteration)] = edited
        session.status = SessionStatus.CHANGES_REQUESTED

    def _fail(self) -> None:
        session = self._session
        session.last_error = "ValueError: no"
        failure = FailedRegeneration(
            iteration=session.iteration,
            at=START,
            feedback="Shorter, please.",
            error="no",
            user=ANN,
            edited_output_sha256=session.decisions[-1].edited_output_sha256,
        )
        session.failures.append(failure)
        session.status = SessionStatus.PENDING_REVIEW

    def _as_seen(self, state: str = "awaiting_input") -> Update:
        xcoms = {**self._xcoms, SESSION_KEY: self._session.model_dump(mode="json")}
        stored = {name: StoredValue(json.loads(json.dumps(value)), START) for name, value in xcoms.items()}
        review = assemble(TaskKey("d", "r", "t"), state, stored)
        assert review is not None
        return Update(review, is_being_made=review.status is SessionStatus.CHANGES_REQUESTED)


def _request_of(shown: dict[str, Any]) -> dict[str, Any]:
    schema = shown["output_schema"]
    return {
        "current_output": shown["outputs"][-1],
        "request": shown["request"],
        "output_schema": json.loads(schema) if isinstance(schema, str) else schema,
    }


def events_of(seed: int) -> list[dict[str, Any]]:
    """One run about a random conversation, as it is sent."""

    async def updates() -> AsyncIterator[Any]:
        for update in Conversation(seed).updates():
            yield update

    async def run() -> list[str]:
        return [event.model_dump_json(by_alias=True) async for event in Run("thread", "run").events(updates())]

    return [json.loads(text) for text in asyncio.run(run())]


@pytest.fixture(scope="module")
def program(folder: Path) -> Iterator[Program]:
    with node_program(folder, "ag_ui.mjs") as running:
        yield running


def test_events_of_random_conversations_pass_the_protocols_own_checks(program: Program) -> None:
    runs = [events_of(seed) for seed in range(CONVERSATIONS)]
    model: TypeAdapter[Any] = TypeAdapter(Event)
    for events in runs:
        for event in events:
            model.validate_python(event)
            assert None not in event.values(), "what is not set is left out"
        ids = [message["id"] for event in events for message in event.get("messages", [])[-1:]]
        assert all(ids)
    total = sum(map(len, runs))
    assert program({"do": "verify", "runs": runs}) == {"verified": total, "warnings": []}
    ends = [_end(events[-1]) for events in runs]
    assert set(ends) >= {"interrupt", "success", "cancelled", "task_ended"}, "chance has led everywhere"


def _end(event: dict[str, Any]) -> str:
    return str(event["outcome"]["type"] if event["type"] == "RUN_FINISHED" else event["code"])


def test_ids_of_messages_are_different_and_stay() -> None:
    for seed in range(CONVERSATIONS):
        known: dict[str, Any] = {}
        for event in events_of(seed):
            messages = event.get("messages", [])
            ids = [message["id"] for message in messages]
            assert len(ids) == len(set(ids)), ids
            for message in messages:
                assert known.setdefault(message["id"], message) == message
