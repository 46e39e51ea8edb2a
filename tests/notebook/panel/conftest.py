"""JupyterLab in a browser, one for each module that asks for it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import need_chromium
from tests.notebook.lab import Lab, running_lab


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """No dialog may open, and no page may contact other machines."""
    chromium = need_chromium()
    home = Path(tempfile.mkdtemp(prefix="hitl-test-lab-"))
    with running_lab(home, chromium) as running:
        yield running
        assert running.dialogs == []
        assert running.requests == []
    shutil.rmtree(home, ignore_errors=True)
