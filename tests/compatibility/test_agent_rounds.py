"""Reviews of agents whose XComs or outputs fail, with the AI provider installed."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.compatibility.conftest import need_python
from tests.compatibility.environments import ROOT, VERSIONS, Version, environment

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]


WITH_AGENTS = [version for version in VERSIONS if version.airflow == "3.3.2"]


def passed(version: Version, module: str, tmp_path: Path) -> list[str]:
    """Run the stories of a module with that Airflow; returns what it says of those that passed."""
    need_python(version)
    done = subprocess.run(
        [str(environment(version) / "python"), "-m", f"tests.compatibility.{module}"],
        env=os.environ
        | {
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__HITL_REVIEW__REQUIRED_ACTIONS": "False",
            "PYTHONPATH": str(ROOT),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return re.findall(r"^passed (.*)$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("version", WITH_AGENTS, ids=lambda version: version.name)
def test_what_is_approved_is_what_was_shown(version: Version, tmp_path: Path) -> None:
    assert len(passed(version, "agent_rounds", tmp_path)) == 14


@pytest.mark.parametrize("version", WITH_AGENTS, ids=lambda version: version.name)
def test_exactly_what_was_approved_is_called(version: Version, tmp_path: Path) -> None:
    assert len(passed(version, "tool_calls", tmp_path)) == 27


@pytest.mark.parametrize("version", WITH_AGENTS, ids=lambda version: version.name)
def test_reviewers_see_what_agents_and_chains_did(version: Version, tmp_path: Path) -> None:
    assert len(passed(version, "traces", tmp_path)) == 4


@pytest.mark.parametrize("version", WITH_AGENTS, ids=lambda version: version.name)
def test_the_docs_say_what_calls_go_together_with(version: Version, tmp_path: Path) -> None:
    rows = passed(version, "combinations", tmp_path)
    told = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
    table = told.partition("<!-- combinations: begin -->\n")[2].partition("\n<!-- combinations: end -->")[0]
    assert table.splitlines()[2:] == rows
