"""The final checks of ``make chaos``, on invented end states: each violation is found."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from chaos.end import LONG, Forgotten
from chaos.evidence import Ended, Logged, Said, number_of_id
from chaos.invariants import broken
from chaos.points import API, CALLS, FAILING_WRITES, INJECT, RECEIVER, SUPERVISOR, WORKER, Points
from chaos.reviewers import TO_REFUSE, Told, _answer
from chaos.tool_calls import Call, broken_calls, made_calls
from hitl_webhooks.events import EventType, event_id
from tests.plugin.task.test_operator import run

TRY_1, TRY_2 = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
FIRST = "the first output"
OUTPUT = f"the second output. Before: {FIRST}"
DIGEST = hashlib.sha256(OUTPUT.encode()).hexdigest()
SESSION = {"status": "approved", "iteration": 2, "current_output": OUTPUT}
GOOD = Ended(
    "run",
    0,
    "success",
    2,
    {
        "airflow_hitl_review_agent_session": SESSION,
        "airflow_hitl_review_agent_output_1": FIRST,
        "airflow_hitl_review_agent_output_2": OUTPUT,
        "return_value": OUTPUT,
    },
    {1: TRY_1, 2: TRY_2},
)
LOG = [
    Logged("run", 0, 1, "changes_requested", 1, "a", "ann"),
    Logged("run", 0, 2, "changes_requested", 1, "b", "bob"),
    Logged("run", 0, 2, "approve", 2, DIGEST, "ann"),
]
TOLD = [
    Told("ann", "run", 0, "feedback", 1, "a", "accepted", 200),
    Told("bob", "run", 0, "feedback", 1, "b", "unknown", None),
    Told("ann", "run", 0, "approve", 2, DIGEST, "accepted", 200),
    Told("bob", "run", 0, "reject", 2, DIGEST, "refused", 409),
]
READY, FINALIZED = EventType.OUTPUT_READY, EventType.FINALIZED
FINAL_ID = event_id(TRY_2, FINALIZED, 2)
PENDING = Said("pending_review")
APPROVED = Said("approved", False, DIGEST, DIGEST, "rest", "ann")
RECEIVED = {
    event_id(TRY_1, READY, 1): {PENDING},
    event_id(TRY_2, READY, 1): {PENDING},
    event_id(TRY_2, READY, 2): {PENDING},
    FINAL_ID: {APPROVED},
}

State = tuple[Ended, list[Logged], list[Told], dict[str, set[Said]]]


def session(**changes: object) -> Ended:
    return replace(GOOD, xcoms={**GOOD.xcoms, "airflow_hitl_review_agent_session": {**SESSION, **changes}})


def test_valid_end_state() -> None:
    assert broken([GOOD], LOG, TOLD, RECEIVED) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda e, log, told, got: (replace(e, state="awaiting_input"), log, told, got), "is awaiting_input"),
        (lambda e, log, told, got: (e, [*log, replace(log[2], reviewer="bob")], told, got), "2 final decisions"),
        (lambda e, log, told, got: (e, log[:2], told, got), "accepted, and not in the audit log"),
        (lambda e, log, told, got: (e, log, told[:2], got), "nobody was told"),
        (lambda e, log, told, got: (session(status="pending_review"), log, told, got), "session is pending_review"),
        (lambda e, log, told, got: (session(current_output="x"), log, told, got), "was approved"),
        (
            lambda e, log, told, got: (
                replace(e, xcoms={**e.xcoms, "airflow_hitl_review_progress": {}}),
                log,
                told,
                got,
            ),
            "still has its progress",
        ),
        (lambda e, log, told, got: (replace(e, state="failed"), log, told, got), "failed, and its session"),
        *(
            (
                lambda e, log, told, got, one=one: (e, log, told, {k: v for k, v in got.items() if k != one}),
                "was never received",
            )
            for one in sorted(RECEIVED)
        ),
        (
            lambda e, log, told, got: (
                # Generated from a history that ends with an output that nobody saw.
                replace(e, xcoms={**e.xcoms, "airflow_hitl_review_agent_output_2": f"Unseen. Before: {OUTPUT}"}),
                log,
                told,
                got,
            ),
            "made after 'the first output' was shown",
        ),
        (
            lambda e, log, told, got: (e, log, told, {**got, FINAL_ID: {APPROVED, replace(APPROVED, status="x")}}),
            "status='approved'",
        ),
        (
            lambda e, log, told, got: (e, log, told, {**got, FINAL_ID: {replace(APPROVED, edited=True)}}),
            "its final event says",
        ),
    ],
)
def test_violation_is_found(change: Callable[..., State], said: str) -> None:
    ended, logged, told, received = change(GOOD, LOG, TOLD, RECEIVED)
    assert [one for one in broken([ended], logged, told, received) if said in one]


EDIT = f"{OUTPUT} Edited."
EDIT_DIGEST = hashlib.sha256(EDIT.encode()).hexdigest()
EDITED = replace(GOOD, xcoms={**GOOD.xcoms, "airflow_hitl_review_edited_output_2": EDIT, "return_value": EDIT})
EDITED_LOG = [*LOG[:2], replace(LOG[2], edited_sha256=EDIT_DIGEST)]
EDITED_TOLD = [*TOLD[:2], replace(TOLD[2], edited_output=EDIT), TOLD[3]]
EDITED_RECEIVED = {**RECEIVED, FINAL_ID: {replace(APPROVED, edited=True, output_sha256=EDIT_DIGEST)}}


def test_valid_end_state_with_an_edit() -> None:
    assert broken([EDITED], EDITED_LOG, EDITED_TOLD, EDITED_RECEIVED) == []


def test_edit_that_the_task_refused_is_no_final_decision() -> None:
    text = f"{OUTPUT} {TO_REFUSE}"
    digest = hashlib.sha256(text.encode()).hexdigest()
    log = [*EDITED_LOG, replace(LOG[2], edited_sha256=digest, reviewer="bob")]
    told = [*EDITED_TOLD, replace(TOLD[2], edited_output=text, reviewer="bob")]
    assert broken([EDITED], log, told, EDITED_RECEIVED) == []


@pytest.mark.parametrize(
    ("xcoms", "said"),
    [
        ({"return_value": OUTPUT}, "was approved"),
        ({"airflow_hitl_review_edited_output_2": "another"}, "another one was approved"),
        ({"airflow_hitl_review_edited_output_2": "another", "return_value": "another"}, "another one was approved"),
    ],
)
def test_other_result_than_the_edit_is_found(xcoms: dict[str, str], said: str) -> None:
    ended = replace(EDITED, xcoms={**EDITED.xcoms, **xcoms})
    assert [one for one in broken([ended], EDITED_LOG, EDITED_TOLD, EDITED_RECEIVED) if said in one]


CLOCK_SESSION = {**SESSION, "decisions": [{"channel": "timeout", "user": None}]}
CLOCK = replace(GOOD, task_id="clock", xcoms={**GOOD.xcoms, "airflow_hitl_review_agent_session": CLOCK_SESSION})
CLOCK_LOG = [
    *(replace(one, task_id="clock") for one in LOG[:2]),
    Logged("run", 0, 2, "timeout", 2, DIGEST, "hitl_review", "clock"),
]
CLOCK_TOLD = [replace(one, task_id="clock") for one in (TOLD[0], TOLD[1], TOLD[3])]
CLOCK_RECEIVED = {**RECEIVED, FINAL_ID: {replace(APPROVED, channel="timeout", decided_by=None)}}


def test_valid_end_state_of_a_review_that_the_clock_decided() -> None:
    assert broken([CLOCK], CLOCK_LOG, CLOCK_TOLD, CLOCK_RECEIVED) == []


def test_clock_that_decides_instead_of_somebody_is_found() -> None:
    log = [*CLOCK_LOG, replace(LOG[2], task_id="clock")]
    told = [*CLOCK_TOLD, replace(TOLD[2], task_id="clock")]
    assert [one for one in broken([CLOCK], log, told, CLOCK_RECEIVED) if "was told that they had decided" in one]
    named = {**CLOCK_SESSION, "decisions": [{"channel": "timeout", "user": {"id": "ann", "name": "Ann"}}]}
    ended = replace(CLOCK, xcoms={**CLOCK.xcoms, "airflow_hitl_review_agent_session": named})
    assert [one for one in broken([ended], CLOCK_LOG, CLOCK_TOLD, CLOCK_RECEIVED) if "and by" in one]


REQUEST = json.dumps(
    {id_: {"tool_name": "pay", "approved": True, "reason": "", "args": {"amount": 1}} for id_ in ("a", "b")}
)
ANSWER = json.dumps({**json.loads(REQUEST), "b": {"tool_name": "pay", "approved": False, "reason": "no"}})
EDITED_ANSWER = REQUEST.replace('"amount": 1', '"amount": 2')


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


AGENT = replace(GOOD, task_id="agent")
ASKED = Logged("run", 0, 2, "approve", 1, digest(REQUEST), "ann", "agent")
SEEN = Told("ann", "run", 0, "approve", 1, digest(REQUEST), "accepted", 200, "agent", request=REQUEST)
A, B = (Call(TRY_2, id_, json.dumps({"amount": 1})) for id_ in ("a", "b"))
OF_TRY_1 = replace(A, task_instance_id=TRY_1)
IN_TRY_1 = replace(ASKED, try_number=1)


@pytest.mark.parametrize(
    ("answer", "made"),
    [
        (None, [A, B]),
        (ANSWER, [A]),
        (EDITED_ANSWER, [replace(one, args=json.dumps({"amount": 2})) for one in (A, B)]),
    ],
)
def test_approved_calls_are_valid(answer: str | None, made: list[Call]) -> None:
    asked = ASKED if answer is None else replace(ASKED, edited_sha256=digest(answer))
    assert broken_calls([AGENT], [asked], [replace(SEEN, edited_output=answer)], made) == []


def test_call_of_a_killed_try_is_valid_once_it_was_told() -> None:
    told = [SEEN, replace(SEEN, earlier=(TRY_1,))]
    assert broken_calls([AGENT], [IN_TRY_1, ASKED], told, [OF_TRY_1, A, B]) == []


@pytest.mark.parametrize(
    ("logged", "told", "made", "said"),
    [
        ([], [SEEN], [A], "not approved"),
        ([replace(ASKED, action="changes_requested")], [SEEN], [A], "not approved"),
        ([replace(ASKED, action="reject")], [SEEN], [A], "not approved"),
        ([ASKED], [SEEN], [A, replace(B, args=json.dumps({"amount": 2}))], "not approved"),
        ([ASKED], [SEEN], [A, B, replace(A, task_instance_id=TRY_1)], "not approved"),
        (
            [replace(ASKED, edited_sha256=digest(ANSWER))],
            [replace(SEEN, edited_output=ANSWER)],
            [A, B],
            "not approved",
        ),
        ([ASKED], [SEEN], [A, B, A], "made 2 times"),
        ([ASKED, ASKED], [SEEN], [A, B], "approved 2 times"),
        ([ASKED], [SEEN], [A], "succeeded without"),
        ([IN_TRY_1, ASKED], [SEEN], [OF_TRY_1, A, B], "does not tell of the calls"),
    ],
)
def test_wrong_call_is_found(logged: list[Logged], told: list[Told], made: list[Call], said: str) -> None:
    assert [one for one in broken_calls([AGENT], logged, told, made) if said in one]


def test_approved_request_is_no_final_decision() -> None:
    log = [*LOG, replace(LOG[2], iteration=1, output_sha256=digest(REQUEST))]
    told = [*TOLD, replace(TOLD[2], iteration=1, output_sha256=digest(REQUEST), request=REQUEST)]
    assert broken([GOOD], log, told, RECEIVED) == []


def test_answers_are_of_each_kind_and_say_all_calls() -> None:
    kinds = set()
    for seed in range(30):
        body: dict[str, object] = {}
        text = _answer(REQUEST, body, random.Random(seed))
        said = json.loads(text or REQUEST)
        assert set(said) == {"a", "b"}
        assert body.get("edited_output") in (None, text)
        approved = sorted(call["approved"] for call in said.values())
        kinds.add((text is None, tuple(approved), "calls" in body))
    assert len(kinds) == 5, kinds


def test_calls_are_read_as_the_agent_notes_them(tmp_path: Path) -> None:
    (tmp_path / "calls.jsonl").write_text(
        '{"task_instance_id": "t", "tool_call_id": "a", "args": {"order": "x", "amount": 1}}\n'
    )
    assert made_calls(tmp_path / "calls.jsonl") == [Call("t", "a", '{"amount": 1, "order": "x"}')]
    assert made_calls(tmp_path / "none") == []


def test_try_that_never_started_is_not_another_review() -> None:
    """Airflow increments the try number and keeps the id."""
    assert [number_of_id(number, {2, 5}) for number in (1, 2, 3, 5)] == [2, 2, 5, 5]
    assert number_of_id(7, ()) == 7


def test_process_dies_at_the_armed_point_only_once(tmp_path: Path) -> None:
    points = Points(tmp_path)
    env = {**os.environ, **points.environment}
    code = "import sitecustomize as s; s.reach('api.before.decide'); print('alive')"

    def run() -> tuple[int, str]:
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    assert run() == (0, "alive\n")
    points.arm("api.before.decide")
    assert run() == (-9, "")
    assert run() == (0, "alive\n")
    points.arm("api.before.decide")
    assert points.disarm("api.before.decide")
    assert run() == (0, "alive\n")


def words_of(code: str, env: dict[str, str]) -> list[str]:
    """The words that a Python process prints."""
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_writes_fail_temporarily_in_the_process_that_reached_the_point(tmp_path: Path) -> None:
    points = Points(tmp_path)
    env = {**os.environ, **points.environment}
    code = """
