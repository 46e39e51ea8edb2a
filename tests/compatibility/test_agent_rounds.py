"""Reviews of agents whose XComs or outputs fail, with the AI provider installed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.compatibility.conftest import need_python
from tests.compatibility.environments import ROOT, VERSIONS, Version, environment

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]


@pytest.mark.parametrize("version", [v for v in VERSIONS if v.airflow == "3.3.2"], ids=lambda version: version.name)
def test_what_is_approved_is_what_was_shown(version: Version, tmp_path: Path) -> None:
    need_python(version)
    done = subprocess.run(
        [str(environment(version) / "python"), "-m", "tests.compatibility.agent_rounds"],
        env=os.environ
        | {
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__HITL_REVIEW__REQUIRED_ACTIONS": "False",
            "PYTHONPATH": str(ROOT),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.count("passed ") == 14
