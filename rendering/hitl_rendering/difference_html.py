"""Renders a difference as a summary and as HTML."""

from __future__ import annotations

from hitl_rendering.differences import Difference, Kind
from hitl_rendering.plain_text import inline

_CONTEXT_LINES = 3
_CONTEXT_CHARS = 400
_CHANGE_LINES = 60
_CHANGE_CHARS = 6_000
"""Of a long removed or added passage, only start and end are shown: the outputs contain it in full."""
_FOLD_CHARS = 20_000
"""Maximum unchanged text that can be expanded; beyond that, only a line gives its size."""
_MAX_HTML = 200_000

_SPACES = str.maketrans({" ": "·", "\t": "→", "\r": "␍", "\n": "↵\n"})


def in_words(difference: Difference) -> str:
    """Summarize the changes: ``12 words added, 5 removed``."""
    if difference.same:
        return "no change"
    added, removed = difference.words_added, difference.words_removed
    if not added and not removed:
        return "only signs or spaces"
    (count, what), *rest = [pair for pair in ((added, "added"), (removed, "removed")) if pair[0]]
    noun = "word" if count == 1 else "words"
    return ", ".join([f"{count:,} {noun} {what}", *(f"{count:,} {what}" for count, what in rest)])


def to_html(difference: Difference) -> str:
    """Render the changes with some context, readable without colour and by screen readers."""
    parts: list[str] = []
    size = 0
    last = len(difference.segments) - 1
    for number, (kind, text) in enumerate(difference.segments):
        if size > _MAX_HTML:
            left = sum(1 for segment in difference.segments[number:] if segment.kind != "equal")
            parts.append(
                f'<div class="hitl-diff-skip">… {left:,} more passages added or removed further down …</div>'
            )
            break
        if kind == "equal":
            part = _unchanged(text, first=number == 0, last=number == last)
        else:
            tag = "ins" if kind == "added" else "del"
            unseen = f'<span class="hitl-unseen">[{kind}: </span>'
            part = f'<{tag}>{unseen}{_changed(text, kind)}<span class="hitl-unseen">]</span></{tag}>'
        size += len(part)
        parts.append(part)
    return "".join(parts)


def _changed(text: str, kind: Kind) -> str:
    if text.isspace():
        text = text.translate(_SPACES)
    start, end = _head(text, _CHANGE_LINES, _CHANGE_CHARS), _tail(text, _CHANGE_LINES, _CHANGE_CHARS)
    hidden = text[len(start) : len(text) - len(end)]
    if len(start) + len(end) >= len(text):
        return inline(text)
    return f'{inline(start)}<span class="hitl-diff-skip">… {_amount(hidden, "more")} {kind} …</span>{inline(end)}'


def _unchanged(text: str, *, first: bool, last: bool) -> str:
    start = "" if first else _head(text, _CONTEXT_LINES, _CONTEXT_CHARS)
    end = "" if last else _tail(text, _CONTEXT_LINES, _CONTEXT_CHARS)
    hidden = text[len(start) : len(text) - len(end)]
    if len(start) + len(end) >= len(text) or (len(hidden) < 200 and hidden.count("\n") < 3):
        return inline(text)
    words = f"… {_amount(hidden, 'unchanged')} …"
    if len(hidden) > _FOLD_CHARS:
        fold = f'<div class="hitl-diff-skip">{words}</div>'
    else:
        fold = f'<details><summary class="hitl-diff-skip">{words}</summary>{inline(hidden)}</details>'
    return inline(start) + fold + inline(end)


def _head(text: str, lines: int, chars: int) -> str:
    """Return the first lines, or less if they are long."""
    at = -1
    for _ in range(lines):
        at = text.find("\n", at + 1, chars)
        if at < 0:
            return text[:chars]
    return text[: at + 1]


def _tail(text: str, lines: int, chars: int) -> str:
    """Return the last lines, or less if they are long."""
    first = max(0, len(text) - chars)
    at = len(text)
    for _ in range(lines + 1):
        at = text.rfind("\n", first, at)
        if at < 0:
            return text[first:]
    return text[at + 1 :]


def _amount(text: str, which: str) -> str:
    lines = text.count("\n")
    return f"{lines:,} {which} lines" if lines > 1 else f"{len(text):,} {which} characters"