import sitecustomize as s
for point in ("worker.fails.xcom.agent_output", "worker.lost.xcom.agent_output", "worker.fails.xcom.agent_output"):
    try:
        s.fail(point)
        print("done")
    except ConnectionError:
        print("failed")
"""
    run = partial(words_of, code, env)

    assert run() == ["done"] * 3
    points.arm("worker.fails.xcom.agent_output")
    assert run() == ["failed", "done", "failed"]
    assert run() == ["done"] * 3


@pytest.mark.parametrize(
    ("key", "value", "is_one"),
    [
        ("airflow_hitl_review_agent_output_1", "x", False),
        ("airflow_hitl_review_agent_output_2", "x", True),
        ("airflow_hitl_review_message_history_3", [], True),
        ("airflow_hitl_review_agent_session", {"iteration": 1, "status": "pending_review"}, False),
        ("airflow_hitl_review_agent_session", {"iteration": 2, "status": "pending_review"}, True),
        (
            "airflow_hitl_review_agent_session",
            {"iteration": 1, "status": "approved", "decisions": [{"channel": "timeout"}]},
            True,
        ),
        ("airflow_hitl_review_human_action", {"iteration": 1}, True),
        ("airflow_hitl_review_begun_calls", [{}], True),
        ("airflow_hitl_review_webhooks", {}, False),
    ],
)
def test_writes_fail_only_in_a_later_round_or_of_the_clock(
    key: str, value: object, is_one: bool, tmp_path: Path
) -> None:
    """As each process does it: by wrapping the function that writes."""
    points = Points(tmp_path)
    (tmp_path / "task.py").write_text("class Task:\n    def push(self, key, value):\n        print('stored')\n")
    env = {**os.environ, **points.environment}
    env["PYTHONPATH"] += os.pathsep + str(tmp_path)
    kind = key.removeprefix("airflow_hitl_review_").rstrip("_0123456789")
    if isinstance(value, dict) and value.get("decisions"):
        kind = "clock_session"
    code = f"""
