"""Compares two texts by lines, and by words within changed lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from hitl_rendering.alignment import Effort, Match, align
from hitl_rendering.line_pairs import cells, pair

Kind = Literal["equal", "removed", "added"]

_LINES_EFFORT = 300_000_000
_WORDS_EFFORT = 900_000_000
_PAIRS_EFFORT = 20_000_000_000
"""Maximum cost, as counted by ``line_pairs.cells``."""
_PER_COMPARISON = 30_000
"""Overhead per changed line, in cells."""
_MAX_CHARS = 4_000_000
"""Maximum changed characters, before and after together; more counts as changed as a whole."""
_MAX_PIECES = 1_200_000
"""The same limit in words, punctuation marks and spaces."""

# Each ideograph or kana is a separate word, as these are written without spaces; a JSON escape is not the
# start of a word; "don't" and "1,234.5" are one.
_PIECE = re.compile(
    r"""\s+|\\[nrt"\\]|[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]"""
    r"""|(?:(?![\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff])\w)+(?:(?:['’]|(?<=\d)[.,:](?=\d))\w+)*|."""
    r"",
    re.DOTALL,
)


class Segment(NamedTuple):
    """A piece of text that is equal, removed or added."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Difference:
    """The difference between two texts.

    Attributes:
        segments: in order; removed text precedes the text added in its place. Equal and removed segments form
            the text before, equal and added ones the text after.
        words_added: number of added words.
        words_removed: number of removed words.
        coarse: whether a passage counts as changed as a whole because comparing it would take too long.
    """

    segments: tuple[Segment, ...]
    words_added: int
    words_removed: int
    coarse: bool

    @property
    def same(self) -> bool:
        """Whether nothing changed."""
        return all(segment.kind == "equal" for segment in self.segments)


def compare(before: str, after: str) -> Difference:
    """Compare two texts by words; takes less than two seconds for a million characters each."""
    if before == after:
        return Difference((Segment("equal", before),) if before else (), 0, 0, False)
    # Comparing in either direction gives mirrored results.
    turned = after < before
    old, new = (after, before) if turned else (before, after)
    draft = _Draft()
    effort = Effort(_LINES_EFFORT)
    words, pairs = Effort(_WORDS_EFFORT), Effort(_PAIRS_EFFORT)
    first, second = old.splitlines(keepends=True), new.splitlines(keepends=True)
    i = j = 0
    for match in [*align(first, second, effort), Match(len(first), len(second), 0)]:
        _compare_lines(first[i : match.i], second[j : match.j], words, pairs, draft)
        draft.keep(first[match.i : match.i + match.size])
        i, j = match.i + match.size, match.j + match.size
    segments = draft.finish(turned)
    return Difference(
        segments,
        words_added=sum(_words(segment.text) for segment in segments if segment.kind == "added"),
        words_removed=sum(_words(segment.text) for segment in segments if segment.kind == "removed"),
        coarse=effort.exceeded or words.exceeded,
    )


class _Draft:
    """Collects segments; merges neighbours of the same kind."""

    def __init__(self) -> None:
        self._segments: list[tuple[list[str], list[str], list[str]]] = [([], [], [])]

    def keep(self, pieces: Sequence[str]) -> None:
        if not pieces:
            return
        if self._segments[-1][1] or self._segments[-1][2]:
            self._segments.append(([], [], []))
        self._segments[-1][0].extend(pieces)

    def change(self, removed: Sequence[str], added: Sequence[str]) -> None:
        self._segments[-1][1].extend(removed)
        self._segments[-1][2].extend(added)

    def finish(self, turned: bool) -> tuple[Segment, ...]:
        made: list[Segment] = []
        for equal, removed, added in self._segments:
            gone, come = (added, removed) if turned else (removed, added)
            if equal:
                made.append(Segment("equal", "".join(equal)))
            if gone:
                made.append(Segment("removed", "".join(gone)))
            if come:
                made.append(Segment("added", "".join(come)))
        return tuple(made)


def _compare_lines(
    before: Sequence[str], after: Sequence[str], effort: Effort, pairs: Effort, draft: _Draft
) -> None:
    """Compare changed lines: each with its next version, if that can be determined."""
    i = j = 0
    for p, q in pair(before, after) if pairs.take(cells(before, after)) else ():
        _compare_words("".join(before[i:p]), "".join(after[j:q]), effort, draft)
        _compare_words(before[p], after[q], effort, draft)
        i, j = p + 1, q + 1
    _compare_words("".join(before[i:]), "".join(after[j:]), effort, draft)


def _compare_words(before: str, after: str, effort: Effort, draft: _Draft) -> None:
    """Compare by words. Spaces belong to the words around them: they alone are no match."""
    if not before or not after:
        draft.change([before] if before else [], [after] if after else [])
        return
    if len(before) + len(after) > _MAX_CHARS or not effort.take(_PER_COMPARISON):
        effort.exceeded = True
        draft.change([before], [after])
        return
    first, second = _PIECE.findall(before), _PIECE.findall(after)
    if len(first) + len(second) > _MAX_PIECES:
        effort.exceeded = True
        draft.change([before], [after])
        return
    places = [at for at, piece in enumerate(first) if not piece.isspace()]
    others = [at for at, piece in enumerate(second) if not piece.isspace()]
    matches = align([first[at] for at in places], [second[at] for at in others], effort)
    i = j = 0
    for match in matches:
        start, other = places[match.i], others[match.j]
        _change(first[i:start], second[j:other], draft)
        i, j = places[match.i + match.size - 1] + 1, others[match.j + match.size - 1] + 1
        if first[start:i] == second[other:j]:
            draft.keep(first[start:i])
            continue
        p, q = start, other  # the same words, with different spaces between them
        for number in range(match.size):
            start, other = places[match.i + number], others[match.j + number]
            _change(first[p:start], second[q:other], draft)
            draft.keep([first[start]])
            p, q = start + 1, other + 1
    _change(first[i:], second[j:], draft)


def _change(removed: list[str], added: list[str], draft: _Draft) -> None:
    """Add a change between two equal words."""
    if removed == added:
        draft.keep(removed)
        return
    before, after = [], []
    if removed and added and removed[0] == added[0] and removed[0].isspace():
        before, removed, added = removed[:1], removed[1:], added[1:]
    if removed and added and removed[-1] == added[-1] and removed[-1].isspace():
        after, removed, added = removed[-1:], removed[:-1], added[:-1]
    draft.keep(before)
    draft.change(removed, added)
    draft.keep(after)


def _words(text: str) -> int:
    return sum(1 for piece in _PIECE.findall(text) if piece[0].isalnum())
