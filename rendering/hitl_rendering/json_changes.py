"""What changed in a JSON value, path by path, such as ``regions[2].revenue: 310 -> 290``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from rapidfuzz.distance import Levenshtein

from hitl_rendering.json_values import parse, written
from hitl_rendering.marked_html import mark, marked
from hitl_rendering.plain_text import inline

_MOST = 1_000
"""Maximum number of changes that are listed."""
_MAX_PAIRS = 4_000_000
"""Maximum product of two lists' lengths to align them; longer lists are compared item by item."""
_LONG = 4_000
"""Maximum characters of a value in a list of changes; the outputs contain it in full."""

_NAME = re.compile(r"[^\W\d]\w*")


class Change(NamedTuple):
    """A value that changed; None if there was none, or is none any more."""

    path: str
    before: str | None
    after: str | None


def json_changes(before: str, after: str) -> Iterator[Change]:
    """Compare two JSON texts.

    Raises:
        ValueError: one of them is no JSON.
    """
    return _compare("", parse(before), parse(after))


def to_html(before: str, after: str) -> str:
    """Return the changes as a table."""
    changes = list(islice(json_changes(before, after), _MOST + 1))
    rows = "".join(map(_row, changes[:_MOST]))
    more = (
        '<div class="hitl-diff-skip">… there are more changes: see them in the source …</div>'
        if len(changes) > _MOST
        else ""
    )
    return (
        '<table class="hitl-paths"><thead><tr><th scope="col">Where</th><th scope="col">Before</th>'
        f'<th scope="col">After</th></tr></thead><tbody>{rows}</tbody></table>{more}'
    )


def _row(change: Change) -> str:
    before, after = _shown(change.before), _shown(change.after)
    if change.before is not None and change.after is not None and max(len(before), len(after)) > 40:
        both = mark(before, after)
        before, after = both.before, both.after
    else:
        before, after = (marked(tag, text) if text else "" for tag, text in (("del", before), ("ins", after)))
    nothing = '<span class="hitl-meta">none</span>'
    return (
        f'<tr><th scope="row"><code>{inline(change.path) or "all of it"}</code></th>'
        f"<td>{before or nothing}</td><td>{after or nothing}</td></tr>"
    )


def _shown(value: str | None) -> str:
    return "" if value is None else inline(value, limit=_LONG)


def _compare(path: str, before: Any, after: Any) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            inside = _member(path, key)
            if key not in after:
                yield Change(inside, written(before[key]), None)
            elif key not in before:
                yield Change(inside, None, written(after[key]))
            else:
                yield from _compare(inside, before[key], after[key])
    elif isinstance(before, list) and isinstance(after, list):
        yield from _compare_lists(path, before, after)
    else:
        one, other = written(before), written(after)
        if one != other:
            yield Change(path, one, other)


def _compare_lists(path: str, before: list[Any], after: list[Any]) -> Iterator[Change]:
    if len(before) == len(after) or len(before) * len(after) > _MAX_PAIRS:
        steps = [(0, min(len(before), len(after)), 0, min(len(before), len(after)))]
        shorter = steps[0][1]
        steps.append((shorter, len(before), shorter, len(after)))
    else:
        one, other = [written(item) for item in before], [written(item) for item in after]
        steps = [
            (step.src_start, step.src_end, step.dest_start, step.dest_end)
            for step in Levenshtein.opcodes(one, other)
            if step.tag != "equal"
        ]
    for start, end, first, last in steps:
        for i, j in zip(range(start, end), range(first, last), strict=False):
            yield from _compare(f"{path}[{j}]", before[i], after[j])
        for i in range(start + (last - first), end):
            yield Change(f"{path}[{i}]", written(before[i]), None)
        for j in range(first + (end - start), last):
            yield Change(f"{path}[{j}]", None, written(after[j]))


def _member(path: str, key: str) -> str:
    if _NAME.fullmatch(key):
        return f"{path}.{key}" if path else key
    return f"{path}[{written(key)}]"
