"""Renders untrusted text of models and users as safe HTML.

``ipywidgets.HTML`` and the page's script set ``innerHTML`` unchanged: all untrusted text must pass through this
module.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from hitl_rendering.json_tree import Document
from hitl_rendering.kept import kept
from hitl_rendering.plain_text import encodable, inline, plain

__all__ = [
    "MARKDOWN_LIMIT",
    "PAUSED_DAG",
    "comparable",
    "earlier_output",
    "encodable",
    "inline",
    "markdown",
    "moment",
    "output",
    "plain",
    "short_run",
    "time_html",
    "time_of_day",
]

PAUSED_DAG = "the DAG is paused: the task goes on when the DAG does"
"""Message about a review whose DAG is paused."""

MARKDOWN_LIMIT = 50_000
"""Maximum Markdown length in characters; longer texts are shown as plain text, as they block the page."""

_LAID_OUT = 5_000
"""The same limit for an earlier output. Markdown of 20 KB takes about 20 ms, and a review can have many."""

_FRACTION = re.compile(r"\.\d{6}\+00:00(?=$|_)")

_WHOLE_LINK = re.compile("https?://[^/]|mailto:", re.IGNORECASE)
"""An absolute link. A relative one would lead into Airflow or Jupyter, as if it was theirs."""

_MAX_TOKENS = 60_000
"""Maximum tokens after the block parser. A short text can make many: missing table cells are filled in."""

_MAX_BRACKETS = 3_000_000
"""Maximum number of opening brackets times the characters that the parser may scan for a link's end."""
_LINK_SEARCH = 500
"""Maximum number of characters; nested brackets end the search."""

_MAX_QUOTED = 250_000
"""Maximum nesting of quotes times lines: each line may continue a quote without its markers (lazy continuation)."""
_MARKS = re.compile(r"^[ \t>*+\-\d.)]+", re.MULTILINE)

_MAX_NESTING = 60
_MARKDOWN = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": _MAX_NESTING}).enable(
    ["table", "strikethrough"]
)

# No images: loading one would tell its server that the text is being read. No style and no ids: a text must
# not imitate part of the panel.
_TAGS = {
    *(
        "a",
        "blockquote",
        "br",
        "code",
        "del",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "li",
        "ol",
        "p",
    ),
    *("pre", "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"),
}
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}


def markdown(text: str) -> str:
    """Render Markdown as HTML without active content; very long Markdown as plain text."""
    if len(text) > MARKDOWN_LIMIT:
        return _as_it_is(text, f"is long ({len(text):,} characters)")
    depth = max((marks.count(">") for marks in _MARKS.findall(text)), default=0)
    try:
        if depth * text.count("\n") > _MAX_QUOTED:
            raise _TooMuchWorkError
        tokens = _MARKDOWN.parse(encodable(text))
    except _TooMuchWorkError:
        return _as_it_is(text, "would take long to lay out")
    if any(token.level >= _MAX_NESTING - 1 for token in tokens):
        return _as_it_is(text, "is very deeply nested")  # the parser drops deeper content
    html = nh3.clean(
        _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_attribute,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        # Open links neither inside Airflow's frame nor in place of the notebook.
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    return f'<div class="hitl-markdown">{html}</div>'


@kept(most_bytes=40_000_000)
def output(text: str, output_format: str) -> str:
    """Render an output: JSON as a tree, anything else as Markdown. Cached and thread-safe."""
    return _json(text) if output_format == "json" else markdown(text)


def earlier_output(text: str, output_format: str) -> str:
    """Render an earlier output: Markdown only if that is fast, since it is collapsed and seldom read."""
    if len(text) <= _LAID_OUT:
        return output(text, output_format)
    return plain(comparable(text, output_format))


def comparable(text: str, output_format: str) -> str:
    """Return an output in the form used for comparison: JSON indented, anything else unchanged."""
    if output_format != "json":
        return text
    try:
        return Document(text).pretty()
    except ValueError:
        return text


def moment(at: datetime) -> str:
    """Format a time in the kernel's time zone, such as ``23 Nov 14:05``."""
    local = at.astimezone()
    return f"{local.day} {local:%b %H:%M}"


def time_html(at: datetime) -> str:
    """Return the time as HTML, with the exact time as its title."""
    local = at.astimezone()
    title = inline(f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}")
    return f'<time datetime="{local.isoformat()}" title="{title}">{moment(at)}</time>'


def time_of_day(at: datetime, *, now: datetime) -> str:
    """Format a time with seconds in the kernel's time zone, such as ``14:05:10``; with the day if not today."""
    local = at.astimezone()
    day = "" if local.date() == now.astimezone().date() else f"{local.day} {local:%b} "
    return f"{day}{local:%H:%M:%S}"


def short_run(run_id: str) -> str:
    """Return a run id without the fractional seconds of Airflow's generated run ids."""
    return _FRACTION.sub("", run_id)


def _as_it_is(text: str, why: str) -> str:
    return f'<div class="hitl-meta">This text {why}: it is shown as it is, not as Markdown.</div>{plain(text)}'


def _attribute(tag: str, name: str, value: str) -> str | None:
    """Filter an attribute: return its value, or None to drop it."""
    return value if name != "href" or _WHOLE_LINK.match(value) else None


def _image(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """Render an image as its alt text and URL instead."""
    token = tokens[index]
    return f"<em>[image: {inline(token.content)}, {inline(str(token.attrs.get('src', '')))}]</em>"


class _TooMuchWorkError(Exception):
    """Rendering a text would take a second or more."""


def _bound(state: StateCore) -> None:
    """Stop between block and inline parsing if a text would take far too long."""
    inlines = [token.content for token in state.tokens if token.type == "inline"]
    brackets = sum(content.count("[") * min(len(content), _LINK_SEARCH) for content in inlines)
    if len(state.tokens) > _MAX_TOKENS or brackets > _MAX_BRACKETS:
        raise _TooMuchWorkError


_MARKDOWN.core.ruler.after("block", "bound", _bound)
_MARKDOWN.add_render_rule("image", _image)
_MARKDOWN.parse("x")  # it compiles its rules at first use, which is not thread-safe


def _json(text: str) -> str:
    try:
        document = Document(text)
    except ValueError:
        return plain(text)
    try:
        return document.tree()
    except ValueError as error:
        note = f'<div class="hitl-meta">{inline(str(error))} It is shown as text, not as a tree.</div>'
    try:
        return note + plain(document.pretty())
    except ValueError:
        return note + plain(text)
