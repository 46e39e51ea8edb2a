"""What must hold at the end, by XCom, Airflow's audit log, what reviewers were told, and what the receiver has."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from airflow_hitl_review.core.schema import PROGRESS_KEY, edited_output_key, output_key
from chaos.evidence import Ended, Logged, Review, Said
from chaos.reviewers import TO_REFUSE, Told
from chaos.tool_calls import requests_of
from hitl_webhooks.events import EventType, event_id

ACTIONS = {"feedback": "changes_requested"}
FINAL = {"approve": "approved", "reject": "rejected"}
OWN = ("timeout", "policy")
"""Channels, and audit log entries, of decisions that nobody made."""


def broken(
    ended: Sequence[Ended],
    logged: Sequence[Logged],
    told: Sequence[Told],
    received: Mapping[str, Collection[Said]],
) -> list[str]:
    """What does not hold; empty if all does.

    Args:
        ended: all task instances.
        logged: all decisions in the audit log.
        told: all answers that reviewers got.
        received: the events that the receiver has: id to what they said each time they came.
    """
    # An edit that the task does not take is decided, and then the review is pending again.
    refused = {_digest(one.edited_output) for one in told if one.edited_output and TO_REFUSE in one.edited_output}
    requests = requests_of(told)
    valid = [
        one
        for one in logged
        if (one.edited_sha256 is None or one.edited_sha256 not in refused)
        # What an agent asked was approved, and then the review went on.
        and not (one.action == "approve" and one.output_sha256 in requests)
    ]
    of_last_try: dict[Review, list[Logged]] = {one.review: [] for one in ended}
    last_tries = {one.review: one.try_number for one in ended}
    for entry in valid:
        if last_tries.get(entry.review) == entry.try_number:
            of_last_try[entry.review].append(entry)
    return [
        *(f"{one} is {one.state}" for one in ended if one.state not in ("success", "failed")),
        *(f"{one} still has its progress" for one in ended if PROGRESS_KEY in one.xcoms),
        *_one_final_decision(valid),
        *_told_is_logged(logged, told),
        *(fault for one in ended for fault in _result_agrees(one, of_last_try[one.review])),
        *(fault for one in ended for fault in _nobody_decided(one, of_last_try[one.review])),
        *(fault for one in ended for fault in _nothing_unseen(one, of_last_try[one.review])),
        *(fault for one in ended for fault in _events_received(one, logged, received)),
        *(fault for one in ended for fault in _final_event(one, of_last_try[one.review], received)),
        *(
            f"event {id_} said {' and '.join(sorted(map(str, said)))}"
            for id_, said in received.items()
            if len(said) > 1
        ),
    ]


def _digest(text: object) -> str:
    return hashlib.sha256(str(text).encode()).hexdigest()


def _one_final_decision(logged: Sequence[Logged]) -> list[str]:
    final = Counter((one.review, one.try_number) for one in logged if one.action in FINAL or one.action in OWN)
    return [f"{review}, try {n}: {count} final decisions" for (review, n), count in final.items() if count > 1]


def _told_is_logged(logged: Sequence[Logged], told: Sequence[Told]) -> list[str]:
    """Each decision that somebody was told was taken is in the log; each in the log was told, or not refused."""

    def name(one: Logged | Told) -> tuple[Any, ...]:
        action = ACTIONS.get(one.action, one.action)
        if isinstance(one, Logged):
            edited = one.edited_sha256
        else:
            edited = _digest(one.edited_output) if one.edited_output is not None else None
        review = one.run_id, one.map_index, one.task_id
        return *review, action, one.iteration, one.output_sha256, one.reviewer, edited

    in_log = Counter(name(one) for one in logged if one.action not in OWN)
    accepted = Counter(name(one) for one in told if one.outcome == "accepted")
    possible = accepted + Counter(name(one) for one in told if one.outcome == "unknown")
    return [
        *(f"accepted, and not in the audit log: {which}" for which in (accepted - in_log)),
        *(f"in the audit log, and nobody was told: {which}" for which in (in_log - possible)),
    ]


def _result_agrees(one: Ended, decided: Sequence[Logged]) -> list[str]:
    """The task's result is what its last try's decision says: the output as it was shown, or as it was edited."""
    session = one.session
    final = [entry for entry in decided if entry.action in FINAL]
    status = session.get("status")
    if final and status != FINAL[final[0].action]:
        return [f"{one}: {final[0].action} was accepted, and the session is {status}"]
    if one.state == "success":
        if status != "approved":
            return [f"{one} succeeded, and its session is {status}"]
        if not final and one.last_channel not in OWN:
            return [f"{one} succeeded, and nobody approved it, says the audit log"]
        shown = session["current_output"]
        if final and _digest(shown) != final[0].output_sha256:
            return [f"{one} showed {shown!r} at the end, and another output was approved"]
        is_edited = bool(final) and final[0].edited_sha256 is not None
        approved = one.xcoms.get(edited_output_key(session["iteration"])) if is_edited else shown
        if is_edited and _digest(approved) != final[0].edited_sha256:
            return [f"{one} has the edit {approved!r}, and another one was approved"]
        result = one.xcoms.get("return_value")
        wanted = json.loads(str(approved)) if session.get("output_format") == "json" else approved
        if result != wanted:
            return [f"{one} returned {result!r}, and {approved!r} was approved"]
    elif one.state == "failed" and status not in ("rejected", "max_iterations_exceeded"):
        return [f"{one} failed, and its session is {status}"]
    return []


def _nobody_decided(one: Ended, decided: Sequence[Logged]) -> list[str]:
    """What the clock or ``review_when`` decided names nobody, and nobody was told that they decided."""
    channel = one.last_channel
    own = [entry for entry in decided if entry.action in OWN]
    if channel not in OWN:
        return [f"{one}: the audit log has {entry.action}, and the session does not" for entry in own]
    last = one.session["decisions"][-1]
    found = []
    if last["user"] is not None:
        found.append(f"{one} was decided by {channel}, and by {last['user']}")
    if any(entry.action in FINAL for entry in decided):
        found.append(f"{one} was decided by {channel}, and somebody was told that they had decided")
    if (channel == "timeout") != (one.task_id == "clock") or (channel == "policy") != (one.task_id == "policy"):
        found.append(f"{one} was decided by {channel}")
    found += [
        f"{one}: the audit log has {entry.action} of another output"
        for entry in own
        if (entry.action, entry.output_sha256) != (channel, _digest(one.session["current_output"]))
    ]
    return found


def _nothing_unseen(one: Ended, decided: Sequence[Logged]) -> list[str]:
    """Each output was made with a history that ends with the one before it, as that was shown, or was edited."""
    if one.task_id == "agent":
        return []  # see chaos/tool_calls.py
    is_json = one.session.get("output_format") == "json"

    def value_of(key: str) -> Any:
        text = one.xcoms.get(key)
        return json.loads(text) if is_json and text is not None else text

    found = []
    for n in range(2, one.session.get("iteration", 0) + 1):
        made = value_of(output_key(n))
        text = str(made["text"] if is_json else made).partition("Before: ")[2]
        asked = [e for e in decided if e.action == "changes_requested" and e.iteration == n - 1]
        is_edited = bool(asked) and asked[-1].edited_sha256 is not None
        before = value_of((edited_output_key if is_edited else output_key)(n - 1))
        if (json.loads(text) if is_json and text else text) != before:
            found.append(f"{one}: output {n} is {made!r}, made after {before!r} was shown")
    return found


def _events_received(one: Ended, logged: Sequence[Logged], received: Collection[str]) -> list[str]:
    """All events of the last try, and of earlier ones those of outputs that somebody decided about."""
    wanted: dict[str, str] = {}

    def want(number: int, type_: EventType, iteration: int) -> None:
        wanted[event_id(one.ids[number], type_, iteration)] = f"{type_.value} {iteration} of try {number}"

    for iteration in range(1, one.session.get("iteration", 0) + 1):
        if one.last_channel != "policy":
            want(one.try_number, EventType.OUTPUT_READY, iteration)
    if one.session:
        want(one.try_number, EventType.FINALIZED, one.session["iteration"])
    for entry in logged:
        if entry.review == one.review and entry.try_number in one.ids and entry.action != "policy":
            want(entry.try_number, EventType.OUTPUT_READY, entry.iteration)
    return [f"{one}: {what} was never received" for id_, what in wanted.items() if id_ not in received]


def _final_event(one: Ended, decided: Sequence[Logged], received: Mapping[str, Collection[Said]]) -> list[str]:
    """The final event of the last try says what was decided: by whom or by what, and about which text."""
    if not one.session or one.session["status"] not in FINAL.values():
        return []
    shown = _digest(one.session["current_output"])
    final = [entry for entry in decided if entry.action in FINAL]
    edited = final[0].edited_sha256 if final else None
    by = final[0].reviewer if final else None
    id_ = event_id(one.ids[one.try_number], EventType.FINALIZED, one.session["iteration"])
    wanted = edited is not None, edited or shown, shown, "rest" if final else one.last_channel, by
    return [
        f"{one}: its final event says {said}, and not {wanted}"
        for said in received.get(id_, ())
        if (said.edited, said.output_sha256, said.shown_output_sha256, said.channel, said.decided_by) != wanted
    ]
