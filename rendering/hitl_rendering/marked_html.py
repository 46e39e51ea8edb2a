"""Marks what changed in two pieces of HTML that we rendered, so that a difference is read as the outputs look."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hitl_rendering.alignment import Effort, align

MAX_CHARS = 400_000
"""Maximum length of the HTML, before and after together."""

_EFFORT = 300_000_000

_TAG = r"<(?:[^\"'>]|\"[^\"]*\"|'[^']*')*>"
_PIECE = re.compile(
    # Formulas, buttons and templates are marked as a whole; an entity is a sign.
    r"<math\b.*?</math>|<button\b.*?</button>|<template\b.*?</template>"
    rf"|{_TAG}|&\#?\w+;|\s+|(?:(?![\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff])\w)+(?:(?:['’]|(?<=\d)[.,:](?=\d))\w+)*|.",
    re.DOTALL,
)
_BREAK = re.compile(r"</?(p|li|tr|td|th|h\d|pre|div|blockquote|br|ul|ol|table)\b")


@dataclass(frozen=True)
class MarkedHtml:
    """Two pieces of HTML with marks.

    Attributes:
        inline: the one after, with what was removed put in.
        before: the one before, with what was removed marked.
        after: the one after, with what was added marked.
    """

    inline: str
    before: str
    after: str


class _Pieces:
    """HTML as pieces: tags, spaces and words."""

    def __init__(self, html: str) -> None:
        self.all: list[str] = _PIECE.findall(html)
        self.places = [at for at, piece in enumerate(self.all) if _is_word(piece)]
        self.words = [self.all[at] for at in self.places]
        self.changed = set(range(len(self.words)))

    def between(self, first: int, end: int) -> str:
        """Words without the tags between them, and whether a new block starts before the first."""
        pieces = self.all[self.places[first] : self.places[end - 1] + 1]
        return "".join(" " if _BREAK.match(piece) else "" if _is_tag(piece) else piece for piece in pieces)

    def starts_block(self, word: int) -> bool:
        """Whether a block starts or ends between this word and the one before."""
        start = self.places[word - 1] + 1 if word else 0
        return any(_BREAK.match(piece) for piece in self.all[start : self.places[word]])


def mark(before: str, after: str) -> MarkedHtml:
    """Mark what changed. Tags are kept as they are; only texts get marks."""
    old, new = _Pieces(before), _Pieces(after)
    matches = align(old.words, new.words, Effort(_EFFORT))
    removed: dict[int, str] = {}  # before which word, or after the one before, as a mark
    follows: set[int] = set()
    i = j = 0
    for match_i, match_j, size in [*matches, (len(old.words), len(new.words), 0)]:
        if match_i > i:
            removed[j] = marked("del", old.between(i, match_i))
            if j and not old.starts_block(i):
                follows.add(j)
        old.changed.difference_update(range(match_i, match_i + size))
        new.changed.difference_update(range(match_j, match_j + size))
        i, j = match_i + size, match_j + size
    return MarkedHtml(
        inline="".join(_written(new, "ins", removed, follows)),
        before="".join(_written(old, "del", {}, set())),
        after="".join(_written(new, "ins", {}, set())),
    )


def _written(pieces: _Pieces, tag: str, removed: dict[int, str], follows: set[int]) -> Iterator[str]:
    word = -1
    words: list[str] = []  # words to mark, and the spaces between them
    for piece in pieces.all:
        if _is_word(piece):
            word += 1
            if word in removed and word not in follows:
                yield from _flush(tag, words)
                yield removed[word]
            if word in pieces.changed:
                words.append(piece)
            else:
                yield from _flush(tag, words)
                yield piece
            if word + 1 in follows:
                yield from _flush(tag, words)
                yield f" {removed[word + 1]}"
        elif words and piece.isspace():
            words.append(piece)
        else:
            yield from _flush(tag, words)
            yield piece
    yield from _flush(tag, words)
    if word + 1 in removed and word + 1 not in follows:
        yield removed[word + 1]


def _flush(tag: str, words: list[str]) -> Sequence[str]:
    if not words:
        return ()
    text = "".join(words)
    words.clear()
    told = text.rstrip()
    return marked(tag, told), text[len(told) :]


def marked(tag: str, html: str) -> str:
    """Put HTML into ``ins`` or ``del``, with words for screen readers."""
    kind = "added" if tag == "ins" else "removed"
    return f'<{tag}><span class="hitl-unseen">[{kind}: </span>{html}<span class="hitl-unseen">]</span></{tag}>'


def _is_tag(piece: str) -> bool:
    return piece.startswith("<") and not piece.startswith(("<math", "<button", "<template"))


def _is_word(piece: str) -> bool:
    return not piece.isspace() and not _is_tag(piece)
