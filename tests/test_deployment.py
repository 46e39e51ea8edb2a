"""A distributed Airflow deployment: Celery, Redis, two API servers behind a proxy."""

from __future__ import annotations

import subprocess
import sys

import pytest

from demo.stack import ROOT
from tests.conftest import missing


@pytest.mark.live
@pytest.mark.postgres
@pytest.mark.timeout(600)
def test_reviews_on_a_cluster() -> None:
    """Nothing is lost when an API server and a worker are stopped meanwhile."""
    pytest.importorskip("airflow.providers.celery", reason="Celery's provider needs Python 3.11")
    from deployment.cluster import missing_programs

    if absent := missing_programs():
        missing(", ".join(absent), f"Debian: apt-get install {' '.join(absent)}")
    done = subprocess.run(
        [sys.executable, "-m", "deployment.cluster", "--check"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    last = done.stdout.splitlines()[-1:]
    assert (done.returncode, last) == (0, ["cluster: 6 passed, 0 failed"]), done.stdout + done.stderr
