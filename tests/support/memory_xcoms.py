"""XComs in memory, for the worker's side alone: writes and reads can be made to fail one by one."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from airflow_hitl_review.core.audit_record import event_for, record_of
from airflow_hitl_review.core.schema import (
    ACTION_KEY,
    PREFIX,
    SESSION_KEY,
    AgentSession,
    Decision,
    User,
    edited_output_key,
    feedback_key,
)
from airflow_hitl_review.core.states import Action, advance
from airflow_hitl_review.core.texts import sha256_of

ANN = User(id="ann", name="Ann")


class MemoryTask:
    """What the worker's side needs of a running task instance.

    Attributes:
        xcoms: what is stored, by key.
        pushed: the keys of all writes, in their order, also of those that failed.
        before_push: called with the key before each write is done; what it raises, the write raises.
        after_push: the same afterwards: the write is done, and its answer lost.
        before_pull: the same before each read.
        kwargs: what the task was given when it parked, for ``resume_hitl_review``.
        task: its operator, for what asks the running task for it.
    """

    def __init__(self) -> None:
        self.id, self.max_tries = uuid.uuid4(), 0
        self.dag_id, self.run_id, self.task_id, self.map_index, self.try_number = "d", "r", "t", -1, 1
        self.xcoms: dict[str, Any] = {}
        self.pushed: list[str] = []
        self.before_push: Callable[[str], None] = lambda key: None
        self.after_push: Callable[[str], None] = lambda key: None
        self.before_pull: Callable[[str], None] = lambda key: None
        self.kwargs: dict[str, Any] = {}
        self.task: Any = None

    def xcom_push(self, key: str, value: Any) -> None:
        """Store a value as a database does, which refuses NaN and NUL."""
        text = json.dumps(value, allow_nan=False)
        assert "\\u0000" not in text
        self.pushed.append(key)
        self.before_push(key)
        self.xcoms[key] = json.loads(text)
        self.after_push(key)

    def xcom_pull(self, key: str, task_ids: Any = None, map_indexes: Any = None) -> Any:
        """A stored value, or None."""
        self.before_pull(key)
        return json.loads(json.dumps(self.xcoms.get(key)))

    @property
    def session(self) -> AgentSession:
        """The stored session."""
        return AgentSession.read(self.xcoms[SESSION_KEY])

    @property
    def shown(self) -> list[str]:
        """Keys of our XComs, without their prefix."""
        return sorted(key.removeprefix(PREFIX) for key in self.xcoms if key.startswith(PREFIX))

    def decide(self, action: Action, feedback: str = "", *, edited: str | None = None) -> dict[str, Any]:
        """Write a decision as the API does, and return the event that resumes the task."""
        session, now = self.session, datetime.now(timezone.utc)
        decision = Decision(
            action=action,
            feedback=feedback,
            iteration=session.iteration,
            user=ANN,
            at=now,
            output_sha256=sha256_of(session.current_output),
            edited_output_sha256=sha256_of(edited) if edited is not None else None,
        )
        decisions = [*session.decisions, decision.model_copy(update={"feedback": ""})]
        after = session.moved_to(advance(session.state, action), now, decisions=decisions)
        if feedback:
            self.xcoms[feedback_key(session.iteration)] = feedback
        if edited is not None:
            self.xcoms[edited_output_key(session.iteration)] = edited
        self.xcoms[SESSION_KEY] = after.model_dump(mode="json")
        self.xcoms[ACTION_KEY] = decision.model_dump(mode="json")
        output = session.current_output
        return event_for(record_of(decision, output, edited), decision, output, edited)
