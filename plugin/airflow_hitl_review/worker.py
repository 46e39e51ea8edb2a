"""The worker's side of one review: its state in XCom, and each step that the worker takes."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pydantic_core
from airflow.sdk import Connection
from airflow.sdk.execution_time.hitl import upsert_hitl_detail
from airflow.sdk.execution_time.xcom import XCom

from airflow_hitl_review.callbacks import Callbacks
from airflow_hitl_review.endpoints import Webhook, all_targets
from airflow_hitl_review.notifier import Notifier
from airflow_hitl_review.recorded import confirms
from airflow_hitl_review.required_action import OPTIONS, form_of
from airflow_hitl_review.schema import (
    ACTION_KEY,
    HISTORY_KEY,
    SESSION_KEY,
    AgentSession,
    FailedRegeneration,
    HumanAction,
    OutputFormat,
    TaskKey,
    output_key,
    storable,
)
from airflow_hitl_review.sdk import option, site
from airflow_hitl_review.settings import WebhookSettings, is_on
from airflow_hitl_review.states import ReviewState, SessionStatus, Step, advance
from airflow_hitl_review.tracing import add_span_event
from hitl_webhooks import EventType

log = logging.getLogger(__name__)


def utcnow() -> datetime:
    """The current time."""
    return datetime.now(timezone.utc)


def as_text(output: Any) -> tuple[str, OutputFormat]:
    """An output as the reviewer sees it: text as it is, all else as indented JSON.

    Raises:
        TypeError: it is neither text nor anything that pydantic can write as JSON.
    """
    if isinstance(output, str):
        return storable(output), "text"
    try:
        return storable(pydantic_core.to_json(output, indent=2).decode()), "json"
    except (pydantic_core.PydanticSerializationError, UnicodeDecodeError) as error:
        raise TypeError(
            f"An output to review must be text or JSON-like; {type(output).__name__} is neither ({error})."
        ) from error


def as_json_value(output: Any) -> Any:
    """An output made of JSON values only, as it is kept in a history.

    Raises:
        TypeError: as for ``as_text``.
    """
    text, format_ = as_text(output)
    return json.loads(text) if format_ == "json" else text


class WorkerReview:
    """One review, seen from its task. Create with ``start`` or ``load``."""

    def __init__(
        self,
        ti: Any,
        session: AgentSession,
        notifier: Notifier,
        callbacks: Callbacks,
        *,
        reviewers: Sequence[str] = (),
        event: Mapping[str, Any] | None = None,
    ) -> None:
        self._ti = ti
        self._reviewers = reviewers
        self._event = event
        self.is_unconfirmed = False
        self._notifier = notifier
        self._callbacks = callbacks
        self.session = session

    @classmethod
    def start(
        cls,
        ti: Any,
        output: Any,
        *,
        prompt: str,
        max_iterations: int,
        timeout: timedelta | None,
        reviewers: Sequence[str],
        webhooks: Sequence[Webhook],
        callbacks: Callbacks,
    ) -> WorkerReview:
        """Store the first output and a new session, and announce it."""
        text, format_ = as_text(output)
        now = utcnow()
        session = AgentSession(
            max_iterations=max_iterations,
            prompt=storable(prompt),
            current_output=text,
            output_format=format_,
            task_instance_id=str(ti.id),
            reviewers=list(reviewers),
            created_at=now,
            updated_at=now,
            deadline_at=now + timeout if timeout is not None else None,
        )
        review = cls(ti, session, _notifier(ti, webhooks), callbacks, reviewers=reviewers)
        review._notifier.open()
        review._show(session)
        return review

    @classmethod
    def load(
        cls,
        ti: Any,
        webhooks: Sequence[Webhook],
        callbacks: Callbacks,
        *,
        reviewers: Sequence[str] = (),
        event: Mapping[str, Any] | None = None,
    ) -> WorkerReview:
        """Take up the review of a task that was resumed.

        Args:
            ti: the running task instance.
            webhooks: whom to tell.
            callbacks: what to call.
            reviewers: ids of the only people who may decide, if there are any: as the DAG says, not XCom.
            event: what the task was resumed with.

        Raises:
            LookupError: the session is gone from XCom.
        """
        value = _pull(ti, SESSION_KEY)
        if value is None:
            raise LookupError(
                f"The task was resumed, but its review is gone: somebody deleted the XCom {SESSION_KEY!r}. "
                "Clear the task to start over."
            )
        session = AgentSession.model_validate(value)
        return cls(ti, session, _notifier(ti, webhooks), callbacks, reviewers=reviewers, event=event)

    # --- what the reviewer did

    def decision(self) -> HumanAction | None:
        """Read XCom; return the decision that waits to be carried out, None while the review is pending.

        The session tells whether there is one. The action alone proves nothing: after a failed
        regeneration the last action has the current iteration, and is done with.

        Where the review has reviewers, a decision counts once the API server has confirmed it: anybody may have
        written it who may edit XComs. ``is_unconfirmed`` says that one waits for that.
        """
        self.is_unconfirmed = False
        value = _pull(self._ti, SESSION_KEY)
        if value is None:
            return None
        stored = AgentSession.model_validate(value)
        if stored.status is SessionStatus.PENDING_REVIEW:
            return None
        value = _pull(self._ti, ACTION_KEY)
        action = HumanAction.model_validate(value) if value is not None else None
        if action is None and not self._reviewers:
            return None  # a session without its action: the other half may still come
        # The provider's API rewrites the session with the fields it knows; keep our own.
        ours = self.session.model_dump(exclude_unset=True)
        self.session = AgentSession.model_validate({**ours, **stored.model_dump(exclude_unset=True)})
        event, self._event = self._event, None  # it confirms one decision
        if not self._reviewers:
            return action
        if action is not None and confirms(event, action, self.session.current_output, self._reviewers):
            return action
        if action is not None and event is not None and "decided" in event:
            self._refuse()  # XCom has changed since, or it was decided by an API that knows no reviewers
        else:
            self.is_unconfirmed = True
        return None

    def _refuse(self) -> None:
        """Have the review pending again: what XCom says was not decided by one of the reviewers."""
        log.error(
            "XCom says %s, but that was not decided by one of the reviewers %s. The review is pending again.",
            self.session.status.value,
            list(self._reviewers),
        )
        again = {"status": SessionStatus.PENDING_REVIEW, "reviewers": list(self._reviewers)}
        self._store(self.session.model_copy(update=again))

    # --- what the worker does

    def next_output(self, text: str, format_: OutputFormat) -> None:
        """Show the next output, given as by ``as_text``."""
        state = advance(self.session.state, Step.REGENERATE)
        self._show(self._moved(state, current_output=text, output_format=format_, last_error=None))

    def regeneration_failed(self, action: HumanAction, error: str) -> None:
        """Go back to the output there is, and say why."""
        at = utcnow()
        failure = FailedRegeneration(
            iteration=self.session.iteration,
            at=at,
            feedback=action.feedback,
            error=storable(error),
            user=action.user,
            asked_at=action.at,
        )
        state = advance(self.session.state, Step.FAIL_TO_REGENERATE)
        failures = [*self.session.failures, failure]
        self._store(self._moved(state, last_error=failure.error, failures=failures))

    def end(self, step: Step | None, action: HumanAction | None = None, *, status: str | None = None) -> None:
        """End the review: by a step of the worker, or as the reviewer decided; announce it.

        Args:
            step: how the worker ends it; None where the session is final already, or stays as it is.
            action: the reviewer's decision, if one led here.
            status: the event's status where it is none of the session's.
        """
        if step is not None:
            self._store(self._moved(advance(self.session.state, step)))
        self._tell(EventType.FINALIZED, utcnow(), action, status=status)
        if self._notifier.finish():  # else the API server tells it, once the task has ended
            self._notifier.close()

    def changes_requested(self, action: HumanAction) -> None:
        """Announce that the reviewer asked for changes, which are being made."""
        self._tell(EventType.CHANGES_REQUESTED, action.at or utcnow(), action)

    def finish_announcing(self) -> None:
        """Wait until the endpoints have answered, or the bound for that is over."""
        self._notifier.finish()

    def go_on_announcing(self) -> None:
        """Once more for what could not be announced because no API server answered."""
        self._notifier.keep()

    def require_action(self) -> None:
        """Show the review as pending in Airflow's Required Actions; never raises: it waits without that, too."""
        try:
            if not is_on("required_actions", option):
                return
            form = form_of(_key(self._ti), self.session, site())
            upsert_hitl_detail(
                ti_id=self._ti.id,
                options=list(OPTIONS),
                subject=form.subject,
                body=form.body,
                params=form.params,
                assigned_users=[{"id": one, "name": one} for one in self._reviewers] or None,
            )
        except Exception:
            log.exception("The review cannot be shown in Airflow's Required Actions; it waits without that.")

    def time_left(self) -> timedelta | None:
        """Time until the deadline, negative after it; None without one."""
        return self.session.deadline_at - utcnow() if self.session.deadline_at else None

    # --- what regenerating needs

    def store_history(self, history: Any) -> None:
        """Keep the conversation state for the time of the pause.

        Raises:
            TypeError: it cannot be stored in XCom.
        """
        try:
            # Airflow would also store objects, and then refuse to read back a class that it does not know.
            json.dumps(history, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise TypeError(
                f"The message history ({type(history).__name__}) cannot be stored in XCom while the task is "
                f"parked: {error}. Return one made of JSON values, or set hitl_wait='poll'."
            ) from error
        self._ti.xcom_push(key=HISTORY_KEY, value=history)

    def load_history(self) -> Any:
        """What ``store_history`` kept; None if nothing was."""
        return _pull(self._ti, HISTORY_KEY)

    # ---

    def _show(self, session: AgentSession) -> None:
        # The output first: whoever can see the session can read its output.
        self._ti.xcom_push(key=output_key(session.iteration), value=session.current_output)
        self._store(session)
        self._tell(EventType.OUTPUT_READY, session.updated_at or utcnow())

    def _tell(
        self, type_: EventType, at: datetime, action: HumanAction | None = None, *, status: str | None = None
    ) -> None:
        add_span_event(type_, self.session, status)
        self._notifier.tell(
            type_,
            self.session,
            at=at,
            status=status,
            feedback=action.feedback or None if action else None,
            decided_by=action.user if action else None,
            decided_at=action.at if action else None,
        )
        self._callbacks.call(type_, self.session, status=status, action=action)

    def _store(self, session: AgentSession) -> None:
        self._ti.xcom_push(key=SESSION_KEY, value=session.model_dump(mode="json"))
        self.session = session

    def _moved(self, state: ReviewState, **changes: Any) -> AgentSession:
        return self.session.moved_to(state, utcnow(), **changes)


def _pull(ti: Any, key: str) -> Any:
    return ti.xcom_pull(key=key, task_ids=ti.task_id, map_indexes=ti.map_index)


def _key(ti: Any) -> TaskKey:
    return TaskKey(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index)


def _notifier(ti: Any, webhooks: Sequence[Webhook]) -> Notifier:
    def push(key: str, value: Any) -> None:
        ti.xcom_push(key=key, value=value)

    def delete(key: str) -> None:
        XCom.delete(key=key, task_id=ti.task_id, dag_id=ti.dag_id, run_id=ti.run_id, map_index=ti.map_index)

    settings = WebhookSettings.read(option)
    return Notifier(
        key=_key(ti),
        task_instance_id=str(ti.id),
        try_number=ti.try_number,
        targets=all_targets(webhooks, settings),
        settings=settings,
        site=site(),
        push=push,
        delete=delete,
        connection=Connection.get,
    )
