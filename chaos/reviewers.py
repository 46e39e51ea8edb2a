"""Twenty people at once who decide at random, some of them in haste, and what each of them was told."""

from __future__ import annotations

import itertools
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import requests

from airflow_hitl_review.core.tool_calls import CallAnswer, answered
from demo.airflow_instance import AirflowInstance
from hitl_notebook.client.transport import refuses_the_token

REVIEWERS = tuple(f"reviewer_{number:02}" for number in range(20))
USERS = {"admin": "admin", **dict.fromkeys(REVIEWERS, "op")}
ACTIONS = {"approve": 6, "reject": 2, "feedback": 4}
HASTY = REVIEWERS[:5]
"""They take what has changed last, and decide at once: the task is still on its way into the park."""
EARLY = 0.5
"""Seconds after anybody first saw an output; what is decided by then counts as decided early."""
FEEDBACK = ("shorter", "longer", "please fail")
EDITED = 0.4
"""Share of approvals and requests for changes with an edited output."""
TO_REFUSE, UNFIT = "please refuse", "not a number"
"""In an edit that the task refuses; and in one that the API refuses, as it does not fit the output's schema."""


@dataclass(frozen=True)
class Told:
    """One decision that somebody sent, and the answer.

    Attributes:
        outcome: ``accepted`` (200), ``refused`` (409, 404, or the token was refused), or ``unknown`` (no answer, or
            a 5xx).
        output_sha256: of the output that was decided about.
        edited_output: the output as it was edited, if it was; of a request, the answer if some calls are denied or
            have other arguments.
        is_early: whether nobody had seen the output for longer than ``EARLY`` when it was sent.
        request: the output, if it is what an agent asks.
        earlier: ids of the tries that, as the request says, have begun to make calls.
    """

    reviewer: str
    run_id: str
    map_index: int
    action: str
    iteration: int
    output_sha256: str
    outcome: str
    status: int | None
    task_id: str = "review"
    edited_output: str | None = None
    is_early: bool = False
    request: str | None = None
    earlier: tuple[str, ...] = ()


def _share_left_alone(deadline_at: str) -> float:
    """How many leave a review to the clock; not so many in its last second."""
    left = datetime.fromisoformat(deadline_at) - datetime.now(timezone.utc)
    return 0.8 if left < timedelta(seconds=1) else 0.98


def _what(session: dict[str, Any]) -> tuple[str, int, str, str]:
    """Which output it is."""
    return session["run_id"], session["map_index"], session["task_id"], session["output_sha256"]


def _answer(request: str, body: dict[str, Any], chance: random.Random) -> str | None:
    """Put the answer to what an agent asks into ``body``: deny a call, or edit its arguments; None to approve all.

    Returns:
        The answer as the API makes an edit of it.
    """
    calls = json.loads(request)
    one = chance.choice(list(calls))
    kind = chance.choice(["all", "deny", "edit"])
    if kind == "all":
        return None
    args = {**calls[one]["args"], "amount": chance.randrange(1000)}
    answer = {"approved": False, "reason": "too dear"} if kind == "deny" else {"approved": True, "args": args}
    body["calls"] = {id_: answer if id_ == one else {"approved": True} for id_ in calls}
    text = answered(request, {id_: CallAnswer.model_validate(said) for id_, said in body["calls"].items()})
    if chance.random() < 0.5:  # the same in another way
        del body["calls"]
        body["edited_output"] = text
    return text


