"""Runs Schemathesis as a program against a running server."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from demo.airflow_instance import BIN
from demo.processes import PATIENCE
from tests.support.api_server import URL_SECRET, ReviewServer
from tests.support.hook_server import HookServer

CONFIG = Path(__file__).with_name("schemathesis.toml")
USER = "ann"
"""May read and decide, but not make Airflow post to addresses that the fuzzer generates."""

GRACE = 120
"""Seconds that a run may exceed its time, times ``PATIENCE``: test cases are not interrupted."""


@dataclass(frozen=True)
class Fuzzed:
    """Result of a run.

    Attributes:
        passed: whether no failure was found.
        report: the report of Schemathesis, for people.
        generated: number of generated requests.
    """

    passed: bool
    report: str
    generated: int


def fuzz(server: ReviewServer, folder: Path, *, seconds: int, seed: int) -> Fuzzed:
    """Fuzz everything in the server's own OpenAPI document for this many seconds.

    Reviews and webhooks that can be resent are created first; the fuzzer finds them in the lists by itself.
    """
    with HookServer() as hooks:
        hook = hooks.add("/fuzzed", [URL_SECRET])
        server.seed(20, "due", hook.url)
        server.seed(200 + seconds)
        return _run(server, folder, seconds, seed)


def _run(server: ReviewServer, folder: Path, seconds: int, seed: int) -> Fuzzed:
    report = folder / "schemathesis.json"
    command = [str(BIN / "schemathesis"), "--config-file", str(CONFIG), "--no-color", "run"]
    command += ["--phases", "coverage,fuzzing,stateful", "--continue-on-failure", "--request-timeout", "60"]
    command += ["--max-time", str(seconds), "--seed", str(seed), "--generation-database", "none"]
    command += ["--report", "json", "--report-json-path", str(report)]
    command += ["--header", f"Authorization: Bearer {server.token(USER)}"]
    done = subprocess.run(
        [*command, f"{server.airflow.url}/hitl-review/openapi.json"],
        cwd=folder,
        env={**os.environ, "COLUMNS": "116"},
        capture_output=True,
        text=True,
        timeout=seconds + GRACE * PATIENCE,
        check=False,
    )
    counted = json.loads(report.read_text(encoding="utf-8"))["test_cases"] if report.exists() else {}
    return Fuzzed(done.returncode == 0, done.stdout + done.stderr, counted.get("generated", 0))
