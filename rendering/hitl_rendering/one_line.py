"""Texts on one line, for lists: the title of a prompt, the start of an output; without Markdown's marks."""

from __future__ import annotations

import re
from collections.abc import Iterator

TITLE_LENGTH = 120
"""Maximum length of a title, in characters."""

EXCERPT_LENGTH = 200
"""Maximum length of an excerpt, in characters."""

_READ = 1_000
"""Characters of a text that are looked at, more than are shown: marks and white space are left out."""

# Characters that can be shown on one line: no white space, no control characters, and no Unicode direction marks,
# as truncation may remove the mark that ends the direction.
_WORD = re.compile(r"[^\s\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]+")

_FENCE = re.compile(r"\s{0,3}(`{3,}|~{3,})")
_RULE = re.compile(r"[\s|:=*_-]*[|=*_-]{3,}[\s|:=*_-]*")
"""A line of a rule, of a table's head, or below a heading."""
_LEADING = re.compile(r"^\s*(?:(?:>|#{1,6}(?=\s)|[-*+](?=\s)(?:\s+\[[ xX]\](?=\s))?)\s*)+")
_TRAILING = re.compile(r"\s+#+\s*$")
_MARKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*(?:\s+\"[^\"]*\")?\)"), r"\1"),
    (re.compile(r"<((?:https?://|mailto:)[^\s<>]+)>"), r"\1"),
    (re.compile(r"(?<!\\)(\*{1,3})(?=[^\s*])([^*]*[^\s*\\])\1"), r"\2"),
    (re.compile(r"(?<![\w\\])(_{1,3})(?=[^\s_])([^_]*[^\s_\\])\1(?!\w)"), r"\2"),
    (re.compile(r"~~(?=[^\s~])([^~]*[^\s~])~~"), r"\1"),
)
_MARK = re.compile(r"[|!<*_~\\\[`]")
"""What all of these begin with; without, there is nothing to leave out."""
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_CODE = re.compile(r"(`+)(?!`)([^`]+)\1(?!`)")


def title_of(prompt: str) -> str:
    """The first line of a prompt that has words; empty if none has. A longer one is cut after a word."""
    first = next((words for line in _unmarked(prompt.lstrip()[:_READ]) if (words := _words(line))), [])
    title = " ".join(first)
    if len(title) <= TITLE_LENGTH:
        return title
    whole, _, rest = title[:TITLE_LENGTH].rpartition(" ")
    kept = whole if whole and len(rest) < TITLE_LENGTH // 4 else title[: TITLE_LENGTH - 1]
    return f"{kept.rstrip()}…"


def excerpt_of(output: str, output_format: str) -> str:
    """The first characters of an output, on one line; JSON keeps its signs."""
    text = output.lstrip()[:_READ]
    lines = [text] if output_format == "json" else _unmarked(text)
    told = ""
    for line in lines:
        if words := " ".join(_words(line)):
            told = f"{told} {words}" if told else words
        if len(told) >= EXCERPT_LENGTH:
            break
    return told[:EXCERPT_LENGTH].rstrip()


def _words(line: str) -> list[str]:
    return _WORD.findall(line)


def _unmarked(text: str) -> Iterator[str]:
    """The lines of a text without Markdown's marks; what is in a fence stays as it is."""
    fence = ""
    for line in text.splitlines():
        found = _FENCE.match(line)
        if found and (not fence or (found[1].startswith(fence) and not line[found.end() :].strip())):
            fence = "" if fence else found[1]
        elif fence:
            yield line
        elif not _RULE.fullmatch(line):
            yield _inline(_TRAILING.sub("", _LEADING.sub("", line, count=1)))


def _inline(line: str) -> str:
    """A line without the marks between its words; code keeps what it is made of."""
    if _MARK.search(line) is None:  # ten times faster, and called for each row of a list
        return line
    if line.lstrip().startswith("|"):
        line = line.replace("|", " ")
    parts: list[str] = []
    end = 0
    for code in _CODE.finditer(line):
        parts += [_unemphasized(line[end : code.start()]), code[2]]
        end = code.end()
    return "".join([*parts, _unemphasized(line[end:])])


def _unemphasized(text: str) -> str:
    for _ in range(2):  # marks within marks
        for mark, kept in _MARKS:
            text = mark.sub(kept, text)
    return _ESCAPED.sub(r"\1", text)
