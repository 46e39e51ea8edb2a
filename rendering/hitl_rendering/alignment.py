"""Aligns two sequences in bounded time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein

_WEAK = 24
"""Characters: a longer match always counts, however much changed around it."""

_MOST = 500_000
"""Maximum differing tokens, before and after together; more count as changed as a whole."""

_SHINGLES = (3, 1)
"""Numbers of consecutive tokens that make an anchor; tried in this order."""


class Match(NamedTuple):
    """``size`` equal tokens, starting at ``before[i]`` and ``after[j]``."""

    i: int
    j: int
    size: int


@dataclass
class Effort:
    """Remaining budget of comparisons.

    Attributes:
        cells: remaining cells of the matrix of all token pairs; about 3,000,000 take a millisecond.
        exceeded: whether the budget was ever insufficient, so that a passage counts as changed as a whole.
    """

    cells: int
    exceeded: bool = False

    def take(self, cells: int) -> bool:
        """Spend ``cells`` if that many are left."""
        if cells > self.cells:
            return False
        self.cells -= cells
        return True


def align(before: Sequence[str], after: Sequence[str], effort: Effort) -> list[Match]:
    """Find matches, in order, without those so short that they may be chance.

    Few differences are found exactly, however long the sequences are. If there are many, runs of tokens that
    occur once in both are anchors (as in "patience diff"), and the parts between them are compared exactly
    again.
    """
    numbers: dict[str, int] = {}
    first = [numbers.setdefault(token, len(numbers)) for token in before]
    second = [numbers.setdefault(token, len(numbers)) for token in after]
    found: list[Match] = []
    for match in _matches(first, second, 0, 0, effort):
        if found and (match.i, match.j) == (found[-1].i + found[-1].size, found[-1].j + found[-1].size):
            found[-1] = found[-1]._replace(size=found[-1].size + match.size)
        else:
            found.append(match)
    return _without_chance(found, before, after)


def _matches(
    first: list[int], second: list[int], i: int, j: int, effort: Effort, shingles: tuple[int, ...] = _SHINGLES
) -> Iterator[Match]:
    start = _common(first, second)
    end = _common(first[start:][::-1], second[start:][::-1])
    if start:
        yield Match(i, j, start)
    middle, other = first[start : len(first) - end], second[start : len(second) - end]
    if middle and other:
        yield from _inside(middle, other, i + start, j + start, effort, shingles)
    if end:
        yield Match(i + len(first) - end, j + len(second) - end, end)


def _inside(
    first: list[int], second: list[int], i: int, j: int, effort: Effort, shingles: tuple[int, ...]
) -> Iterator[Match]:
    longer = max(len(first), len(second))
    if effort.take(len(first) * len(second)):
        yield from _exact(first, second, i, j, None)
        return
    if len(first) + len(second) > _MOST:
        effort.exceeded = True
        return
    most = min(effort.cells // 4 // longer, 4_000)  # maximum affordable number of differences
    if most and effort.take(most * longer):
        differences = Levenshtein.distance(first, second, score_cutoff=most)
        if differences <= most and effort.take(differences * longer):
            yield from _exact(first, second, i, j, differences)
            return
    for position, width in enumerate(shingles):
        anchors = _anchors(first, second, width)
        if not anchors:
            continue
        p = q = 0
        for a, b in [*anchors, (len(first), len(second))]:
            if a >= p and b >= q:  # otherwise within the last anchor
                yield from _matches(first[p:a], second[q:b], i + p, j + q, effort, shingles[position + 1 :])
                size = min(width, len(first) - a)
                if size:
                    yield Match(i + a, j + b, size)
                p, q = a + size, b + size
        return
    effort.exceeded = True


def _exact(first: list[int], second: list[int], i: int, j: int, hint: int | None) -> Iterator[Match]:
    for step in Levenshtein.opcodes(first, second, score_hint=hint):
        if step.tag == "equal":
            yield Match(i + step.src_start, j + step.dest_start, step.src_end - step.src_start)


def _common(first: list[int], second: list[int]) -> int:
    """Return the length of the common prefix."""
    shorter = min(len(first), len(second))
    if first[:shorter] == second[:shorter]:
        return shorter
    return next(at for at in range(shorter) if first[at] != second[at])


def _anchors(first: list[int], second: list[int], width: int) -> list[tuple[int, int]]:
    """Find runs of ``width`` tokens that occur once in both; as many as are in the same order."""
    places = _single(first, width)
    others = _single(second, width)
    pairs = [(at, others[run]) for run, at in places.items() if run in others]
    # The longest increasing subsequence of the second indices: the first ones already increase.
    tails: list[int] = []
    ends: list[int] = []
    previous: list[int] = []
    for index, (_, b) in enumerate(pairs):
        slot = bisect_left(tails, b)
        previous.append(ends[slot - 1] if slot else -1)
        tails[slot : slot + 1] = [b]
        ends[slot : slot + 1] = [index]
    row: list[tuple[int, int]] = []
    index = ends[-1] if ends else -1
    while index >= 0:
        row.append(pairs[index])
        index = previous[index]
    return row[::-1]


def _single(tokens: list[int], width: int) -> dict[tuple[int, ...], int]:
    """Return runs of tokens that occur once, in order, with their positions."""
    found: dict[tuple[int, ...], int] = {}
    more: set[tuple[int, ...]] = set()
    for at, run in enumerate(zip(*(tokens[shift:] for shift in range(width)), strict=False)):
        if found.setdefault(run, at) != at:
            more.add(run)
    for run in more:
        del found[run]
    return found


def _without_chance(matches: list[Match], before: Sequence[str], after: Sequence[str]) -> list[Match]:
    """Drop short matches between longer changes: a lone "the" makes two rewritten sentences hard to read."""
    lengths = list(accumulate(map(len, before), initial=0))
    others = list(accumulate(map(len, after), initial=0))
    kept: list[Match] = []
    for following in [*matches, Match(len(before), len(after), 0)]:
        while kept:
            i, j, size = kept[-1]
            p, q, last = kept[-2] if len(kept) > 1 else Match(0, 0, 0)
            change = max(lengths[i] - lengths[p + last], others[j] - others[q + last])
            next_change = max(lengths[following.i] - lengths[i + size], others[following.j] - others[j + size])
            if lengths[i + size] - lengths[i] > min(change, next_change, _WEAK):
                break
            kept.pop()
        kept.append(following)
    return kept[:-1]
