"""What must hold of the agents' calls: each was approved with the arguments that it has, and is made once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_hitl_review.core.texts import sha256_of
from airflow_hitl_review.core.tool_calls import read_answers
from chaos.evidence import Ended, Logged, Review
from chaos.reviewers import Told


@dataclass(frozen=True)
class Call:
    """A call of a tool.

    Attributes:
        task_instance_id: Airflow's id of the try.
        tool_call_id: the model's id of the call, unique within the try.
        args: JSON.
    """

    task_instance_id: str
    tool_call_id: str
    args: str


def made_calls(path: Path) -> list[Call]:
    """The calls that ``inject/chaos_agent.py`` has noted."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    calls = map(json.loads, lines)
    return [Call(one["task_instance_id"], one["tool_call_id"], _text(one["args"])) for one in calls]


def _text(args: Mapping[str, object] | None) -> str:
    return json.dumps(args, sort_keys=True)


def requests_of(told: Sequence[Told]) -> dict[str, Told]:
    """What reviewers were asked by agents, by its digest."""
    return {one.output_sha256: one for one in told if one.request is not None}


def broken_calls(
    ended: Sequence[Ended], logged: Sequence[Logged], told: Sequence[Told], made: Sequence[Call]
) -> list[str]:
    """What does not hold; empty if all does.

    Args:
        ended: all task instances.
        logged: all decisions in the audit log.
        told: what reviewers saw and answered.
        made: all calls that were made.
    """
    ids = {one.review: one.ids for one in ended}
    requests = requests_of(told)
    approvals = [one for one in logged if one.action == "approve" and one.output_sha256 in requests]
    texts = {sha256_of(text): text for one in told for text in (one.request, one.edited_output) if text is not None}
    approved: dict[str, set[Call]] = {}
    for one in approvals:
        id_ = ids[one.review].get(one.try_number, "")
        answer = texts.get(one.edited_sha256 or one.output_sha256)
        for call_id, said in read_answers(answer).items() if answer is not None else ():
            if said.approved:
                approved.setdefault(id_, set()).add(Call(id_, call_id, _text(said.args)))
    made_by: dict[str, set[Call]] = {}
    for call in made:
        made_by.setdefault(call.task_instance_id, set()).add(call)
    twice = Counter((call.task_instance_id, call.tool_call_id) for call in made)
    often = Counter((one.review, one.try_number, one.output_sha256) for one in approvals)
    return [
        *(f"{one} was made, and not approved" for one in made if one not in approved.get(one.task_instance_id, ())),
        *(f"call {call_id} of {id_} was made {n} times" for (id_, call_id), n in twice.items() if n > 1),
        *(f"{which} was approved {n} times" for which, n in often.items() if n > 1),
        *(
            f"{one} succeeded without {call}, which was approved"
            for one in ended
            if one.state == "success"
            for id_ in [one.ids[one.try_number]]
            for call in approved.get(id_, set()) - made_by.get(id_, set())
        ),
        *(fault for one in approvals for fault in _untold(one, ids[one.review], requests, made_by)),
    ]


def _untold(
    approval: Logged, ids: Mapping[int, str], requests: Mapping[str, Told], made_by: Mapping[str, set[Call]]
) -> list[str]:
    """Calls of earlier tries of which the request that was approved does not tell."""
    own = ids.get(approval.try_number)
    earlier = {id_ for number, id_ in ids.items() if number < approval.try_number and id_ != own and id_ in made_by}
    review: Review = approval.review
    return [
        f"{review}, try {approval.try_number}: a request was approved that does not tell of the calls of {id_}"
        for id_ in sorted(earlier - set(requests[approval.output_sha256].earlier))
    ]
