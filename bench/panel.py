"""What the panel costs a kernel: the first view of 1,000 and of 10,000 reviews, in a kernel of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.notebook.kernels import kernel
from tests.notebook.panel.test_scale import MEASURE, fill, measure
from tests.notebook.server import ReviewServer

SIZES = (1_000, 10_000)
VIEWS = 5


def run(folder: Path) -> dict[str, Any]:
    """Measure; ``folder`` is empty and temporary."""
    figures: dict[str, Any] = {}
    server = ReviewServer()
    try:
        with kernel(Path(sys.executable), folder, {}) as running:
            running.run(MEASURE % server.url)
            for size in SIZES:
                fill(server, size)
                costs, sent = [], 0
                for _ in range(VIEWS):
                    heard = len(running.heard)
                    costs.append(measure(running, "first_view"))
                    sent = running.size(heard)
                    running.run("panel.close()")
                figures[str(size)] = {
                    "cpu_ms": round(min(cost.whole for cost in costs) * 1000),
                    "wall_ms": round(min(cost.wall for cost in costs) * 1000),
                    "bytes_to_the_browser": sent,
                }
    finally:
        server.stop()
    return figures
