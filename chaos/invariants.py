"""What must hold at the end, by XCom, Airflow's audit log, what reviewers were told, and what the receiver has."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, create_engine, text

from airflow_hitl_review.core.schema import SESSION_KEY, output_key
from chaos.reviewers import Told
from hitl_webhooks.events import EventType, event_id

ACTIONS = {"feedback": "changes_requested"}
FINAL = {"approve": "approved", "reject": "rejected"}


@dataclass(frozen=True)
class Logged:
    """A decision in Airflow's audit log."""

    run_id: str
    map_index: int
    try_number: int
    action: str
    iteration: int
    output_sha256: str
    reviewer: str


@dataclass(frozen=True)
class Ended:
    """A task instance at the end.

    Attributes:
        xcoms: key to value.
        ids: Airflow's id of each of its tries, by number.
    """

    run_id: str
    map_index: int
    state: str | None
    try_number: int
    xcoms: dict[str, Any]
    ids: dict[int, str]

    def __str__(self) -> str:
        return f"{self.run_id}[{self.map_index}], try {self.try_number}"


def count_ended(database: str) -> int:
    """How many task instances have ended, without the rest of what ``load`` reads."""
    return len(ids_of_tasks(database, "success", "failed"))


def ids_of_tasks(database: str, *states: str) -> list[str]:
    """Ids of the reviews' task instances that are in one of these states; another try has another id."""
    query = "select id from task_instance where task_id = 'review' and map_index >= 0 and state in :states"
    engine = create_engine(database)
    try:
        with engine.connect() as connection:
            found = connection.scalars(
                text(query).bindparams(bindparam("states", expanding=True)), {"states": states}
            )
            return [str(one) for one in found]
    finally:
        engine.dispose()


def load(database: str) -> tuple[list[Ended], list[Logged]]:
    """Read what the database has."""
    engine = create_engine(database)
    is_sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        tasks = connection.execute(
            text(
                "select run_id, map_index, state, try_number, id from task_instance"
                " where task_id = 'review' and map_index >= 0"
            )
        ).all()
        earlier = connection.execute(
            text(
                "select run_id, map_index, try_number, task_instance_id from task_instance_history"
                # What was resumed soon after its park has other numbers for its parts, and one id.
                " where task_id = 'review' and state <> 'up_for_reschedule'"
            )
        ).all()
        xcoms = connection.execute(
            text("select run_id, map_index, key, value from xcom where task_id = 'review'")
        ).all()
        logs = connection.execute(
            text(
                "select run_id, map_index, try_number, event, extra, owner from log"
                " where event like 'hitl_review.%' and task_id = 'review' order by id"
            )
        ).all()
    engine.dispose()
    values: dict[tuple[str, int], dict[str, Any]] = {}
    for run_id, index, key, value in xcoms:
        # PostgreSQL's driver reads JSON itself.
        values.setdefault((run_id, index), {})[key] = json.loads(value) if is_sqlite else value
    ids: dict[tuple[str, int], dict[int, str]] = {}
    for run_id, index, number, id_ in [*earlier, *((t.run_id, t.map_index, t.try_number, t.id) for t in tasks)]:
        ids.setdefault((run_id, index), {})[number] = str(id_)
    ended = [
        Ended(
            t.run_id,
            t.map_index,
            t.state,
            t.try_number,
            values.get((t.run_id, t.map_index), {}),
            ids[t.run_id, t.map_index],
        )
        for t in tasks
    ]
    logged = []
    for run_id, index, number, event, extra, owner in logs:
        more = json.loads(extra)
        action = event.removeprefix("hitl_review.")
        # A refusal has no output; nobody was told of it, so it is found as what should not be.
        about = more.get("iteration"), more.get("output_sha256")
        number = number_of_id(number, ids.get((run_id, index), ()))
        logged.append(Logged(run_id, index, number, action, *about, owner))
    return ended, logged


def number_of_id(number: int, with_id: Collection[int]) -> int:
    """The number under which Airflow knows the id of a try.

    What failed before it could start is tried again under the same id. Then there is nothing of the earlier number,
    and the next one is of the same review.
    """
    return min((n for n in with_id if n >= number), default=number)


