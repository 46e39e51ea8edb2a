"""Which changed lines are each other's next version, as the rows of a table to which a column was added."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz.distance import Indel

_MOST_PAIRS = 4_000
"""Lines before times lines after; more are compared by words without regard to lines."""

_PER_PAIR = 100_000
"""Cells whose comparison takes as long as all else that is done with a pair of lines."""

_MOST_CHARS = 2_000
"""A longer line is a paragraph: its words may have gone anywhere."""

_ALIKE = 0.6
"""Share of the characters of two lines from which on they belong together."""


def cells(before: Sequence[str], after: Sequence[str]) -> int:
    """What ``pair`` costs: each character of one against each of the other, some 30,000,000 in a millisecond."""
    return sum(map(len, before)) * sum(map(len, after)) + _PER_PAIR * len(before) * len(after)


def pair(before: Sequence[str], after: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of lines that belong together, in order; none where that cannot be told.

    Args:
        before: lines of a passage in which no line stayed as it was.
        after: what stands in their place.
    """
    if len(before) * len(after) > _MOST_PAIRS or min(len(before), len(after)) < 1:
        return []
    if len(before) + len(after) < 3 or max(map(len, [*before, *after])) > _MOST_CHARS:
        return []
    alike = [[_likeness(one, other) for other in after] for one in before]
    best = [[0.0] * (len(after) + 1) for _ in range(len(before) + 1)]
    for i in reversed(range(len(before))):
        for j in reversed(range(len(after))):
            best[i][j] = max(best[i + 1][j], best[i][j + 1], alike[i][j] + best[i + 1][j + 1])
    pairs: list[tuple[int, int]] = []
    i = j = 0
    while i < len(before) and j < len(after):
        if best[i][j] == best[i + 1][j]:
            i += 1
        elif best[i][j] == best[i][j + 1]:
            j += 1
        else:
            pairs.append((i, j))
            i, j = i + 1, j + 1
    return pairs


def _likeness(one: str, other: str) -> float:
    if one.isspace() or other.isspace():
        return 0.0
    return float(Indel.normalized_similarity(one.strip(), other.strip(), score_cutoff=_ALIKE))
