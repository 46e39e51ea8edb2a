"""Reads the documentation pages in the repository."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path.name for path in DOCS.glob("*.md"))


def read(name: str) -> str:
    """The text of a page."""
    return (DOCS / name).read_text(encoding="utf-8")


def code_words(name: str) -> set[str]:
    """All inline code of a page."""
    without_blocks = re.sub(r"^ *```.*?^ *```", "", read(name), flags=re.DOTALL | re.MULTILINE)
    return set(re.findall(r"`([^`\n]+)`", without_blocks))
