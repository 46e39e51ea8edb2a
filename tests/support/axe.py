"""axe-core, which looks for what keeps people out."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.conftest import missing

VERSION = "axe-core@4.10.2"


def source(folder: Path) -> str:
    """Install axe-core into a new folder, and return its source; skips the test if npm is missing."""
    npm = shutil.which("npm")
    if npm is None:
        missing("npm", "https://nodejs.org")
        raise AssertionError
    home = folder / "axe"
    home.mkdir()
    command = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", VERSION]
    try:
        subprocess.run(command, cwd=home, check=True, capture_output=True)
    except subprocess.CalledProcessError as failure:
        missing("axe-core", f"npm install failed: {failure.stderr.decode(errors='replace')[-300:]}")
    return (home / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def faults(page: Page, axe: str, within: str = "html") -> list[str]:
    """Serious and critical violations, with their location.

    Args:
        page: the page.
        axe: what ``source`` returned.
        within: CSS selector of the element that is looked at.
    """
    page.evaluate(axe)
    found: dict[str, Any] = page.evaluate("within => axe.run(within)", within)
    assert found["passes"], "axe-core looked at nothing"
    return [
        f"{fault['id']}: {node['html'][:120]} {node['failureSummary'][:200]}"
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]