import sitecustomize as s
s.around("task", "Task.push", s.pushed)
from task import Task
try:
    Task().push({key!r}, {value!r})
except ConnectionError:
    print("failed")
"""
    run = partial(words_of, code, env)

    for how, told in (("fails", ["failed"]), ("lost", ["stored", "failed"])):
        points.arm(f"worker.{how}.xcom.{kind}")
        assert run() == (told if is_one else ["stored"])
        points.disarm(f"worker.{how}.xcom.{kind}")


def test_each_point_can_be_reached() -> None:
    """A point that is never reached would be a fault that never occurs."""
    text = (INJECT / "sitecustomize.py").read_text()
    for point in (*WORKER, *CALLS, *FAILING_WRITES, *SUPERVISOR, *API, *RECEIVER):
        part, side, what = point.split(".", 2)
        assert side in ("before", "after", "fails", "lost")
        where = {"supervisor": "worker"}.get(part, part)
        assert f"{where}.{what.partition('.')[0]}" in text, point


def test_long_queued_tasks_count_as_forgotten() -> None:
    now = 0.0
    looks = Forgotten(lambda: now)
    assert looks.among(["a", "b"]) == 0
    now = LONG / 2
    assert looks.among(["a", "c"]) == 0
    now = LONG
    assert looks.among(["a", "b", "c"]) == 1  # b was not queued in between
    now = LONG * 2
    assert looks.among(["b", "c"]) == 2
    assert looks.among([]) == 0


def test_xcom_reads_fail_only_during_the_fault(tmp_path: Path) -> None:
    run(f"""
        import os
        from pathlib import Path
        from types import SimpleNamespace
        from chaos.inject.chaos_xcoms import FailingXComs

        folder = Path({str(tmp_path)!r})
        os.environ["HITL_CHAOS_FOLDER"] = str(folder)
        (folder / "fired").mkdir()
        ours = SimpleNamespace(key="airflow_hitl_review_agent_session", value="1")
        others = SimpleNamespace(key="return_value", value="1")

        def failures(row):
            failed = 0
            for _ in range(200):
                try:
                    assert FailingXComs.deserialize_value(row) == "1"
                except OSError:
                    failed += 1
            return failed

        assert failures(ours) == 0
        (folder / "reads_fail").touch()
        assert 100 < failures(ours) < 200
        assert failures(others) == 0
        assert len(list((folder / "fired").iterdir())) == 1
        (folder / "reads_fail").unlink()
        assert failures(ours) == 0
    """)
