"""Changes from one output to the next, as a summary and as HTML."""

from __future__ import annotations

from hitl_rendering import json_changes, render
from hitl_rendering.difference_html import in_words, to_html
from hitl_rendering.differences import compare
from hitl_rendering.display import display_of
from hitl_rendering.kept import kept
from hitl_rendering.marked_html import MAX_CHARS, mark
from hitl_rendering.plain_text import inline

WAYS = {
    "shown": "As it looks",
    "shown-split": "As it looks, side by side",
    "paths": "Value by value",
    "source": "Source",
    "source-split": "Source, side by side",
}
"""How changes can be shown, with what readers choose."""

_COARSE = '<div class="hitl-meta">Too much changed to compare all of it word by word.</div>'
_MAX_MARKED = 40_000
"""Maximum characters of an output whose looks are compared; both are rendered for it."""


def ways(before: str, after: str, output_format: str, display_as: str | None = None) -> tuple[str, ...]:
    """Ways in which these changes can be shown, the usual one first."""
    kinds = {display_of(text, output_format, display_as).partition(":")[0] for text in (before, after)}
    if kinds <= {"json", "table"}:
        return "paths", "source", "source-split"
    if kinds in ({"markdown"}, {"code"}) and max(len(before), len(after)) <= _MAX_MARKED:
        return "shown", "shown-split", "source", "source-split"
    return "source", "source-split"


@kept(most_bytes=40_000_000)
def changes(
    before: str, after: str, output_format: str, display_as: str | None = None, way: str = ""
) -> tuple[str, str]:
    """Compare two outputs.

    Args:
        before: the earlier output.
        after: the later one.
        output_format: ``"json"`` compares them as indented JSON; anything else compares them unchanged.
        display_as: how the outputs are shown, as for ``render.output``.
        way: one of ``WAYS``; the usual one if it is empty or does not apply.

    Returns:
        The changes as a summary and as HTML; the HTML is empty if there are none. Cached and thread-safe.
    """
    possible = ways(before, after, output_format, display_as)
    way = way if way in possible else possible[0]
    source, other = render.comparable(before, output_format), render.comparable(after, output_format)
    found = compare(source, other)
    if found.same:
        return "no change" if before == after else "only how the JSON is written", ""
    words = in_words(found)
    if way == "paths":
        try:
            return words, json_changes.to_html(before, after)
        except ValueError:
            way = "source"  # one of them is no JSON
    if way.startswith("shown"):
        one, two = (render.output(text, output_format, display_as) for text in (before, after))
    else:
        one, two = inline(source), inline(other)
    if len(one) + len(two) <= MAX_CHARS and way != "source":
        marked = mark(one, two)
        if way == "shown":
            return words, marked.inline
        return words, _side_by_side(marked.before, marked.after, way)
    return words, (_COARSE if found.coarse else "") + to_html(found)


def _side_by_side(before: str, after: str, way: str) -> str:
    css = "hitl-plain" if way.startswith("source") else "hitl-look"
    return (
        f'<div class="hitl-split"><div role="group" aria-label="Before" class="{css}">{before}</div>'
        f'<div role="group" aria-label="After" class="{css}">{after}</div></div>'
    )
