"""What is stored in XCom, as it is read: a value, a session, a decision. No Airflow imports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from airflow_hitl_review.core.schema import AgentSession, Decision
from airflow_hitl_review.core.states import SessionStatus

S = TypeVar("S", bound=AgentSession)


class UnreadableXComError(Exception):
    """An XCom exists, but its backend cannot read it just now; that differs from a missing XCom."""


@dataclass(frozen=True)
class StoredValue:
    """An XCom: its deserialised value, and when it was stored (timezone-aware).

    Attributes:
        unreadable: why the XCom backend could not read the value; None if it could.
    """

    _value: Any
    timestamp: datetime
    unreadable: str | None = None

    @property
    def value(self) -> Any:
        """The value.

        Raises:
            UnreadableXComError: the XCom backend could not read it.
        """
        if self.unreadable is not None:
            raise UnreadableXComError(f"A value in XCom cannot be read at the moment: {self.unreadable}")
        return self._value


def parse_session(stored: StoredValue) -> AgentSession:
    """Read a session; times that its writer (the AI provider) did not set are taken from the XCom row.

    Raises:
        pydantic.ValidationError: the value is not a session.
        UnreadableXComError: it cannot be read just now.
    """
    return with_times(AgentSession.read(stored.value), stored.timestamp)


def with_times(session: S, stored_at: datetime) -> S:
    """Set the times that the writer did not set to the time of the XCom's row."""
    session.created_at = session.created_at or stored_at
    session.updated_at = session.updated_at or stored_at
    return session


def read_session(stored: StoredValue | None) -> AgentSession | None:
    """Like ``parse_session``, but None if nothing is stored or the value is not a session.

    Raises:
        UnreadableXComError: the stored value cannot be read just now.
    """
    try:
        return parse_session(stored) if stored is not None else None
    except ValidationError:
        return None


def is_repeated(written: AgentSession, stored: AgentSession | None) -> bool:
    """Whether a session about to be written is already stored, or was decided since.

    Args:
        written: the session that the worker writes.
        stored: the session in XCom.
    """
    if stored is None:
        return False
    if (written.task_instance_id, written.iteration) != (stored.task_instance_id, stored.iteration):
        return False  # such as the next output; the AI provider's worker writes it without the earlier decisions
    if written.status is SessionStatus.PENDING_REVIEW:
        return stored.updated_at == written.updated_at or len(stored.decisions) > len(written.decisions)
    # The worker decided at the deadline, by its own clock; a person had just done so by the API server's.
    is_own = bool(written.decisions) and written.decisions[-1].is_nobodys
    return is_own and stored.status is not SessionStatus.PENDING_REVIEW


def read_decision(stored: StoredValue | None) -> Decision | None:
    """The last decision; None in the cases of ``read_session``."""
    try:
        return Decision.read(stored.value) if stored is not None else None
    except ValidationError:
        return None
