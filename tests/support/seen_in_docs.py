"""Tables of pages that tests have made of what they saw."""

from __future__ import annotations

import os
from pathlib import Path


def check(document: Path, begin: str, end: str, wanted: str, *, renew: str) -> None:
    """Compare a page, between two marks, with ``wanted``; with HITL_WRITE_DOCS set, write it instead.

    Args:
        document: the page.
        begin: the mark before the table, which the page has once.
        end: the mark after it.
        wanted: what was seen.
        renew: what to run with HITL_WRITE_DOCS set.

    Raises:
        AssertionError: it says something else.
    """
    text = document.read_text(encoding="utf-8")
    before, rest = text.split(begin)
    there, after = rest.split(end)
    if os.environ.get("HITL_WRITE_DOCS"):
        document.write_text(f"{before}{begin}\n{wanted}\n{end}{after}", encoding="utf-8")
        return
    assert there.strip() == wanted, f"run: HITL_WRITE_DOCS=1 python -m pytest {renew}"
