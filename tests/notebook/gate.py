"""A cell that runs until the test says so: a kernel is busy for as long as the test needs, on any machine."""

from __future__ import annotations

from itertools import count
from pathlib import Path

_NUMBERS = count(1)


class Gate:
    """A cell that keeps its kernel busy until ``open`` is called.

    Args:
        folder: that this process and the kernel can reach.

    Attributes:
        path: there is a file as soon as the gate is open.
        cell: the cell's source.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"gate-{next(_NUMBERS)}"
        self.cell = f"import os, time\nwhile not os.path.exists({str(self.path)!r}):\n    time.sleep(0.02)"

    def when(self, action: str) -> str:
        """For ``Staged.do``: have an expression evaluated on the stage as soon as the gate is open."""
        return f"when({str(self.path)!r}, lambda: {action})\n"

    def open(self) -> None:
        """Let the cell end."""
        self.path.touch()
