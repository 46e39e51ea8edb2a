"""How the cost grows, as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.peers import NAMES


def plot(results: Mapping[str, Any], file: Path) -> None:
    """Draw how the cost grows."""
    mpl.rcParams["svg.hashsalt"] = "performance"  # the same figures make the same file
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    inbox = results["inbox"]
    sizes = [int(size) for size in inbox if size.isdigit()]
    for view, style in (("first page", "o-"), ("text search", "s--"), ("by deadline", "^:")):
        left.plot(sizes, [inbox[str(size)][view]["p95_ms"] for size in sizes], style, label=view)
    unchanged = [inbox[str(size)]["unchanged"]["p95_ms"] for size in sizes]
    left.plot(sizes, unchanged, "d-", label="first page, unchanged")
    left.set(xscale="log", yscale="log", xlabel="open reviews", ylabel="p95, ms", title="The list of reviews")
    left.legend(frameon=False, fontsize=8)
    seconds = results["latency"]["seconds"]
    right.boxplot([seconds[kind] for kind in NAMES], orientation="horizontal", widths=0.6)
    right.set_yticks(range(1, len(NAMES) + 1), [name.replace("`", "") for name in NAMES.values()], fontsize=8)
    right.invert_yaxis()
    right.set(xlabel="seconds", title="From a decision to the end of its task")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    figure.savefig(file, metadata={"Date": None})
