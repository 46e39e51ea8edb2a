"""Programs in JavaScript, with the packages of ``js/package.json``."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import missing

JS = Path(__file__).parent / "js"

Program = Callable[[dict[str, Any]], dict[str, Any]]
"""Gives a program a job, and returns the result; both are JSON."""


def _installed(folder: Path) -> tuple[Path, str]:
    """The folder with the programs and packages, installed once for a folder, and Node; skips without them."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        missing("node and npm", "https://nodejs.org")
        raise AssertionError
    home = folder / "js"
    if (home / "node_modules").exists():
        return home, node
    shutil.copytree(JS, home)
    install = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    install += ["--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
    try:
        subprocess.run(install, cwd=home, check=True, capture_output=True, text=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as failure:
        missing("node and npm", f"npm install failed: {str(failure.stderr)[-300:]}")
    return home, node


@contextmanager
def node_program(folder: Path, name: str) -> Iterator[Program]:
    """Start a program that reads a job a line, and writes a result a line.

    Args:
        folder: where packages are installed, once.
        name: of the program in ``js``.
    """
    home, node = _installed(folder)
    with subprocess.Popen(
        [node, name],
        cwd=home,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    ) as process:
        jobs, results = process.stdin, process.stdout
        assert jobs is not None
        assert results is not None

        def run(job: dict[str, Any]) -> dict[str, Any]:
            print(json.dumps(job), file=jobs, flush=True)
            line = results.readline()
            assert line.startswith("{"), f"{name} failed: {line}"
            result: dict[str, Any] = json.loads(line)
            return result

        yield run
        jobs.close()