class Reviewers:
    """They go on until they are told to stop."""

    def __init__(self, airflow: AirflowInstance, seed: int) -> None:
        self._airflow = airflow
        self._seed = seed
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._number = itertools.count()
        self._first_seen: dict[tuple[str, int, str, str], float] = {}
        self.told: list[Told] = []
        self.unexpected: list[str] = []

    @contextmanager
    def at_work(self) -> Iterator[Reviewers]:
        """While the block runs."""
        threads = [
            threading.Thread(target=self._work, args=(name, self._seed + number), name=name, daemon=True)
            for number, name in enumerate(REVIEWERS)
        ]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(90)

    def _work(self, name: str, seed: int) -> None:
        chance = random.Random(seed)
        http = requests.Session()
        while not self._stop.is_set():
            try:
                if "Authorization" not in http.headers:
                    http.headers["Authorization"] = f"Bearer {self._airflow.token(name)}"
                self._one(name, http, chance)
            except (requests.RequestException, ValueError):
                pass  # the server is away, or was killed in its answer
            self._stop.wait(chance.uniform(0.1, 0.5 if name in HASTY else 1.5))

    def _one(self, name: str, http: requests.Session, chance: random.Random) -> None:
        base = f"{self._airflow.url}/hitl-review/sessions"
        is_hasty = name in HASTY
        order, limit = ("-updated_at", 3) if is_hasty else (chance.choice(["created_at", "-created_at"]), 100)
        query = {"status": "pending_review", "limit": str(limit), "order_by": order}
        listed = http.get(base, params=query, timeout=30)
        if refuses_the_token(listed):
            del http.headers["Authorization"]
            return
        if not listed.ok or not (sessions := listed.json()["sessions"]):
            return
        for one in sessions:
            self._first_seen.setdefault(_what(one), time.monotonic())
        session = chance.choice(sessions)
        if session["deadline_at"] and chance.random() < _share_left_alone(session["deadline_at"]):
            return
        if not is_hasty and chance.random() < 0.5:  # some read for a while
            time.sleep(chance.uniform(0, 1))
        action = chance.choices(list(ACTIONS), list(ACTIONS.values()))[0]
        where = {field: session[field] for field in ("dag_id", "run_id", "task_id", "map_index")}
        body: dict[str, Any] = {"iteration": session["iteration"], "output_sha256": session["output_sha256"]}
        if action == "feedback":
            body["feedback"] = chance.choice(FEEDBACK)
        asks = session["request_kind"] is not None
        request, earlier, edited = None, (), None
        if asks or (action != "reject" and chance.random() < EDITED):
            found = http.get(f"{base}/find", params=where, timeout=30)
            if not found.ok or found.json()["output_sha256"] != session["output_sha256"]:
                return
            review = found.json()
            if asks:
                request = review["current_output"]
                earlier = tuple(one["task_instance_id"] for one in review["request"]["earlier"])
                edited = _answer(request, body, chance) if action == "approve" else None
            else:
                edited = body["edited_output"] = self._edited(review, name, chance)
        status, outcome = None, "unknown"
        is_early = time.monotonic() - self._first_seen[_what(session)] <= EARLY
        try:
            answer = http.post(f"{base}/{action}", params=where, json=body, timeout=30)
            status = answer.status_code
            is_unfit = edited is not None and UNFIT in edited
            refused = status in (404, 409) or (is_unfit and status == 422) or refuses_the_token(answer)
            outcome = "accepted" if status == 200 else "refused" if refused else "unknown"
            if not refused and status not in ((500, 503) if is_unfit else (200, 500, 503)):
                self.unexpected.append(f"{status} {answer.text[:300]}")
        except requests.RequestException:
            pass
        told = Told(
            name,
            session["run_id"],
            session["map_index"],
            action,
            session["iteration"],
            session["output_sha256"],
            outcome,
            status,
            session["task_id"],
            edited,
            is_early,
            request,
            earlier,
        )
        with self._lock:
            self.told.append(told)

    def _edited(self, review: dict[str, Any], name: str, chance: random.Random) -> str:
        """The output, edited like no other."""
        refusal = f" {TO_REFUSE}" if chance.random() < 0.15 else ""
        words = f" Edited by {name}, {next(self._number)}{refusal}."
        if review["output_format"] == "text":
            return str(review["current_output"]) + words
        value = json.loads(review["current_output"])
        value["text"] += words
        if chance.random() < 0.1:
            value["number"] = UNFIT
        return json.dumps(value)
