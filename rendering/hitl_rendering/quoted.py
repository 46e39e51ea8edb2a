"""An untrusted text as a part of somebody else's Markdown, which another program renders.

Made for the forms of Airflow's own UI. It renders with react-markdown and remark-gfm: images are loaded, HTML is
left out without a word, footnotes move to the end, a relative link leads into Airflow, and a fence that names no
language loses its line breaks. So a text is quoted as Markdown only if nothing of this is in it; any other is shown
as it is written.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from hitl_rendering.json_tree import Document

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_PRETTY_LIMIT = 100_000
"""Maximum length of JSON that is indented, in characters: that takes time, and only its start is shown."""

_MAX_LEVEL = 20
"""Maximum nesting, which the other program renders recursively."""

_MAX_MARKS = 1_500
"""Maximum number of signs that can begin a mark; each may be searched for its end."""
_MARK = re.compile(r"[\[\]*_~`>|<]")

_UNSAFE = re.compile(r"!\[|\[\^|\]:")
"""Images, footnotes, and definitions of links, in all ways to write them."""

_FENCE_WIDTH = 100
"""Maximum length of a line in a fence, in characters, as lines are not wrapped there."""

_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
_BACKSLASHED = r"\\\g<0>"

_LINE_END = re.compile(r"\r\n?|\n")

_PAIRS = (
    *(
        "blockquote",
        "bullet_list",
        "em",
        "heading",
        "link",
        "list_item",
        "ordered_list",
        "paragraph",
        "s",
        "strong",
    ),
    *("table", "tbody", "td", "th", "thead", "tr"),
)
_HARMLESS = {"code_inline", "fence", "hardbreak", "hr", "inline", "softbreak", "text"} | {
    f"{name}_{edge}" for name in _PAIRS for edge in ("open", "close")
}
_LINK = re.compile("https?://[^/]|mailto:", re.IGNORECASE)
_LANGUAGE = re.compile(r"[A-Za-z0-9]+")


@cache
def _parser() -> MarkdownIt:
    """A parser that takes raw HTML and links to anywhere, so that these are tokens which are not harmless.

    Made at first use: each task that imports the mixin would wait for it otherwise.
    """
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": True, "maxNesting": 60}).enable(["table", "strikethrough"])
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    parser.parse("x")  # it compiles its rules at first use, which is not thread-safe
    return parser


def quoted(text: str, output_format: str, limit: int) -> tuple[str, int]:
    """Return the start of an output as a block of Markdown, and the whole length in characters.

    Args:
        text: the output.
        output_format: ``json`` is indented, and in a fence.
        limit: maximum length of what is shown, in characters.
    """
    if output_format == "json":
        text = _pretty(text)
        return _fenced(text[:limit], "json"), len(text)
    start = "\n".join(_LINE_END.split(text[:limit]))
    shown = _as_markdown(start)
    if shown is None:
        is_wide = max(map(len, start.split("\n"))) > _FENCE_WIDTH
        shown = _escaped(start) if is_wide else _fenced(start, "text")
    return shown, len(text)


def _pretty(text: str) -> str:
    if len(text) > _PRETTY_LIMIT:
        return text
    try:
        return Document(text).pretty()
    except ValueError:
        return text


def _fenced(text: str, language: str) -> str:
    """The text in a fence that is longer than any run of backticks in it."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _escaped(text: str) -> str:
    """The text as quoted Markdown in which no character is a mark."""
    lines = []
    for line in text.split("\n"):
        words = line.expandtabs(4).lstrip(" ")
        indent = "&nbsp;" * (len(line.expandtabs(4)) - len(words))
        lines.append(f"> {indent}{_PUNCTUATION.sub(_BACKSLASHED, words.rstrip())}  " if words.strip() else ">")
    return "\n".join(lines)


def _as_markdown(text: str) -> str | None:
    """The text as quoted Markdown, with its line breaks; None if that is not harmless."""
    if _UNSAFE.search(text) or len(_MARK.findall(text)) > _MAX_MARKS:
        return None
    lines = (f"> {line.expandtabs(4)}".rstrip() for line in text.split("\n"))
    # Two spaces at the end of a line break it, as reviewers see it elsewhere; where they do not, they are not seen.
    quote = "\n".join(line if line == ">" else f"{line}  " for line in lines)
    tokens = _parser().parse(quote)
    whole = (tokens[0].type, tokens[-1].type) == ("blockquote_open", "blockquote_close")
    at_the_top = sum(token.level == 0 for token in tokens)
    if not whole or at_the_top != 2 or not all(map(_is_harmless, tokens)):
        return None
    return quote


def _is_harmless(token: Token) -> bool:
    if token.type not in _HARMLESS or token.level > _MAX_LEVEL:
        return False
    if token.type == "link_open" and not _LINK.match(str(token.attrs.get("href", ""))):
        return False
    if token.type == "fence" and not _LANGUAGE.fullmatch(token.info.strip()):
        return False
    return all(map(_is_harmless, token.children or ()))
