"""XComs of the running task: read and written with retries, as API servers and object stores fail now and then."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, TypeVar

from airflow.sdk.execution_time.xcom import XCom
from pydantic import TypeAdapter, ValidationError

from airflow_hitl_review.core.schema import (
    ACTION_KEY,
    BEGUN_CALLS_KEY,
    HISTORY_KEY,
    SESSION_KEY,
    AgentSession,
    Decision,
    edited_output_key,
    history_key,
    output_key,
    trace_key,
)
from airflow_hitl_review.core.stored import is_repeated
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.core.tool_calls import BegunCalls
from airflow_hitl_review.core.trace import Trace

log = logging.getLogger(__name__)

T = TypeVar("T")

_BEGUN_CALLS = TypeAdapter(list[BegunCalls])
_MOST_BEGUN = 50

SECOND_TRIES = (0.0, 2.0, 4.0, 8.0)
"""Seconds to wait before each retry, after a failure because no API server was available. Before each of these,
Airflow itself retries for some ten seconds."""


def utcnow() -> datetime:
    """The current time."""
    return datetime.now(timezone.utc)


class XComsAwayError(Exception):
    """XComs could not be written or read, even after retries for some time."""


class TaskXComs:
    """XComs of one task instance. All methods but ``push_once`` and ``delete`` raise ``XComsAwayError``.

    Args:
        ti: the running task instance.
    """

    def __init__(self, ti: Any) -> None:
        self._ti = ti
        self.key = TaskKey(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index)

    def read(self, name: str) -> Any:
        """Read a value; None if there is none."""
        ti = self._ti
        return _retried(lambda: ti.xcom_pull(key=name, task_ids=ti.task_id, map_indexes=ti.map_index))

    def push(self, name: str, value: Any) -> None:
        """Write a value."""
        _retried(lambda: self.push_once(name, value))

    def push_once(self, name: str, value: Any) -> None:
        """Write a value without retries, for callers that have their own."""
        self._ti.xcom_push(key=name, value=value)

    def delete(self, name: str) -> None:
        """Delete a value, if it exists; without retries."""
        key = self.key
        XCom.delete(
            key=name, task_id=key.task_id, dag_id=key.dag_id, run_id=key.run_id, map_index=self._ti.map_index
        )

    def read_session(self) -> AgentSession | None:
        """Read the session; None if there is none.

        Raises:
            pydantic.ValidationError: somebody overwrote it with something else.
        """
        value = self.read(SESSION_KEY)
        return AgentSession.read(value) if value is not None else None

    def read_decision(self) -> Decision | None:
        """Read the last decision; None if there is none, or the value is not one."""
        value = self.read(ACTION_KEY)
        try:
            return Decision.read(value) if value is not None else None
        except ValidationError as error:
            log.warning("The XCom %r is not a decision and is ignored: %s", ACTION_KEY, error)
            return None

    def read_edit(self, decision: Decision) -> str | None:
        """Read the output as the reviewer edited it, if they did."""
        if not decision.is_edited:
            return None
        value = self.read(edited_output_key(decision.iteration))
        return str(value) if value is not None else None

    def read_history(self, iteration: int) -> Any:
        """Read the history up to the n-th output; None if none was stored."""
        history = self.read(history_key(iteration))
        # Version 0.1.0 had one history for all outputs.
        return history if history is not None else self.read(HISTORY_KEY)

    def read_begun_calls(self) -> list[BegunCalls]:
        """Read what this try and earlier ones have begun to call."""
        value = self.read(BEGUN_CALLS_KEY)
        try:
            return _BEGUN_CALLS.validate_python(value if value is not None else [])
        except ValidationError as error:
            log.warning("The XCom %r is not a list of calls and is ignored: %s", BEGUN_CALLS_KEY, error)
            return []

    def add_begun_calls(self, begun: BegunCalls) -> None:
        """Write that calls are being made; the latest are kept."""
        known = [*self.read_begun_calls(), begun][-_MOST_BEGUN:]
        self.push(BEGUN_CALLS_KEY, [one.model_dump(mode="json") for one in known])

    def store_round(self, session: AgentSession, history: Any, trace: Trace | None) -> None:
        """Write an output, its history and trace (None stores none) and the session that shows it."""
        # The session last: whoever sees it can then also read its output and history.
        if history is not None:
            self.push(history_key(session.iteration), history)
        if trace is not None:
            self.push(trace_key(session.iteration), trace.stored())
        self.push(output_key(session.iteration), session.current_output)
        self.store_session(session)

    def store_decision(self, decision: Decision) -> None:
        """Write the last decision; it counts once the session, which comes later, has its status."""
        self.push(ACTION_KEY, decision.model_dump(mode="json"))

    def store_session(self, session: AgentSession) -> None:
        """Write the session, unless a response that was lost shows that it is already there."""
        for pause in (*SECOND_TRIES, None):
            try:
                self.push_once(SESSION_KEY, session.model_dump(mode="json"))
                return
            except Exception as error:
                # Do not simply retry: if only the response was lost, somebody may have decided since.
                if self.has_session(session):
                    return
                if pause is None:
                    raise XComsAwayError(f"{type(error).__name__}: {error}") from error
                log.warning("The session could not be written; trying again in %g s: %r", pause, error)
                time.sleep(pause)

    def has_session(self, session: AgentSession) -> bool:
        """Whether XCom has that session, or the same one with a later decision."""
        stored = self.read_session()
        return is_repeated(session, stored) or (stored is not None and stored.updated_at == session.updated_at)


def _retried(call: Callable[[], T]) -> T:
    for pause in SECOND_TRIES:
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - an XCom backend may raise anything
            log.warning("An XCom could be neither written nor read; trying again in %g s: %r", pause, error)
            time.sleep(pause)
    try:
        return call()
    except Exception as error:
        raise XComsAwayError(f"{type(error).__name__}: {error}") from error
