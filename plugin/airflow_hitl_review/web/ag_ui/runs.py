"""The events of one AG-UI run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any

from ag_ui.core import (
    PROTOCOL_VERSION,
    ActivitySnapshotEvent,
    BaseEvent,
    MessagesSnapshotEvent,
    RunErrorEvent,
    RunFinishedCancelledOutcome,
    RunFinishedEvent,
    RunFinishedInterruptOutcome,
    RunFinishedOutcome,
    RunFinishedSuccessOutcome,
    RunStartedEvent,
    StateSnapshotEvent,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
    ToolCallArgsEvent,
    ToolCallEndEvent,
    ToolCallStartEvent,
)

from airflow_hitl_review.core.review import ReviewResponse
from airflow_hitl_review.web.ag_ui.messages import (
    interrupts_of,
    messages_of,
    output_id,
    result_of,
    shown_calls,
    state_of,
)
from airflow_hitl_review.web.ag_ui.resume import InputError
from airflow_hitl_review.web.live.progress import ProgressUpdate
from airflow_hitl_review.web.live.watchers import ReviewUpdate

_ALL_ACTIVITIES = {"@ag-ui/client": {"authoritativeActivityTypes": None}}
"""Else the client keeps activities that a snapshot has not: the progress of outputs that are there since."""


class Run:
    """One run: a look, or what follows an answer.

    Args:
        thread_id: the client's id of the review.
        run_id: the client's id of the run.
    """

    def __init__(self, thread_id: str, run_id: str) -> None:
        self._thread_id, self._run_id = thread_id, run_id
        self._seen = ""  # id of the message with the output that the client has

    async def events(
        self, updates: AsyncIterator[ReviewUpdate | ProgressUpdate], error: InputError | None = None
    ) -> AsyncGenerator[BaseEvent, None]:
        """Yield the run's events, until the review waits for somebody, or has ended.

        If it does neither once the updates end, the run is cancelled: the next run goes on.

        Args:
            updates: what ``follow`` yields.
            error: why the input was not taken, if it was not.
        """
        yield RunStartedEvent(thread_id=self._thread_id, run_id=self._run_id, protocol_version=PROTOCOL_VERSION)
        async for update in updates:
            if isinstance(update, ProgressUpdate):
                if update.progress is not None:
                    yield _activity(update)
                continue
            review = update.review
            if review is not None:
                for event in self._shown(review):
                    yield event
            end = _error(error) if error is not None else self._end(update)
            if end is not None:
                yield end
                return
        yield _error(error) if error is not None else self._finished(RunFinishedCancelledOutcome())

    def _shown(self, review: ReviewResponse) -> Iterator[BaseEvent]:
        """The review as it is; an output that has just arrived comes as a message of its own before."""
        id_ = output_id(review)
        if self._seen and id_ != self._seen:
            yield from _arriving(review, id_)
        self._seen = id_
        yield StateSnapshotEvent(snapshot=state_of(review))
        yield MessagesSnapshotEvent(messages=messages_of(review), metadata=_ALL_ACTIVITIES)

    def _end(self, update: ReviewUpdate) -> BaseEvent | None:
        """The event that ends the run; None if the task makes an output."""
        if update.is_being_made:
            return None
        review = update.review
        if review is None:
            return RunErrorEvent(code="no_review", message="This task has no review, and makes no output.")
        if interrupts := interrupts_of(review):
            return self._finished(RunFinishedInterruptOutcome(interrupts=interrupts))
        if not review.status.is_final:
            state = review.task_state or "none"
            return RunErrorEvent(code="task_ended", message=f"The task no longer waits: its state is {state}.")
        return self._finished(RunFinishedSuccessOutcome(), result_of(review))

    def _finished(self, outcome: RunFinishedOutcome, result: Any = None) -> BaseEvent:
        return RunFinishedEvent(thread_id=self._thread_id, run_id=self._run_id, outcome=outcome, result=result)


def _arriving(review: ReviewResponse, id_: str) -> Iterator[BaseEvent]:
    if review.request is None:
        yield TextMessageStartEvent(message_id=id_, role="assistant")
        if review.current_output:
            yield TextMessageContentEvent(message_id=id_, delta=review.current_output)
        yield TextMessageEndEvent(message_id=id_)
        return
    for call in shown_calls(review):
        yield ToolCallStartEvent(tool_call_id=call.id, tool_call_name=call.function.name, parent_message_id=id_)
        yield ToolCallArgsEvent(tool_call_id=call.id, delta=call.function.arguments)
        yield ToolCallEndEvent(tool_call_id=call.id)


def _activity(update: ProgressUpdate) -> BaseEvent:
    assert update.progress is not None
    progress = update.progress
    return ActivitySnapshotEvent(
        message_id=f"progress-{progress.iteration}",
        activity_type="hitl_review.progress",
        content=progress.model_dump(mode="json", exclude_none=True),
    )


def _error(error: InputError) -> BaseEvent:
    return RunErrorEvent(code=error.code, message=str(error))
