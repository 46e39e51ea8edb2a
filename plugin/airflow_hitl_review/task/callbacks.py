"""Callbacks of a DAG, as in Airflow: functions that take the context, and notifiers."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from airflow_hitl_review.core.airflow_sdk import FAILURES
from airflow_hitl_review.core.schema import AgentSession, Decision
from hitl_webhooks import EventType

log = logging.getLogger(__name__)

Callback: TypeAlias = "Callable[[Any], object]"
GivenCallbacks: TypeAlias = "Callback | Iterable[Callback] | None"


class Callbacks:
    """The callbacks of one review.

    Each is called with the task's context, in which ``hitl_review`` is a dict with ``event`` (the type of the
    webhook event, such as ``"hitl_review.finalized"``), ``status``, ``iteration``, ``max_iterations``,
    ``prompt``, ``output`` (as the reviewer edited it, if they did: then ``edited`` is True), ``deadline_at``,
    ``feedback``, ``decided_by`` and ``acting_for`` (names, or None), and ``channel`` and ``request_kind`` (as in
    REST, or None).

    An exception in a callback is logged; the review and the remaining callbacks continue.

    Args:
        context: the task's context.
        on_output_ready: a callable that takes the context, such as a ``BaseNotifier``, or several of them.
        on_finalized: likewise.
        notifiers: called with ``on_output_ready``.

    Raises:
        ValueError: one of them is not callable.
    """

    def __init__(
        self,
        context: Mapping[str, Any],
        *,
        on_output_ready: GivenCallbacks = None,
        on_finalized: GivenCallbacks = None,
        notifiers: GivenCallbacks = None,
    ) -> None:
        self._context = context
        self._by_type = {
            EventType.OUTPUT_READY: [
                *_as_list("on_output_ready_callback", on_output_ready),
                *_as_list("notifiers", notifiers),
            ],
            EventType.FINALIZED: _as_list("on_finalized_callback", on_finalized),
        }

    def call(
        self,
        type_: EventType,
        session: AgentSession,
        *,
        status: str | None,
        decision: Decision | None,
        edited_output: str | None,
    ) -> None:
        """Call the callbacks for an event; never raises."""
        facts = {
            "event": type_.value,
            "status": status or session.status.value,
            "iteration": session.iteration,
            "max_iterations": session.max_iterations,
            "prompt": session.prompt,
            "output": session.current_output if edited_output is None else edited_output,
            "edited": edited_output is not None,
            "deadline_at": session.deadline_at,
            "feedback": decision.feedback if decision else None,
            "decided_by": decision.user.name if decision and decision.user else None,
            "acting_for": decision.acting_for.name if decision and decision.acting_for else None,
            "channel": decision.channel if decision else None,
            "request_kind": session.request.kind if session.request else None,
        }
        for callback in self._by_type.get(type_, ()):
            try:
                # A copy, because a notifier renders its templates in place, and is called again in the next round.
                copy.copy(callback)({**self._context, "hitl_review": dict(facts)})
            except FAILURES:
                log.exception("A callback for %s failed; the review goes on.", type_.value)


def _as_list(name: str, given: GivenCallbacks) -> list[Callback]:
    if given is None:
        return []
    callbacks = [given] if callable(given) else list(given)
    for callback in callbacks:
        if not callable(callback):
            raise ValueError(f"{name} takes functions and notifiers, not {callback!r}.")
    return callbacks
