"""Changes from one output to the next, as a summary and as HTML."""

from __future__ import annotations

from hitl_rendering import render
from hitl_rendering.difference_html import in_words, to_html
from hitl_rendering.differences import compare
from hitl_rendering.kept import kept

_COARSE = '<div class="hitl-meta">Too much changed to compare all of it word by word.</div>'


@kept(most_bytes=40_000_000)
def changes(before: str, after: str, output_format: str) -> tuple[str, str]:
    """Compare two outputs.

    Args:
        before: the earlier output.
        after: the later one.
        output_format: ``"json"`` compares them as indented JSON; anything else compares them unchanged.

    Returns:
        The changes as a summary and as HTML; the HTML is empty if there are none. Cached and thread-safe.
    """
    found = compare(render.comparable(before, output_format), render.comparable(after, output_format))
    if found.same:
        return "no change" if before == after else "only how the JSON is written", ""
    note = _COARSE if found.coarse else ""
    return in_words(found), note + to_html(found)
