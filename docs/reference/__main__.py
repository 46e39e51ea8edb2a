"""Write anew what the pages have from the code: ``python -m docs.reference``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from docs.reference import marks, rooms
from docs.reference.metrics_table import metrics_table
from docs.reference.rest_page import rest_reference
from docs.reference.settings_table import settings_table

DOCS = Path(__file__).parents[1]
MADE: dict[tuple[str, str], Callable[[], str]] = {
    ("settings.md", "settings"): settings_table,
    ("running.md", "metrics"): metrics_table,
    ("rest.md", "routes"): rest_reference,
}
"""Page and name of the marks, and what belongs between them."""


def main() -> None:
    """Write each part."""
    for (name, mark), make in MADE.items():
        page = DOCS / name
        page.write_text(marks.put(mark, make(), page.read_text(encoding="utf-8")), encoding="utf-8")
    rooms.PICTURE.write_text(rooms.picture(), encoding="utf-8")


if __name__ == "__main__":
    main()
