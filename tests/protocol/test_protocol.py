"""The protocol models, exhaustively checked by Spin: every order of steps and every kill."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import missing

MODEL = Path(__file__).parent / "review.pml"
CALLS = Path(__file__).parent / "calls.pml"

pytestmark = pytest.mark.timeout(300)


def check(
    folder: Path, *definitions: str, ltl: str = "", model: Path = MODEL, is_short: bool = False
) -> tuple[int, int]:
    """Search all states; returns the number of errors (Spin stops at the first) and of states.

    Args:
        folder: empty folder for the files of Spin and the compiler.
        definitions: preprocessor definitions for the model.
        ltl: name of a property, checked under weak fairness; only the assertions if empty.
        model: the file.
        is_short: whether the search is expected to end at once; then compiling would take longer.
    """
    for program, how in (
        ("spin", "Debian: apt-get install spin"),
        ("gcc", "Debian: apt-get install gcc libc6-dev"),
    ):
        if shutil.which(program) is None:
            missing(program, how)

    # Large pages of memory: a search takes a third less time, as it looks at states all over it.
    env = os.environ | {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("spin", *(f"-D{name}" for name in definitions), "-a", str(model))
    # NFAIR=3: room for the fairness counters of six processes.
    # MEMLIM: in MB; the largest takes 2.6 GB.
    options = ["-DNFAIR=3"] if ltl else ["-DSAFETY", "-DNOCLAIM"]
    # Not -O3: a search is hardly shorter, and compiling takes three times as long.
    run("gcc", "-O0" if is_short else "-O1", "-DMEMLIM=4000", "-o", "pan", "pan.c", *options)
    # -m: maximum depth; paths must not be cut off, or the search would be incomplete.
    # -w: the table of states begins with two to the power of this many places.
    said = run("./pan", "-m1000000", "-w24" if is_short else "-w26", *(["-a", "-f", "-N", ltl] if ltl else []))
    assert "max search depth too small" not in said
    errors = re.search(r"errors: (\d+)", said)
    states = re.search(r"(\d+(?:\.\d+e\+\d+)?) states, stored", said)
    assert errors is not None, said
    assert states is not None, said
    return int(errors[1]), int(float(states[1]))


def fails(folder: Path, *definitions: str, ltl: str = "", model: Path = MODEL) -> bool:
    """Whether the model breaks a property."""
    return check(folder, *definitions, ltl=ltl, model=model, is_short=True)[0] == 1


def test_safety(tmp_path: Path) -> None:
    errors, states = check(tmp_path)
    assert errors == 0
    assert states > 1_000_000


@pytest.mark.parametrize("ltl", ["decided_ends", "never_stuck"])
def test_liveness(tmp_path: Path, ltl: str) -> None:
    errors, states = check(tmp_path, "DEADLINES=0", ltl=ltl)
    assert errors == 0
    assert states > 500_000


@pytest.mark.parametrize("guard", ["SAME_NUMBER", "NO_LOCK", "NO_TRY_CHECK", "TRY_BY_STATE", "NO_ITERATION"])
def test_each_guard_is_needed(tmp_path: Path, guard: str) -> None:
    assert fails(tmp_path, guard)


FAILING = ("FAILS=2", "READS=2", "KILLS=1", "TRIES=1")
"""Writes of a round and reads fail, and a process is killed as well."""


def test_safety_with_failed_writes_and_reads(tmp_path: Path) -> None:
    errors, states = check(tmp_path, *FAILING)
    assert errors == 0
    assert states > 1_000_000


@pytest.mark.parametrize("ltl", ["decided_ends", "never_stuck"])
def test_liveness_with_failed_writes_and_reads(tmp_path: Path, ltl: str) -> None:
    assert check(tmp_path, "FAILS=1", "READS=2", "KILLS=1", "TRIES=1", "DEADLINES=0", ltl=ltl)[0] == 0


@pytest.mark.parametrize("guard", ["ONE_HISTORY", "NO_LOOK_BACK", "READ_IS_ABSENT"])
def test_each_guard_against_failed_writes_and_reads_is_needed(tmp_path: Path, guard: str) -> None:
    assert fails(tmp_path, *FAILING, guard)


FORGED = ("FORGER=2", "KILLS=1", "TRIES=1")
"""Somebody forges decisions."""


def test_safety_with_forged_decisions(tmp_path: Path) -> None:
    errors, states = check(tmp_path, *FORGED)
    assert errors == 0
    assert states > 1_000_000


def test_liveness_with_forged_decisions(tmp_path: Path) -> None:
    assert check(tmp_path, *FORGED, "DEADLINES=0", ltl="never_stuck")[0] == 0


@pytest.mark.parametrize("guard", ["NO_CONFIRMATION", "NO_LAST_ENTRY"])
def test_each_guard_against_forged_decisions_is_needed(tmp_path: Path, guard: str) -> None:
    assert fails(tmp_path, *FORGED, guard)


def test_the_sweep_is_needed(tmp_path: Path) -> None:
    assert fails(tmp_path, "NO_SWEEP", "DEADLINES=0", ltl="never_stuck")


SMALL = ("KILLS=0", "TRIES=1", "MAX_ITERATIONS=1")


@pytest.mark.parametrize(
    "size", [("FAILS=1", "KILLS=1", "TRIES=1", "MAX_ITERATIONS=1"), ("FAILS=0", "KILLS=0", "TRIES=1")], ids=str
)
def test_safety_with_edits(tmp_path: Path, size: tuple[str, ...]) -> None:
    """Also: the result is the edited text where the decision has one, and the next output is made from it."""
    errors, states = check(tmp_path, "EDITS", "DEADLINES=0", *size)
    assert errors == 0
    assert states > 1_000_000


@pytest.mark.parametrize("ltl", ["decided_ends", "never_stuck"])
def test_liveness_with_edits(tmp_path: Path, ltl: str) -> None:
    assert check(tmp_path, "EDITS", "FAILS=1", "DEADLINES=0", *SMALL, ltl=ltl)[0] == 0


FORGED_EDITS = ("EDITS", "FORGER=1", "DEADLINES=0", *SMALL)
"""Somebody forges a decision, the text of its edit, the text's digest in the decision, or both."""


