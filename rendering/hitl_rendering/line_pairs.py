"""Pairs changed lines with their next versions, such as table rows to which a column was added."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz.distance import Indel

_MOST_PAIRS = 4_000
"""Maximum lines before times lines after; more are compared by words regardless of lines."""

_PER_PAIR = 100_000
"""Overhead per pair of lines, in cells."""

_MOST_CHARS = 2_000
"""Maximum line length; a longer line is a paragraph, whose words may have moved anywhere."""

_ALIKE = 0.6
"""Minimum share of common characters for two lines to be paired."""


def cells(before: Sequence[str], after: Sequence[str]) -> int:
    """Cost of ``pair``: each character of one times each of the other; about 30,000,000 per millisecond."""
    return sum(map(len, before)) * sum(map(len, after)) + _PER_PAIR * len(before) * len(after)


def pair(before: Sequence[str], after: Sequence[str]) -> list[tuple[int, int]]:
    """Return pairs of matching lines, in order; none if that cannot be determined.

    Args:
        before: lines of a passage in which no line is unchanged.
        after: the lines that replace them.
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
