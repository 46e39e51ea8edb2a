"""What there is at the end: the tasks with their XComs, Airflow's audit log, and what the receiver has."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, create_engine, text

from airflow_hitl_review.core.schema import SESSION_KEY

DAG_ID = "chaos_reviews"
AGENTS_DAG_ID = "chaos_agents"
_REVIEWS = f"dag_id in ('{DAG_ID}', '{AGENTS_DAG_ID}') and map_index >= 0"

Review = tuple[str, int, str]
"""Run, map index and task id."""


@dataclass(frozen=True)
class Logged:
    """A decision in Airflow's audit log; of the clock (``timeout``) and of ``review_when`` (``policy``), too."""

    run_id: str
    map_index: int
    try_number: int
    action: str
    iteration: int
    output_sha256: str
    reviewer: str
    task_id: str = "review"
    edited_sha256: str | None = None

    @property
    def review(self) -> Review:
        """Which one."""
        return self.run_id, self.map_index, self.task_id


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
    task_id: str = "review"

    def __str__(self) -> str:
        return f"{self.run_id}.{self.task_id}[{self.map_index}], try {self.try_number}"

    @property
    def review(self) -> Review:
        """Which one."""
        return self.run_id, self.map_index, self.task_id

    @property
    def session(self) -> dict[str, Any]:
        """The review's session; empty if there is none."""
        return self.xcoms.get(SESSION_KEY) or {}

    @property
    def last_channel(self) -> str | None:
        """Where the last decision was made, as the session says."""
        decisions = self.session.get("decisions")
        return decisions[-1]["channel"] if decisions else None


@dataclass(frozen=True)
class Said:
    """What an event said."""

    status: str
    edited: bool = False
    output_sha256: str = ""
    shown_output_sha256: str = ""
    channel: str | None = None
    decided_by: str | None = None


def count_ended(database: str) -> int:
    """How many task instances have ended, without the rest of what ``load`` reads."""
    return len(ids_of_tasks(database, "success", "failed"))


def ids_of_tasks(database: str, *states: str) -> list[str]:
    """Ids of the reviews' task instances that are in one of these states; another try has another id."""
    query = f"select id from task_instance where {_REVIEWS} and state in :states"
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

        def read(columns: str, table: str, more: str = "") -> Any:
            query = f"select run_id, map_index, task_id, {columns} from {table} where {_REVIEWS} {more}"
            return connection.execute(text(query)).all()

        tasks = read("state, try_number, id", "task_instance")
        # What was resumed soon after its park has other numbers for its parts, and one id.
        earlier = read("try_number, task_instance_id", "task_instance_history", "and state <> 'up_for_reschedule'")
        xcoms = read("key, value", "xcom")
        logs = read("try_number, event, extra, owner", "log", "and event like 'hitl_review.%' order by id")
    engine.dispose()
    values: dict[Review, dict[str, Any]] = {}
    for run_id, index, task_id, key, value in xcoms:
        # PostgreSQL's driver reads JSON itself.
        values.setdefault((run_id, index, task_id), {})[key] = json.loads(value) if is_sqlite else value
    ids: dict[Review, dict[int, str]] = {}
    for run_id, index, task_id, number, id_ in [*earlier, *((*t[:3], t.try_number, t.id) for t in tasks)]:
        ids.setdefault((run_id, index, task_id), {})[number] = str(UUID(str(id_)))  # SQLite has no dashes in it
    ended = [
        Ended(
            t.run_id,
            t.map_index,
            t.state,
            t.try_number,
            values.get((t.run_id, t.map_index, t.task_id), {}),
            ids[t.run_id, t.map_index, t.task_id],
            t.task_id,
        )
        for t in tasks
    ]
    logged = []
    for run_id, index, task_id, number, event, extra, owner in logs:
        more = json.loads(extra)
        action = event.removeprefix("hitl_review.")
        # A refusal has no output; nobody was told of it, so it is found as what should not be.
        about = more.get("iteration"), more.get("output_sha256")
        number = number_of_id(number, ids.get((run_id, index, task_id), ()))
        edited = more.get("edited_output_sha256")
        logged.append(Logged(run_id, index, number, action, *about, owner, task_id, edited))
    return ended, logged


def number_of_id(number: int, with_id: Collection[int]) -> int:
    """The number under which Airflow knows the id of a try.

    What failed before it could start is tried again under the same id. Then there is nothing of the earlier number,
    and the next one is of the same review.
    """
    return min((n for n in with_id if n >= number), default=number)


def received(path: Path) -> dict[str, set[Said]]:
    """Ids of the events that the receiver has kept, and what each said."""
    found: dict[str, set[Said]] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else ():
        try:
            event = json.loads(line)
            data = event["data"]
            said = Said(
                data["status"],
                data["edited"],
                data["output_sha256"],
                data["shown_output_sha256"],
                data["channel"],
                (data["decided_by"] or {}).get("id"),
            )
            found.setdefault(event["id"], set()).add(said)
        except (ValueError, KeyError):
            continue  # torn by a kill; it is sent again
    return found
