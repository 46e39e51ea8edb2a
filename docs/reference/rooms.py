"""The picture of the rooms of ``airflow_hitl_review``, made from the imports: ``docs/pictures/rooms.svg``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import grimp

PICTURE = Path(__file__).parents[1] / "pictures" / "rooms.svg"
PACKAGE = "airflow_hitl_review"

PLACES: Mapping[str, tuple[int, int, int, str]] = {
    "root": (30, 20, 580, "public names, plugin, policy"),
    "web": (30, 110, 380, "HTTP: routes, pages, streams"),
    "task": (440, 200, 170, "operators, a review's steps"),
    "server/reviews": (30, 200, 170, "decide, list, resume"),
    "server/delivery": (240, 200, 170, "send what is left"),
    "server/db": (30, 290, 380, "all SQL, all of Airflow's server"),
    "core": (30, 380, 580, "states, schema, settings, events"),
}
"""Of each room: left, top and width in pixels, and what is in it."""

HEIGHT = 50
STYLE = """
    .back { fill: #ffffff; stroke: #c9d3d3 }
    .room { fill: #eef6f5; stroke: #00796b; stroke-width: 1.5 }
    .line { stroke: #45525a; stroke-width: 1.5 }
    .tip { fill: #45525a }
    text { fill: #1c2629; font: 12px ui-sans-serif, system-ui, sans-serif; text-anchor: middle }
    .name { font: 13px ui-monospace, Menlo, Consolas, monospace }
    @media (prefers-color-scheme: dark) {
      .back { fill: #1b2224; stroke: #3a4649 }
      .room { fill: #17342f; stroke: #4db6a8 }
      .line { stroke: #a9b7bb }
      .tip { fill: #a9b7bb }
      text { fill: #e6eef0 }
    }
"""


FRAME = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 450" width="640" height="450" role="img"
  aria-labelledby="title desc">
  <title id="title">The rooms of airflow_hitl_review</title>
  <desc id="desc">{told}.</desc>
  <style>{style}  </style>
  <defs>
    <marker id="tip" viewBox="0 0 8 8" refX="2" refY="4" markerWidth="7" markerHeight="7" orient="auto">
      <path class="tip" d="M0,0 L8,4 L0,8 z"/>
    </marker>
  </defs>
  <rect class="back" x="0.5" y="0.5" width="639" height="449" rx="8"/>
{drawn}
</svg>
"""


def room_of(module: str) -> str:
    """The room that a module is in; ``root`` for what lies in the package's own folder, ``""`` for none."""
    inside = module.removeprefix(PACKAGE).lstrip(".").replace(".", "/")
    if inside == "server" or inside.startswith("example_dags"):
        return ""
    return next((name for name in PLACES if re.match(rf"{name}(/|$)", inside)), "root")


def imports() -> set[tuple[str, str]]:
    """From which room to which other one something is imported."""
    graph = grimp.build_graph(PACKAGE)
    ways = {
        (room_of(module), room_of(imported))
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
    }
    return {(one, other) for one, other in ways if one and other and one != other}


def arrows(ways: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those that no way over another room stands for."""
    return sorted(
        (one, other) for one, other in ways if not any((one, by) in ways and (by, other) in ways for by in PLACES)
    )


def picture() -> str:
    """The SVG."""
    ways = imports()
    lines = []
    for upper, lower in arrows(ways):
        x, top, width, _ = PLACES[upper]
        left, below, span, _ = PLACES[lower]
        at = (max(x, left) + min(x + width, left + span)) // 2
        lines.append(f'  <path class="line" d="M{at},{top + HEIGHT} V{below - 8}" marker-end="url(#tip)"/>')
    for name, (x, y, width, words) in PLACES.items():
        title = PACKAGE if name == "root" else name
        lines += [
            f'  <rect class="room" x="{x}" y="{y}" width="{width}" height="{HEIGHT}" rx="6"/>',
            f'  <text class="name" x="{x + width // 2}" y="{y + 21}">{title}</text>',
            f'  <text x="{x + width // 2}" y="{y + 39}">{words}</text>',
        ]
    told = "; ".join(f"{upper} imports {lower}" for upper, lower in sorted(ways))
    return FRAME.format(told=told, style=STYLE, drawn="\n".join(lines))