def broken(
    ended: Sequence[Ended],
    logged: Sequence[Logged],
    told: Sequence[Told],
    received: Mapping[str, Collection[str]],
) -> list[str]:
    """What does not hold; empty if all does.

    Args:
        ended: all task instances.
        logged: all decisions in the audit log.
        told: all answers that reviewers got.
        received: the events that the receiver has: id to the statuses with which it came.
    """
    return [
        *_nothing_pending(ended),
        *_one_final_decision(logged),
        *_told_is_logged(logged, told),
        *(fault for one in ended for fault in _result_agrees(one, logged)),
        *(fault for one in ended for fault in _nothing_unseen(one)),
        *(fault for one in ended for fault in _events_received(one, logged, received)),
        *(f"event {id_} said {' and '.join(sorted(said))}" for id_, said in received.items() if len(said) > 1),
    ]


def _nothing_pending(ended: Sequence[Ended]) -> list[str]:
    return [f"{one} is {one.state}" for one in ended if one.state not in ("success", "failed")]


def _one_final_decision(logged: Sequence[Logged]) -> list[str]:
    final = Counter((one.run_id, one.map_index, one.try_number) for one in logged if one.action in FINAL)
    return [
        f"{run_id}[{index}], try {n}: {count} final decisions"
        for (run_id, index, n), count in final.items()
        if count > 1
    ]


def _told_is_logged(logged: Sequence[Logged], told: Sequence[Told]) -> list[str]:
    """Each decision that somebody was told was taken is in the log; each in the log was told, or not refused."""

    def name(one: Logged | Told) -> tuple[Any, ...]:
        action = ACTIONS.get(one.action, one.action)
        return one.run_id, one.map_index, action, one.iteration, one.output_sha256, one.reviewer

    in_log = Counter(map(name, logged))
    accepted = Counter(name(one) for one in told if one.outcome == "accepted")
    possible = accepted + Counter(name(one) for one in told if one.outcome == "unknown")
    return [
        *(f"accepted, and not in the audit log: {which}" for which in (accepted - in_log)),
        *(f"in the audit log, and nobody was told: {which}" for which in (in_log - possible)),
    ]


def _result_agrees(one: Ended, logged: Sequence[Logged]) -> list[str]:
    """The task's result is what its last try's decision says."""
    session = one.xcoms.get(SESSION_KEY) or {}
    decided = [
        entry
        for entry in logged
        if (entry.run_id, entry.map_index, entry.try_number) == (one.run_id, one.map_index, one.try_number)
    ]
    final = [entry for entry in decided if entry.action in FINAL]
    status = session.get("status")
    if final and status != FINAL[final[0].action]:
        return [f"{one}: {final[0].action} was accepted, and the session is {status}"]
    if one.state == "success":
        if status != "approved":
            return [f"{one} succeeded, and its session is {status}"]
        if not final:
            return [f"{one} succeeded, and nobody approved it, says the audit log"]
        output = one.xcoms.get("return_value")
        digest = hashlib.sha256(str(output).encode()).hexdigest()
        if output != session["current_output"] or digest != final[0].output_sha256:
            return [f"{one} returned {output!r}, and {session['current_output']!r} was approved"]
    elif one.state == "failed" and status not in ("rejected", "max_iterations_exceeded"):
        return [f"{one} failed, and its session is {status}"]
    return []


def _nothing_unseen(one: Ended) -> list[str]:
    """Each output was made with a history that ends with the one before it, as that was shown."""
    shown = {
        n: one.xcoms.get(output_key(n))
        for n in range(1, (one.xcoms.get(SESSION_KEY) or {}).get("iteration", 0) + 1)
    }
    return [
        f"{one}: output {n} is {text!r}, made after {shown[n - 1]!r} was shown"
        for n, text in shown.items()
        if n > 1 and str(text).partition("Before: ")[2] != shown[n - 1]
    ]


def _events_received(one: Ended, logged: Sequence[Logged], received: Collection[str]) -> list[str]:
    """All events of the last try, and of earlier ones those of outputs that somebody decided about."""
    session = one.xcoms.get(SESSION_KEY) or {}
    wanted: dict[str, str] = {}

    def want(number: int, type_: EventType, iteration: int) -> None:
        wanted[event_id(one.ids[number], type_, iteration)] = f"{type_.value} {iteration} of try {number}"

    for iteration in range(1, session.get("iteration", 0) + 1):
        want(one.try_number, EventType.OUTPUT_READY, iteration)
    if session:
        want(one.try_number, EventType.FINALIZED, session["iteration"])
    for entry in logged:
        if (entry.run_id, entry.map_index) == (one.run_id, one.map_index) and entry.try_number in one.ids:
            want(entry.try_number, EventType.OUTPUT_READY, entry.iteration)
    return [f"{one}: {what} was never received" for id_, what in wanted.items() if id_ not in received]
