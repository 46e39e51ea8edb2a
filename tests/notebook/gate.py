"""A cell that runs until the test ends it, so that a kernel is busy as long as the test needs, on any machine."""

from __future__ import annotations

from itertools import count
from pathlib import Path

_NUMBERS = count(1)


class Gate:
    """A cell that keeps its kernel busy until ``open`` is called.

    Args:
        folder: accessible to this process and the kernel.

    Attributes:
        path: a file that exists once the gate is open.
        cell: the cell's source.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"gate-{next(_NUMBERS)}"
        self.cell = f"import os, time\nwhile not os.path.exists({str(self.path)!r}):\n    time.sleep(0.02)"

    def when(self, action: str) -> str:
        """For ``Staged.do``: evaluate an expression on the stage as soon as the gate is open."""
        return f"when({str(self.path)!r}, lambda: {action})\n"

    def open(self) -> None:
        """Let the cell end."""
        self.path.touch()
