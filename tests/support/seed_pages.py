"""Make reviews for the pages, and do to them what a worker does: ``python -m tests.support.seed_pages``.

Reads lines from stdin, each a JSON list ``[what, ...]``, and answers with lines ``done <value>``:

- ``["make", dag_id, [review, ...]]``: a run with these reviews, one map index each; or one, of a DAG whose task
  is not mapped; the answer is its id. A review is ``{"prompt", "outputs", "feedback", ...}``, see ``make``.
- ``["next", key, output]``: the next output is here.
- ``["refuse", key, error, kind]``: the task cannot go on with the edit with which the review was decided; ``kind``
  is that of ``FailedRegeneration``.
- ``["state", key, state]``: the task instance is in another state.
- ``["tell", key, progress]``: what the task does just now, a ``Progress`` without its time; null for nothing.
- ``["drop", key]``: the session is deleted, as when the task is cleared.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal

from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import TaskInstanceState
from sqlalchemy import update

from airflow_hitl_review.core.schema import (
    PROGRESS_KEY,
    SESSION_KEY,
    AgentSession,
    Decision,
    FailedRegeneration,
    User,
    feedback_key,
    output_key,
)
from airflow_hitl_review.core.states import Action, SessionStatus, Step, advance
from airflow_hitl_review.core.stored import parse_session
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.core.texts import storable
from airflow_hitl_review.server.db.transactions import Session, transaction, utcnow
from airflow_hitl_review.server.db.xcoms import delete_xcom, read_xcoms, write_xcom
from tests.support.api_server import DAG_ID, TASK_ID
from tests.support.seed import make_run

ANN = User(id="ann", name="ann")


def make(dag_id: str, reviews: list[dict[str, Any]]) -> str:
    """Make a run; in a review ``feedback[n]`` led from ``outputs[n]`` to the next, or to ``last_error``.

    The first one's ``run`` is how the run's id begins.
    """
    mapped = dag_id == DAG_ID
    with transaction() as db:
        states = [TaskInstanceState(review.get("task_state", "awaiting_input")) for review in reviews]
        run_id = make_run(db, dag_id, states, mapped=mapped, name=reviews[0].get("run", "seed"))
        for index, review in enumerate(reviews):
            _store(db, TaskKey(dag_id, run_id, TASK_ID, index if mapped else -1), review)
    return run_id


def _store(db: Session, key: TaskKey, review: dict[str, Any]) -> None:
    outputs = [storable(output) for output in review.get("outputs", [])]
    if not outputs:
        return
    now = utcnow()
    feedback = review.get("feedback", [])
    user = User(id="ann", name=review["user"]) if "user" in review else ANN
    session = AgentSession(
        status=SessionStatus(review.get("status", "pending_review")),
        iteration=len(outputs),
        max_iterations=review.get("max_iterations", 5),
        prompt=storable(review.get("prompt", "Write it.")),
        current_output=outputs[-1],
        output_format=review.get("format", "text"),
        display_as=review.get("display_as"),
        created_at=now,
        updated_at=now,
        deadline_at=now + timedelta(seconds=review["deadline_in"]) if "deadline_in" in review else None,
        last_error=review.get("last_error"),
        allow_modifications=review.get("allow_modifications", True),
        modifications_refused=review.get("modifications_refused"),
        output_schema=review.get("output_schema"),
        request=review.get("request"),
        requests=[len(outputs)] if "request" in review else [],
        failures=[
            FailedRegeneration(
                iteration=n, at=now, feedback=feedback[n - 1], error=review["last_error"], user=user, asked_at=now
            )
            for n in range(len(outputs), len(feedback) + 1)
            if "last_error" in review
        ],
        decisions=[
            Decision(action=Action.CHANGES_REQUESTED, iteration=n, user=user, at=now)
            for n in range(1, len(feedback) + 1)
        ],
    )
    for number, output in enumerate(outputs, 1):
        write_xcom(db, key, output_key(number), output)
    for number, said in enumerate(feedback, 1):
        write_xcom(db, key, feedback_key(number), storable(said))
    write_xcom(db, key, SESSION_KEY, session.model_dump(mode="json"))


def next_output(key: TaskKey, output: str) -> None:
    """What the worker does once it has regenerated; a review without a session gets its first output."""
    with transaction() as db:
        stored = read_xcoms(db, key, SESSION_KEY).get(SESSION_KEY)
        if stored is None:
            _store(db, key, {"outputs": [output]})
            return
        session = parse_session(stored)
        now = utcnow()
        more: dict[str, Any] = {"current_output": output}
        if session.request is not None:
            more |= {"request": None, "output_schema": None, "output_format": "text"}
        after = session.moved_to(advance(session.state, Step.REGENERATE), now, **more)
        write_xcom(db, key, output_key(after.iteration), output)
        write_xcom(db, key, SESSION_KEY, after.model_dump(mode="json"))


def refuse_edit(key: TaskKey, error: str, kind: Literal["regeneration", "edit"]) -> None:
    """What the worker does when the output's type does not take the edit, or no output can be made from it."""
    with transaction() as db:
        session = parse_session(read_xcoms(db, key, SESSION_KEY)[SESSION_KEY])
        decision, now = session.decisions[-1], utcnow()
        failure = FailedRegeneration(
            iteration=session.iteration,
            at=now,
            feedback=decision.feedback,
            error=error,
            user=decision.user,
            asked_at=decision.at,
            kind=kind,
            edited_output_sha256=decision.edited_output_sha256,
        )
        failures = [*session.failures, failure]
        step = Step.REFUSE_EDIT if kind == "edit" else Step.FAIL_TO_REGENERATE
        after = session.moved_to(advance(session.state, step), now, last_error=error, failures=failures)
        write_xcom(db, key, SESSION_KEY, after.model_dump(mode="json"))


def set_state(key: TaskKey, state: str) -> None:
    """Put the task instance into a state."""
    with transaction() as db:
        db.execute(
            update(TaskInstance)
            .where(
                TaskInstance.dag_id == key.dag_id,
                TaskInstance.run_id == key.run_id,
                TaskInstance.task_id == key.task_id,
                TaskInstance.map_index == key.map_index,
            )
            .values(state=state)
        )


def drop(key: TaskKey) -> None:
    """Delete the session."""
    with transaction() as db:
        delete_xcom(db, key, SESSION_KEY)


def tell(key: TaskKey, progress: dict[str, Any] | None) -> None:
    """What the worker does while it makes an output, and once it has."""
    with transaction() as db:
        if progress is None:
            delete_xcom(db, key, PROGRESS_KEY)
        else:
            write_xcom(db, key, PROGRESS_KEY, {"at": utcnow().isoformat(), **progress})


def answer(what: str, *arguments: Any) -> str:
    """Do what a line asks for."""
    if what == "make":
        return make(*arguments)
    steps: dict[str, Callable[..., None]] = {
        "next": next_output,
        "refuse": refuse_edit,
        "state": set_state,
        "drop": drop,
        "tell": tell,
    }
    steps[what](TaskKey(*arguments[0]), *arguments[1:])
    return "so"


if __name__ == "__main__":
    for line in sys.stdin:
        print(f"done {answer(*json.loads(line))}", flush=True)  # noqa: T201 - its result
