"""The model of the protocol in ``review.pml``, checked whole by Spin: every order of steps, and every kill."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import missing

MODEL = Path(__file__).parent / "review.pml"

pytestmark = pytest.mark.timeout(300)


def check(folder: Path, *definitions: str, ltl: str = "") -> tuple[int, int]:
    """Search all states; returns how many errors were found (Spin stops at the first), and how many states.

    Args:
        folder: empty, for what Spin and the compiler make.
        definitions: of the model's preprocessor.
        ltl: name of a property, checked under weak fairness; the assertions alone if empty.
    """
    for program, how in (
        ("spin", "Debian: apt-get install spin"),
        ("gcc", "Debian: apt-get install gcc libc6-dev"),
    ):
        if shutil.which(program) is None:
            missing(program, how)

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("spin", *(f"-D{name}" for name in definitions), "-a", str(MODEL))
    # NFAIR=3: room for the fairness counters of six processes.
    # COLLAPSE: half the memory.
    run("gcc", "-O1", "-DCOLLAPSE", "-o", "pan", "pan.c", *(["-DNFAIR=3"] if ltl else ["-DSAFETY", "-DNOCLAIM"]))
    # -m: the deepest path; it must not be cut off, or the search would not be whole.
    said = run("./pan", "-m1000000", *(["-a", "-f", "-N", ltl] if ltl else []))
    assert "max search depth too small" not in said
    errors = re.search(r"errors: (\d+)", said)
    states = re.search(r"(\d+(?:\.\d+e\+\d+)?) states, stored", said)
    assert errors is not None, said
    assert states is not None, said
    return int(errors[1]), int(float(states[1]))


def test_nothing_bad_happens(tmp_path: Path) -> None:
    errors, states = check(tmp_path)
    assert errors == 0
    assert states > 1_000_000


@pytest.mark.parametrize("ltl", ["decided_ends", "never_stuck"])
def test_what_is_decided_comes_to_an_end(tmp_path: Path, ltl: str) -> None:
    errors, states = check(tmp_path, "DEADLINES=0", ltl=ltl)
    assert errors == 0
    assert states > 500_000


@pytest.mark.parametrize("guard", ["SAME_NUMBER", "NO_LOCK", "NO_TRY_CHECK", "TRY_BY_STATE", "NO_ITERATION"])
def test_each_guard_is_needed(tmp_path: Path, guard: str) -> None:
    assert check(tmp_path, guard)[0] == 1


FAILING = ("FAILS=2", "READS=2", "KILLS=1", "TRIES=1")
"""Writes of a round and reads fail, and a process is killed besides."""


def test_after_failed_writes_and_reads_the_result_is_what_was_shown(tmp_path: Path) -> None:
    errors, states = check(tmp_path, *FAILING)
    assert errors == 0
    assert states > 1_000_000


@pytest.mark.parametrize("ltl", ["decided_ends", "never_stuck"])
def test_what_is_decided_comes_to_an_end_after_failed_writes_and_reads(tmp_path: Path, ltl: str) -> None:
    assert check(tmp_path, "FAILS=1", "READS=2", "KILLS=1", "TRIES=1", "DEADLINES=0", ltl=ltl)[0] == 0


@pytest.mark.parametrize("guard", ["ONE_HISTORY", "NO_LOOK_BACK", "READ_IS_ABSENT"])
def test_each_guard_against_failed_writes_and_reads_is_needed(tmp_path: Path, guard: str) -> None:
    assert check(tmp_path, *FAILING, guard)[0] == 1


FORGED = ("FORGER=2", "KILLS=1", "TRIES=1")
"""Somebody writes decisions by hand."""


def test_nobody_decides_by_hand(tmp_path: Path) -> None:
    errors, states = check(tmp_path, *FORGED)
    assert errors == 0
    assert states > 1_000_000


def test_a_decision_written_by_hand_does_not_hold_a_review_up(tmp_path: Path) -> None:
    assert check(tmp_path, *FORGED, "DEADLINES=0", ltl="never_stuck")[0] == 0


@pytest.mark.parametrize("guard", ["NO_CONFIRMATION", "NO_LAST_ENTRY"])
def test_each_guard_against_that_is_needed(tmp_path: Path, guard: str) -> None:
    assert check(tmp_path, *FORGED, guard)[0] == 1


def test_the_sweep_is_needed(tmp_path: Path) -> None:
    assert check(tmp_path, "NO_SWEEP", "DEADLINES=0", ltl="never_stuck")[0] == 1
