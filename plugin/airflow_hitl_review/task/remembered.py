"""What a task knows of its review without XCom, which others may write: it goes through the park with the task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_hitl_review.core.schema import AgentSession
from airflow_hitl_review.core.texts import sha256_of, sha256_of_values

Parked = dict[str, str | None]
"""As an argument of ``resume_hitl_review``: ``deadline``, an ISO 8601 time, and digests."""


@dataclass(frozen=True)
class Remembered:
    """What one task knows.

    Attributes:
        deadline: when the review ends by itself; None for never.
        output_sha256: hex digest of the output that the task has shown; None if unknown.
        history_sha256: hex digest of the history that led to a request; None for an output.
    """

    deadline: datetime | None
    output_sha256: str | None
    history_sha256: str | None = None

    @classmethod
    def of(cls, session: AgentSession) -> Remembered:
        """What a session says that this process has made."""
        return cls(session.deadline_at, sha256_of(session.current_output))

    @classmethod
    def read(cls, parked: Mapping[str, str | None] | None, session: AgentSession) -> Remembered:
        """What the task was given when it parked; a task of an earlier version was given nothing."""
        if parked is None:
            return cls(session.deadline_at, None)
        at = parked.get("deadline")
        deadline = datetime.fromisoformat(at) if at is not None else None
        return cls(deadline, parked.get("output_sha256"), parked.get("history_sha256"))

    def after(self, before: AgentSession, session: AgentSession, history: Any) -> Remembered:
        """The same once a session is shown.

        Args:
            before: the session before; a request has a deadline of its own, and so has what follows.
            session: the session.
            history: what is stored with it; None if nothing is, as while polling.
        """
        is_kept = session.request is not None and history is not None
        return Remembered(
            self.deadline if before.request is None and session.request is None else session.deadline_at,
            sha256_of(session.current_output),
            sha256_of_values(history) if is_kept else None,
        )

    def parked(self) -> Parked:
        """What the task is given when it parks."""
        at = self.deadline.isoformat() if self.deadline is not None else None
        known = {"deadline": at, "output_sha256": self.output_sha256}
        return known if self.history_sha256 is None else {**known, "history_sha256": self.history_sha256}

    def waited(self, session: AgentSession) -> bool:
        """Whether the output that the task has shown waited until the deadline, and nobody had declined it."""
        if self.deadline is None or session.updated_at is None or session.updated_at > self.deadline:
            return False
        is_declined = any(failure.iteration == session.iteration for failure in session.failures)
        return not is_declined and sha256_of(session.current_output) == self.output_sha256