def test_safety_with_forged_edits(tmp_path: Path) -> None:
    errors, states = check(tmp_path, *FORGED_EDITS)
    assert errors == 0
    assert states > 1_000_000


def test_digest_of_the_edit_is_needed_in_records(tmp_path: Path) -> None:
    assert fails(tmp_path, *FORGED_EDITS, "NO_EDIT_DIGEST")


CLOCKED = ("CLOCK", "FAILS=1", "KILLS=1", "TRIES=1")
"""The worker decides when the deadline is over; its writes fail, or it is killed."""


def test_safety_of_decisions_by_the_clock(tmp_path: Path) -> None:
    """Never instead of a decision that a reviewer was told was taken; and nobody is taken for a forger."""
    errors, states = check(tmp_path, *CLOCKED)
    assert errors == 0
    assert states > 1_000_000


CLOCK_ENDS = ("CLOCK", "PROMPT", "FAILS=1", "KILLS=0", "TRIES=1")


def test_review_that_the_clock_decides_ends(tmp_path: Path) -> None:
    assert check(tmp_path, *CLOCK_ENDS, ltl="clock_ends")[0] == 0


@pytest.mark.parametrize("guard", ["LATE_CLOCK", "BLAMES_CLOCK"])
def test_each_guard_of_decisions_by_the_clock_is_needed(tmp_path: Path, guard: str) -> None:
    assert fails(tmp_path, *CLOCKED, guard)


def test_task_must_know_what_its_clock_decided(tmp_path: Path) -> None:
    assert fails(tmp_path, *CLOCK_ENDS, "FORGETS_CLOCK", ltl="clock_ends")


def test_decision_by_the_clock_has_no_earlier_edit(tmp_path: Path) -> None:
    assert check(tmp_path, "EDITS", "CLOCK", *SMALL)[0] == 0
    assert fails(tmp_path, "EDITS", "CLOCK", *SMALL, "OLD_EDIT")


APPROVED_UNSEEN = ("POLICY", "KILLS=1", "TRIES=2", "MAX_ITERATIONS=1")
"""The worker approves an output that needs no review, and is killed at any moment."""


def test_safety_of_outputs_that_need_no_review(tmp_path: Path) -> None:
    """No reviewer decides about one, and an earlier try's approval is nothing to the next."""
    errors, states = check(tmp_path, *APPROVED_UNSEEN)
    assert errors == 0
    assert states > 100_000


def test_liveness_of_outputs_that_need_no_review(tmp_path: Path) -> None:
    assert check(tmp_path, *APPROVED_UNSEEN, "DEADLINES=0", ltl="never_stuck")[0] == 0


def test_what_needs_no_review_must_not_wait_for_a_confirmation(tmp_path: Path) -> None:
    assert fails(tmp_path, *APPROVED_UNSEEN, "PARKS_APPROVED")


TAMPERED = ("TAMPER=2", "KILLS=1", "TRIES=1")
"""Somebody changes a request, changes it back, or writes an approval."""


@pytest.mark.parametrize("size", [(), TAMPERED], ids=["killed", "tampered with"])
def test_only_approved_calls_are_made_and_once(tmp_path: Path, size: tuple[str, ...]) -> None:
    """Or whoever approves one again is told that an earlier try had begun it."""
    errors, states = check(tmp_path, *size, model=CALLS)
    assert errors == 0
    assert states > 10_000


def test_agent_asks_no_more_often_than_it_may(tmp_path: Path) -> None:
    few = ("REQUESTS=2", "MOST=1")
    assert check(tmp_path, *few, model=CALLS)[0] == 0
    assert fails(tmp_path, *few, "NO_LIMIT", model=CALLS)


ONE_OF_EACH = ("FAILS=1", "KILLS=1")


@pytest.mark.parametrize("ltl", ["answers_count", "rejected_ends"])
def test_answers_to_requests_are_not_left_waiting(tmp_path: Path, ltl: str) -> None:
    assert check(tmp_path, *ONE_OF_EACH, ltl=ltl, model=CALLS)[0] == 0


def test_the_sweep_is_needed_for_answers_to_requests(tmp_path: Path) -> None:
    assert fails(tmp_path, *ONE_OF_EACH, "NO_SWEEP", ltl="answers_count", model=CALLS)


@pytest.mark.parametrize(
    ("guard", "size"),
    [
        ("NO_BEGUN", ()),
        ("BEGUN_AFTER", ()),
        ("NO_EARLIER", ()),
        ("NO_REQUEST", ()),
        ("NO_CONFIRMATION", TAMPERED),
        ("NO_DIGEST", TAMPERED),
    ],
)
def test_each_guard_of_requests_is_needed(tmp_path: Path, guard: str, size: tuple[str, ...]) -> None:
    assert fails(tmp_path, *size, guard, model=CALLS)
